"""CSV files of a log tree as rows by column name: any era's heading, and whatever is wrong with the file."""

from __future__ import annotations

import csv
import tracemalloc

import pytest
import trees

from entry_script_helper.logtree import complaints, layouts
from entry_script_helper.logtree.complaints import Complaints
from entry_script_helper.logtree.files import sources, tables


@pytest.fixture
def read(tmp_path):
    """Return a function that reads a table made of these bytes: its rows, and what was wrong."""

    def function(data):
        path = tmp_path / "table.csv"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        found = Complaints()
        (entry,) = sources.entries([path], found)
        return list(tables.rows(entry, found)), [line.partition("table.csv: ")[2] for line in found.lines]

    return function


ROW = {"Utc Time": "2026-01-31 10:00:00", "Cpu Percent": "1.5"}


@pytest.mark.parametrize("tree", ["article", "year_2020", "today"])
def test_the_tables_of_every_era(tree, tmp_path):
    """Each era's tables are rows by the names of their headings, as many as there are lines below."""
    found = Complaints()
    kinds = set()
    for entry in sources.entries([trees.ERAS[tree](tmp_path)], found):
        kind = layouts.place(entry.path).kind
        if entry.path.endswith(".csv"):
            kinds.add(kind)
            rows = list(tables.rows(entry, found))
            lines = entry.read(0, entry.size()).decode().splitlines()
            assert len(rows) == len(lines) - 1, entry.path
            assert [list(row) for row in rows] == [next(csv.reader(lines))] * len(rows)
    assert kinds & {layouts.TRIES, layouts.NODE_RESOURCES}
    assert found.lines == []


def test_our_tables(tmp_path):
    """What a run of ours measured is read whole."""
    found = Complaints()
    entries = sources.entries([trees.ours(tmp_path)], found)
    for entry in entries:
        if entry.path.endswith(".csv"):
            assert list(tables.rows(entry, found))
    assert found.lines == []


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_other_programs_make_of_it(delimiter, end, encoding, read):
    """Other line ends, delimiters and encodings, as a spreadsheet saves them, make no difference."""
    text = "Utc Time,Größe\n2026-01-31 10:00:00,1.5\n".replace(",", delimiter).replace("\n", end)
    assert read(text.encode(encoding)) == ([{"Utc Time": "2026-01-31 10:00:00", "Größe": "1.5"}], [])


def test_values_in_quotation_marks(read):
    """A value may hold delimiters, quotation marks and line breaks, as a traceback does."""
    rows, _ = read('Task Id,Error\n1,"Traceback:\n  File ""score.py"", line 1\n\nValueError: a, b"\n2,\n')
    assert rows == [
        {"Task Id": "1", "Error": 'Traceback:\n  File "score.py", line 1\nValueError: a, b'},
        {"Task Id": "2", "Error": ""},
    ]


def test_a_heading_that_comes_again(read):
    """A run that appends to the file writes its heading again: that is no row, and its columns count from there on."""
    rows, said = read("Utc Time,Cpu Percent\na,1\nutc_time,CPU-percent\nb,2\nUTC Time,Memory,Cpu Percent\nc,3,4\n")
    assert rows == [
        {"Utc Time": "a", "Cpu Percent": "1"},
        {"utc_time": "b", "CPU-percent": "2"},
        {"UTC Time": "c", "Memory": "3", "Cpu Percent": "4"},
    ]
    assert said == []


def test_a_truncated_end(read):
    """A last line without an end counts only where it has all values, and without the last: it may be being written."""
    assert read("Utc Time,Cpu Percent\n2026-01-31 10:00:00,1.5\n2026-01-31 10:0") == ([ROW], [])
    assert read("Utc Time,Cpu Percent\n2026-01-31 10:00:00,1.5") == ([{"Utc Time": ROW["Utc Time"]}], [])
    assert read("Utc Time,Cpu Percent\n2026-01-31 10:00:00,1.5,6\n\n7\n") == ([ROW, {"Utc Time": "7"}], [])


def test_a_tail_of_nuls(read):
    """NULs, of which a file system makes what was not written before a crash, are no values."""
    assert read(b"Utc Time,Cpu Percent\n2026-01-31 10:00:00,1.5\n" + bytes(100_000)) == ([ROW], [])
    assert read(b"\0\0\n\0Utc Time,Cpu\0 Percent\n2026-01-31 10:00:00,1.5\n") == ([ROW], [])


