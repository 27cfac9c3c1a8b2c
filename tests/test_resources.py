"""Resource curves and peaks: of any era's tables, in bounded memory, whatever is in them."""

from __future__ import annotations

import math

import pytest
from logtreebits import Bytes, Heard

from entry_script_helper.logtree import layouts
from entry_script_helper.logtree.activity import resources
from entry_script_helper.logtree.activity.thinning import Point, Series, Spread
from entry_script_helper.logtree.files import tables

NODE = layouts.Place(layouts.NODE_RESOURCES, "10.0.0.4")
PROCESS = layouts.Place(layouts.PROCESS_RESOURCES, "10.0.0.4", "", 4711)
NOON = 1769860800.0
HEADING = "Utc Time,Cpu Percent,Memory Total (MB),Memory Available (MB),Memory Used (MB),Memory Used Percent\r\n"


def table(content):
    return Bytes(content if isinstance(content, bytes) else content.encode(), "performance/node.csv")


def usage_of(content, place=NODE, **options):
    return resources.usage(table(content), place, Heard(), **options)


def test_a_nodes_table_is_curves_a_peak_and_a_limit():
    """A node's table tells its processors, its memory with the highest point, and its limit."""
    rows = "2026-01-31T12:00:00.250Z,50.5,16000,8000,8000,50\r\n2026-01-31 12:00:05,75,16000,1000,15000,93.75\r\n"
    found = usage_of(HEADING + rows)
    assert found.processor.points() == [(NOON + 0.25, 50.5), (NOON + 5, 75)]
    assert found.memory_peak == (NOON + 5, 15000)
    assert found.memory_percent.peak == (NOON + 5, 93.75)
    assert found.memory_total == 16000
    assert found.is_node
    assert resources.limits(resources.usages([(table(HEADING + rows), NODE)], Heard())) == {"10.0.0.4": 16000}


def test_rows_of_earlier_runs_can_be_left_out():
    """A table to which several runs have appended can be read from a time on."""
    rows = "2026-01-31T12:00:00Z,50,16000,8000,9000,50\n2026-01-31T12:00:05Z,75,16000,1000,5000,30\n"
    assert usage_of(HEADING + rows, since=NOON + 1).memory.points() == [(NOON + 5, 5000)]


def test_a_processs_table_has_no_limit():
    """A process's table tells what the process used; its address space is not taken for memory."""
    content = "Utc Time,Cpu Percent,Cpu User Seconds,Memory Virtual (MB),Memory Used (MB),Memory Used Percent\n"
    found = usage_of(f"{content}2026-01-31T12:00:00Z,,1.5,99999,250,1.5\n", PROCESS)
    assert (found.node, found.process, found.is_node) == ("10.0.0.4", 4711, False)
    assert found.processor.count == 0
    assert found.memory_peak == (NOON, 250)
    assert found.memory_total is None
    assert resources.limits([found]) == {}


@pytest.mark.parametrize(
    ("heading", "row", "memory"),
    [
        ("timestamp,rss_bytes", "1769860800.0,1073741824", 1024),
        ("Time,Memory Usage (GB)", "2026-01-31T12:00:00,1.5", 1536),
        ("time,mem_used_kb", "2026-01-31 12:00:00,2048", 2),
        ("\ufeffTime,Memory Used", "2026-01-31T12:00:00.000000+00:00,7", 7),
        ("UTC Date,Time,Memory Used (MB)", "31.1.2026,2026-01-31T12:00:00,7", 7),
    ],
)
def test_headings_are_sniffed(heading, row, memory):
    """Columns are found by what their names say, whatever the order and the unit."""
    assert usage_of(f"{heading}\n{row}\n").memory.points() == [(NOON, memory)]