def test_mixed_encodings(read):
    """Bytes that are no UTF-8 are shown as such; the rest of the row is as it is."""
    rows, _ = read(b"Task Id,Error\n1,Gr\xfc\xdfe\n2,Gr\xc3\xbc\xc3\x9fe\n")
    assert [row["Error"] for row in rows] == ["Gr\\xfc\\xdfe", "Grüße"]


def test_a_quotation_mark_that_nothing_closes(read):
    """A process that was killed within a value leaves its own row damaged, and no other."""
    lines = [f"{number},fine" for number in range(2 * tables.MOST_LINES)]
    rows, _ = read("\n".join(["Task Id,Error", '1,"Traceback', *lines, ""]))
    assert len(rows) == len(lines) + 1
    assert rows[0] == {"Task Id": "1", "Error": "Traceback"}
    assert rows[-1] == {"Task Id": str(len(lines) - 1), "Error": "fine"}
    rows, _ = read('Task Id,Error\n1,fine\n2,"Traceback\n3,fine\n')
    assert [row["Task Id"] for row in rows] == ["1", "2", "3"]


def test_a_mark_that_is_none(read):
    """A quotation mark in the middle of a value is a character of it."""
    rows, _ = read('Task Id,Error\n1,5" disk\n2,fine\n')
    assert rows == [{"Task Id": "1", "Error": '5" disk'}, {"Task Id": "2", "Error": "fine"}]


def test_marks_make_no_difference(read):
    """A table in which a program has put all values in quotation marks is the same table."""
    lines = ["Task Id,Error", "1, a b ", "2,", "task-id,Error", ",x", "3"]
    marked = [",".join(f'"{value}"' for value in line.split(",")) for line in lines]
    rows, _ = read("\n".join([*lines, ""]))
    assert rows == [
        {"Task Id": "1", "Error": "a b"},
        {"Task Id": "2", "Error": ""},
        {"task-id": "", "Error": "x"},
        {"task-id": "3"},
    ]
    assert read("\n".join([*marked, ""])) == (rows, [])


@pytest.mark.parametrize("text", ["1,2,3\n4,5,6\n", "just a line of text\n", "a,,c\n1,2,3\n", "2026-01-31,x\n"])
def test_what_is_no_table(text, read):
    """A file without a heading is not read, and that is said once."""
    assert read(text) == ([], [tables.NO_TABLE])


@pytest.mark.parametrize("text", ["", "\n\n", "Utc Time,Cpu Percent\n", "Utc Time,Cpu Perc"])
def test_an_empty_table(text, read):
    """A table without a row, also one of which the heading is being written, has no rows and is nothing to say."""
    assert read(text) == ([], [])


def test_a_huge_value(tmp_path):
    """A value of 64 megabytes takes no more memory than a short one; what is before and behind it is read."""
    path = tmp_path / "table.csv"
    path.write_text("Task Id,Error\n1,fine\n2,")
    with open(path, "r+b") as file:
        file.seek(0, 2)
        file.write(b"x" * (16 << 20))
        file.seek(1 << 26)  # a hole, which is read as NULs
        file.write(b"end\n3,fine\n")
    found = Complaints()
    (entry,) = sources.entries([path], found)
    tracemalloc.start()
    rows = list(tables.rows(entry, found))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [row["Task Id"] for row in rows] == ["1", "2", "3"]
    assert len(rows[1]["Error"]) == tables.LONGEST_LINE - 2
    assert most < 2_000_000
    assert found.lines == [f"{path}: {tables.LONG_LINES}"]


def test_a_limit_of_the_programs(read):
    """A program that allows csv only short values loses rows of longer ones in quotation marks, and nothing breaks."""
    before = csv.field_size_limit(10)
    try:
        assert read('Task Id,Error\n1,"much too long for that"\n2,fine\n') == ([{"Task Id": "2", "Error": "fine"}], [])
    finally:
        csv.field_size_limit(before)


def test_a_table_that_goes_away(tmp_path):
    """A table that is removed while it is read ends there, with a line."""
    path = tmp_path / "table.csv"
    path.write_text("Task Id,Error\n" + "1,fine\n" * 20_000)
    found = Complaints()
    (entry,) = sources.entries([path], found)
    rows = tables.rows(entry, found)
    assert next(rows) == {"Task Id": "1", "Error": "fine"}
    path.unlink()
    assert 0 < len(list(rows)) < 20_000
    assert found.lines == [f"{path}: {complaints.GONE}"]