def test_a_share_is_told_by_the_totals():
    """Where a table has no percent of memory, its totals tell it."""
    rows = "Utc Time,Memory Total (MB),Memory Used (MB)\n2026-01-31T12:00:00,200,150\n"
    assert usage_of(rows).memory_percent.peak == (NOON, 75)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\0\0",
        b"no heading of ours\n1,2,3\n",
        HEADING,
        f"{HEADING}yesterday,1,2,3,4,5\n",
        f"{HEADING}2026-99-99T12:00:00,1,2,3,4,5\n",
        f"{HEADING}2026-01-31T12:00:00,nan,inf,-inf,nan,none\n",
        f"{HEADING}nan,1,2,3,4,5\n",
        f"{HEADING}2026-01-31T12:00:00\n",
        HEADING.encode() + b"\xff\xfe\n\x80",
        f'{HEADING}"{"x" * 200_000}\n',
        f"{HEADING}" + '"\n' + "x\n" * 200_000,
        f"{HEADING}2026-01-31T12:00:00,1,2,3,4",
    ],
)
def test_what_is_no_table_tells_nothing(content):
    """A table that is empty, broken or none, and a last row of which values are missing, is passed over."""
    assert list(resources.usages([(table(content), NODE)], Heard())) == []


def test_a_row_among_rubbish_is_found():
    """NULs, too long lines and fields that are no numbers lose no row but their own."""
    rubbish = b"\0" * 70_000 + b"\n" + b"y" * 300_000 + b"\n,,,\n"
    found = usage_of(HEADING.encode() + rubbish + b"\0\0" + b"2026-01-31T12:00:00,1,2,3,4,5\r\n")
    assert found.memory.points() == [(NOON, 4)]


def test_a_heading_that_moves_the_columns():
    """A later run's heading counts for the rows behind it: each value is taken from the column that has its name."""
    later = "Utc Time,Memory Used (GB),Cpu Percent\n2026-01-31T12:00:05,2,7\n"
    found = usage_of(f"{HEADING}2026-01-31T12:00:00,50,16000,8000,9000,50\n{later}")
    assert found.memory.points() == [(NOON, 9000), (NOON + 5, 2048)]
    assert found.processor.points() == [(NOON, 50), (NOON + 5, 7)]


def test_half_a_value_is_none():
    """Of a last row that is being written the values before the last count; the last may be half of one."""
    found = usage_of(f"{HEADING}2026-01-31T12:00:00,50,16000,8000,4000,9")
    assert found.memory.points() == [(NOON, 4000)]
    assert found.memory_percent.points() == [(NOON, 25)]


def test_what_is_no_table_is_said():
    """A performance table without a heading is one complaint."""
    heard = Heard()
    resources.usage(table("1,2,3\n4,5,6\n"), NODE, heard)
    assert heard.heard == [("performance/node.csv", tables.NO_TABLE)]


def test_other_files_are_not_read():
    """Only performance tables are looked at."""
    assert list(resources.usages([(None, layouts.Place(layouts.USER, "10.0.0.4"))], Heard())) == []


def test_a_table_is_read_in_bounded_memory():
    """However long a table is, its curve has no more than two points for each bin, with the peak among them."""
    rows = "".join(f"{NOON + second},0,0,0,{second % 1000},0\n" for second in range(20_000))
    found = usage_of(HEADING + rows + f"{NOON + 20_000},0,0,0,5000,0\n", most_bins=50)
    assert found.memory.count == 20_001
    assert 50 <= len(found.memory.points()) <= 100
    assert found.memory_peak == Point(NOON + 20_000, 5000)
    assert found.memory_peak in found.memory.points()


def test_a_series_keeps_lows_and_highs_whatever_the_clock_does():
    """Jumps of the clock cost no memory, and lose no extreme."""
    series = Series(8)
    for time, value in [(0, 5), (4e9, -7), (-1e9, 3), (1e12, 99), *((second, 4) for second in range(1000))]:
        series.add(time, value)
    values = [value for _, value in series.points()]
    assert len(values) <= 16
    assert (min(values), max(values)) == (-7, 99)
    assert series.points() == sorted(series.points())
    series.add(math.nan, 1)
    series.add(1, math.inf)
    assert series.count == 1004


def test_a_spread_is_even_and_bounded():
    """Of a long list every so-many-th member is kept, from its first to its end."""
    spread = Spread(10)
    for number in range(1000):
        spread.add(number)
    assert list(spread) == list(range(0, 1000, spread.step))
    assert 5 <= len(spread) <= 10
    assert spread.count == 1000
    small = Spread(10)
    for number in range(3):
        small.add(number)
    assert (list(small), small.step) == ([0, 1, 2], 1)
