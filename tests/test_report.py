"""The report's page: what is on it, in which bounds, and that no text of a log is more than text."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import re
import sys

import pages
import pytest
from plotly import graph_objects

from entry_script_helper.errors import MissingExtraError, UsageError
from entry_script_helper.logtree import report
from entry_script_helper.logtree.findings.summary import Progress, Summary
from entry_script_helper.logtree.report import figures, page, pagedata, recordchoice, writing
from entry_script_helper.logtree.report.choice import Choice
from entry_script_helper.logtree.report.embedding import embedded
from entry_script_helper.logtree.report.rates import Rates
from entry_script_helper.logtree.report.trychoice import TryChoice
from entry_script_helper.logtree.report.trylines import TryLines
from entry_script_helper.logtree.report.verdictview import duration, view
from entry_script_helper.logtree.report.visible import visible


def data_of(**parts):
    return pages.Reader(pages.page(**parts)).data


def test_the_page_begins_with_the_verdict():
    """State, time, reason, first cause, the figures and the files to open are the first that is read."""
    text = " ".join(" ".join(pages.Reader(pages.page()).text).split())
    for part in (
        "The run failed 2026-01-31 10:00:00 to 2026-01-31 10:00:40 UTC · exit code 73 2 failed First cause",
        "ValueError: seven score.py:12 in run Mini-batches 18 of 20 succeeded, 2 failed Items 180 of 200 succeeded",
        "Duration 40 s Processes 2 1 node Tried again 2 1 timeout, 0 deaths Errors 3 of 1 kind Memory peak 92 %",
        "logs/user/10.0.0.4/Process-1.txt it has the first cause",
        "mini-batch 7: 9 s, where the median is 1.9 s",
    ):
        assert part in text
    assert text.index("First cause") < text.index("Timeline of mini-batches") < text.index("Text Level")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("succeeded", "The run succeeded"),
        ("running", "The run has not ended yet"),
        ("unknown", "The files do not tell how the run ended"),
        ("???", "The files do not tell how the run ended"),
    ],
)
def test_each_state_has_its_headline(state, said):
    """A run that succeeded, goes on, or of which nothing is told, is not called failed."""
    shown = view(Summary("logs", Progress(state)))
    assert shown["headline"] == said
    assert shown["cause"] is None
    assert said in pages.Reader(pages.page(Summary("logs", Progress(state)), [], [], [])).text


def test_what_is_not_told_is_left_out():
    """Of a run of which little is known the page says little, and nothing that is made up."""
    running = Progress("running", mini_batches=5, succeeded_items=3, seconds=75.0, remaining_seconds=3_725.4)
    tiles = {tile.name: (tile.value, tile.more) for tile in view(Summary("logs", running))["tiles"]}
    assert tiles == {
        "Mini-batches": ("5", "in all"),
        "Items": ("3", "succeeded"),
        "Duration": ("0:01:15", "about 1:02:05 left"),
        "Tried again": ("0", "0 timeouts, 0 deaths"),
        "Errors": ("0", ""),
    }
    for progress, more in [
        (Progress("running", processed_mini_batches=2), "processed"),
        (Progress("running", processed_mini_batches=2, mini_batches=9), "of 9 processed"),
    ]:
        assert view(Summary("logs", progress))["tiles"][0] == ("Mini-batches", "2", more)
    assert duration(None) == "unknown"


def test_kinds_of_errors_are_bounded_and_counted():
    """Of many kinds of errors the first are on the page, with how many more there are and what shows them."""
    many = tuple(pages.problem(f"ValueError: {number}", mini_batches=(), mini_batch_count=9) for number in range(100))
    text = " ".join(
        " ".join(pages.Reader(pages.page(pages.summary(problems=many, other_problems=7, warnings=many))).text).split()
    )
    assert (
        "40 of 107 kinds of errors shown, the first cause first; all: entry-script-helper logs 'my run' --level" in text
    )
    assert "20 of 100 kinds of warnings shown" in text
    assert "mini-batches 9 " in text
    assert "ValueError: 39 " in text
    assert "ValueError: 40 " not in text


def test_what_a_problem_tells_is_on_the_page():
    """Where, when, how often, in which processes and mini-batches, with which items, why, and the traceback."""
    told = pages.problem(
        root="KeyError: 'x' (a.py:1 in b)", hint="memory was full", items=("a.csv",), outcome="given up"
    )
    many = pages.problem(mini_batches=tuple("abcdefghijkl"), mini_batch_count=30, last=pages.at(3), path="")
    bare = pages.problem("", traceback="", place="", first=None, last=None, processes=0, process_names=(), nodes=())
    text = " ".join(" ".join(pages.Reader(pages.page(pages.summary(problems=(told, many, bare)))).text).split())
    for part in ("exception, given up", "KeyError: 'x' (a.py:1 in b)", "memory was full", "items a.csv"):
        assert part in text
    assert "mini-batches a, b, c, d, e, f, g, h and 22 more" in text
    assert "2026-01-31 10:00:03 to 2026-01-31 10:00:09" in text


def test_earlier_runs_and_complaints_are_told():
    """What is left out of the page, and what could not be read, is said on it."""
    verdict = pages.summary(earlier_runs=2, complaints=("logs/a.txt: can't be read: Permission denied",))
    attempts = [pages.attempt(start=5.0, end=6.0), pages.attempt(start=1.0, end=None), pages.attempt(3)]
    lines = [pages.record(-100), pages.record(5), pages.record(0, time=None)]
    read = pages.Reader(pages.page(verdict, attempts, lines, since=pages.BEGIN))
    text = " ".join(" ".join(read.text).split())
    assert (
        "2 earlier runs wrote to the same files. The page is about the last; 3 tries and records of the others" in text
    )
    assert "logs/a.txt: can't be read: Permission denied" in text
    assert len(read.data["tries"]) == 1
    assert len(read.data["records"]) == 2


def test_the_page_asks_for_nothing_and_runs_nothing_else():
    """Its policy allows its own scripts by their hashes and no other; there is no address in it to fetch from."""
    read = pages.Reader(pages.page())
    scripts = [text for kind, text in read.scripts if kind == "script"]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert len(scripts) == 5
    policy = dict(part.strip().split(" ", 1) for part in read.policy.split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == " ".join(f"'sha256-{each}'" for each in hashes)
    assert "unsafe-eval" not in read.policy
    for tag, attributes in read.tags:
        assert not {"src", "srcset", "action", "style", "background"} & attributes.keys(), tag
        assert not [name for name in attributes if name.startswith("on")], tag
        assert attributes.get("href", "#").startswith(("#", "data:,")), attributes
    ours = "".join(scripts[1:])
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(|fetch\(|import\(", ours
    )


@pytest.mark.parametrize("text", pages.HOSTILE)
def test_no_text_ends_where_it_stands(text):
    """Whatever a log, a path or a table says, the page's elements are the same, and the text is there as text."""
    harmless = [tag for tag, _ in pages.Reader(pages.hostile("harmless")).tags]
    read = pages.Reader(pages.hostile(text))
    assert [tag for tag, _ in read.tags] == harmless
    assert visible(text, 500)[:100] in [row[3][:100] for row in read.data["records"]]
    assert "\\ud800" not in json.dumps(read.data, ensure_ascii=False) or "\\\\ud800" in json.dumps(read.data)
    shown = "".join(read.text)
    assert visible(text, 60).split(" …")[0] in shown
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f]", shown)


def test_json_in_a_page_is_json():
    """Values come back as they were; nothing in their text is markup, and no surrogate is left to break UTF-8."""
    value = {"</script>": ["<!--", "&amp;", "\u2028\u2029", "\ud800\udfff\udc80", "\x00", None, 1.5, True, "日本"]}
    text = embedded(value)
    assert json.loads(text) == json.loads(json.dumps(value))
    assert not re.search("[<>&\u2028\u2029\ud800-\udfff]", text)
    assert "日本" in text
    with pytest.raises(ValueError):
        embedded(math.nan)


def test_text_is_visible_and_bounded():
    """Control characters and marks of direction are written out; what is cut is counted."""
    assert visible("a\tb\r\nc\x1b[0m\u202e\ud800 ü", 100) == "a\tb\nc\\x1b[0m\\u202e\\ud800 ü"
    assert visible("abcdef" * 1000, 3) == "abc … (5,997 more characters)"
    assert visible(visible("\n" * 1000, 500), 500) == visible("\n" * 1000, 500)


def test_a_million_records_are_a_bounded_page():
    """Errors come first, then warnings; of each class the first and last are there, and every count is right."""
    choice = recordchoice.RecordChoice()
    for number in range(100_000):
        level = "ERROR" if number % 10 == 0 else "WARNING" if number % 10 == 1 else "INFO"
        choice.add(pages.record(number / 10, f"{level} {number}", level=level))
    kept = choice.kept()
    counts = choice.counts()
    assert {kind: there for kind, (_, there) in counts.items()} == {
        "errors": 10_000,
        "warnings": 10_000,
        "others": 80_000,
    }
    assert [len(kept), choice.count] == [sum(number for number, _ in counts.values()), 100_000]
    assert counts["errors"][0] > 2_000
    assert counts["others"][0] < 9_000
    said = [record.message for record in kept]
    assert said == sorted(said, key=lambda text: int(text.split()[1]))
    for text in ("ERROR 0", "ERROR 99990", "WARNING 1", "WARNING 99991", "INFO 2", "INFO 99999"):
        assert text in said


def test_long_records_are_fewer():
    """The page stays small although each record is long, and a traceback is kept whole."""
    long = [pages.record(number, "x" * 100_000, level="ERROR") for number in range(3_000)]
    traceback = f"failed\nTraceback (most recent call last):\n{'  line' * 400}\nValueError: end"
    data = pages.page(lines=[*long, pages.record(5000, traceback, level="")])
    read = pages.Reader(data).data
    assert 500 <= read["recordCounts"]["errors"][0] < 1_300
    assert read["recordCounts"]["errors"][1] == 3_001
    assert read["records"][-1][3] == traceback
    assert "… (97,000 more characters)" in read["records"][0][3]
    assert len(data) < 5_000_000 + len(figures.library())


def test_the_largest_page_is_bounded():
    """A page of a huge run has at most 14 MB beside plotly."""
    text = "<é日&" * 1000
    lines = [pages.record(n / 10, text, level=("ERROR", "WARNING", "INFO")[n % 3]) for n in range(40_000)]
    attempts = [
        pages.attempt(
            n, status=("succeeded", "failed")[n % 2], start=pages.BEGIN + n, end=pages.BEGIN + n + 1, error=text
        )
        for n in range(20_000)
    ]
    used = [pages.usage(f"10.0.0.{n}", points=400) for n in range(100)]
    used += [pages.usage("10.0.0.1", process=n, points=400) for n in range(500)]
    many = tuple(pages.problem(text, traceback=text * 10) for _ in range(200))
    data = pages.page(pages.summary(problems=many), attempts, lines, used)
    assert len(data) - len(figures.library()) < 14_000_000


def test_failures_and_the_slowest_tries_are_kept():
    """Of many tries, those that did not succeed and the slowest are on the page; the counts are of all."""
    choice = TryChoice()
    for number in range(20_000):
        status = "timeout" if number % 100 == 7 else "succeeded"
        slow = 50.0 if number % 1000 == 3 else 1.0
        choice.add(pages.attempt(number, status=status, end=pages.BEGIN + 2 * number + slow))
    kept = choice.kept()
    assert choice.counts == {"succeeded": 19_800, "timeout": 200}
    assert sum(each.attempt.status == "timeout" for each in kept) == 200
    assert sum(each.attempt.seconds == 50.0 for each in kept) == 20
    assert len(kept) < 2_000
    assert [each.attempt.start for each in kept] == sorted(each.attempt.start for each in kept)


def test_a_try_has_the_lines_of_its_process_and_time():
    """A try's lines are those of its process within its time; where there are many, the severe ones and the last stay."""
    chosen = TryChoice()
    chosen.add(pages.attempt(0))
    chosen.add(pages.attempt(1, status="failed"))
    chosen.add(pages.attempt(2, node="10.0.0.5"))
    chosen.add(pages.attempt(3, start=None, end=None))
    chosen.add(pages.attempt(9, start=pages.BEGIN + 90, end=None, status="running"))
    lines = TryLines(chosen.kept())
    for tenth in range(40):
        lines.add(pages.record(tenth / 10, f"line {tenth}"))
    for tenth in range(8):
        lines.add(pages.record(2.5, f"bad {tenth}", level="ERROR"))
    for tenth in range(12):
        lines.add(pages.record(2.6, f"worse {tenth}", level="ERROR"))
    lines.add(pages.record(1.95, "between"))
    lines.add(pages.record(-1, "before"))
    lines.add(pages.record(91, "open", process=None))
    lines.add(pages.record(1, "of nobody", node="10.0.0.9"))
    lines.add(pages.record(1, "of no time", time=None))
    by_number = {each.attempt.mini_batch: lines.of(each.place) for each in chosen.kept()}
    assert [line.text for line in by_number["0"][0]] == [*(f"line {number}" for number in range(5)), "line 19"]
    assert by_number["0"][1] == 20
    failed = [line.text for line in by_number["1"][0]]
    assert len(failed) == 10
    assert failed[:1] == ["bad 0"]
    assert by_number["1"][1] == 40
    assert by_number["2"] == ([], 0)
    assert by_number["3"] == ([], 0)
    assert [line.text for line in by_number["9"][0]] == ["open"]


def test_lines_of_tries_are_bounded(monkeypatch):
    """When the lines are too many for the page, those of failures are kept, and all are counted."""
    monkeypatch.setattr(pagedata, "_LINES_SIZE", 150)
    read = data_of(
        attempts=[pages.attempt(0), pages.attempt(1, status="failed")], lines=[pages.record(1), pages.record(3)]
    )
    assert [(len(row[9]), row[10]) for row in read["tries"]] == [(1, 0), (1, 0)]
    monkeypatch.setattr(pagedata, "_LINES_SIZE", 50)
    read = data_of(
        attempts=[pages.attempt(0), pages.attempt(1, status="failed")], lines=[pages.record(1), pages.record(3)]
    )
    assert [(len(row[9]), row[10]) for row in read["tries"]] == [(0, 1), (1, 0)]


def test_throughput_sums_up_to_what_there_was():
    """All that succeeded is counted, however long the run; gaps are zeros."""
    rates = Rates(50)
    for number in range(10_000):
        rates.add(pages.attempt(number))
    for other in ({"status": "failed"}, {"end": None}, {"end": math.inf}, {"end": math.nan}):
        rates.add(pages.attempt(1, **other))
    found = rates.rates()
    assert len(found) <= 52
    assert sum(rate.mini_batches for rate in found) * rates.width == pytest.approx(10_000)
    assert sum(rate.items for rate in found) * rates.width == pytest.approx(100_000)
    apart = Rates()
    apart.add(pages.attempt(0, succeeded=None))
    apart.add(pages.attempt(1000))
    assert [rate.mini_batches for rate in apart.rates()] == [0, 2, 0, 0, 2, 0]


def test_the_curves_of_the_hungriest_are_kept():
    """Of many nodes and processes those that used the most memory are on the page, with how many there were."""
    used = [pages.usage(f"10.0.0.{number}", peak=1000.0 + number) for number in range(100)]
    used += [pages.usage("10.0.0.9", process=number, peak=float(number)) for number in range(1, 401)]
    nameless = pages.usage("10.0.0.9", process=5000, peak=9e9)._replace(
        memory=pages.Series(5), processor=pages.Series(5)
    )
    found = data_of(usages=[*used, nameless])["resources"]
    assert (found["nodeCount"], found["processCount"]) == (100, 401)
    assert sorted(each["memoryPeak"][1] for each in found["nodes"]) == [1000.0 + number for number in range(76, 100)]
    assert [each["pid"] for each in found["processes"][:3]] == [400, 399, 398]
    assert len(found["processes"]) == 160
    only = data_of(usages=[nameless, pages.usage("n")._replace(memory=pages.Series(5), memory_percent=pages.Series(5))])
    assert [each["unit"] for each in only["resources"]["processes"]] == ["%"]
    assert only["resources"]["nodes"][0]["memoryPeak"] is None


def test_processes_in_the_curves_have_their_names():
    """A table names a process by its id; the tries tell what it was called."""
    found = data_of()["resources"]["processes"]
    assert {each["pid"]: each["name"] for each in found} == {4711: "Process-1", 4712: "Process-2"}


def test_times_that_no_calendar_has_are_none():
    """A clock that went mad breaks nothing: such times are left out."""
    mad = [pages.attempt(1, start=-1e300, end=1e300), pages.attempt(2, start=math.nan, end=None)]
    used = pages.usage()
    used.memory.add(1e18, 5.0)
    read = data_of(attempts=mad, lines=[], usages=[used])
    assert sorted((row[4], row[5]) for row in read["tries"]) == [(None, None), (None, None)]
    assert len(read["resources"]["nodes"][0]["memory"][0]) == 20
    assert read["rates"]["times"] == []


def test_figures_are_plotlys():
    """Each chart is one that plotly knows, and each status has a colour of its own and a pattern."""
    charts = figures.figures()
    assert charts.keys() == {"timeline", "rates", "curves"}
    for chart in charts.values():
        graph_objects.Figure(chart["data"], chart["layout"])
    patterns = [trace["marker"]["pattern"]["shape"] for trace in charts["timeline"]["data"]]
    assert len(set(patterns)) == len(patterns) == len(figures.STATUSES)
    style = page._asset("page.css")
    for status in figures.STATUSES:
        assert len(re.findall(rf"--{status}: #", style)) == 2


def contrast(one, other):
    def light(colour):
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_text_has_contrast():
    """In light and in dark, every colour of text has a contrast of 4.5 to every ground that it stands on (WCAG 1.4.3)."""
    schemes = [
        dict(re.findall(r"--([\w-]+): (#\w{6})", part))
        for part in re.findall(r":root[^{]*\{([^}]*)\}", page._asset("page.css"))
    ]
    assert len(schemes) == 2
    for scheme in schemes:
        for ground in ("paper", "ground"):
            for ink in ("ink", "muted", "accent", "failed", "timeout", *(f"curve-{number}" for number in range(1, 7))):
                assert contrast(scheme[ink], scheme[ground]) >= 4.5, (ink, ground)
        for ink in ("ink", "muted"):
            assert contrast(scheme[ink], scheme["failed-ground"]) >= 4.5
        assert contrast(scheme["ink"], scheme["mark"]) >= 4.5
        for status in figures.STATUSES:
            assert contrast(scheme[status], scheme["paper"]) >= 3, status  # WCAG 1.4.11, graphics
        assert contrast(scheme["strong-line"], scheme["paper"]) >= 3


def test_a_missing_package_is_one_line(monkeypatch, tmp_path):
    """Without jinja2 or plotly the error names the extra to install, before anything is read or written."""
    for package in ("plotly", "jinja2"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            with pytest.raises(MissingExtraError, match=rf"needs {package}.*'entry-script-helper\[report\]'"):
                report.draw([tmp_path], str(tmp_path / "report.html"))
    assert list(tmp_path.iterdir()) == []


def test_a_choice_keeps_the_first_the_last_and_some_between():
    """A short list is kept whole; of a long one both ends are."""
    short = Choice(3, 4, 3)
    long = Choice(3, 4, 3)
    for number in range(10):
        short.add(number)
    for number in range(1000):
        long.add(number)
    assert short.kept() == list(range(10))
    assert long.kept()[:3] + long.kept()[-3:] == [0, 1, 2, 997, 998, 999]
    assert len(long.kept()) <= 10
    assert long.count == 1000


def test_a_page_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    """The page takes its place when it is complete; whatever goes wrong, what was there stays and nothing else is left."""
    path = tmp_path / "report.html"
    writing.write(str(path), b"one")
    assert path.read_bytes() == b"one"
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask()
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(UsageError, match=r"report.html can't be written: No space left"):
        writing.write(str(path), b"two")
    monkeypatch.undo()
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("report.html", b"one")]
    monkeypatch.chdir(tmp_path)
    writing.write("other.html", b"three")
    assert (tmp_path / "other.html").read_bytes() == b"three"
    with pytest.raises(UsageError, match="can't be written: No such file"):
        writing.write("missing/other.html", b"three")
    with pytest.raises(TypeError):
        writing.write("other.html", "text")
    assert (tmp_path / "other.html").read_bytes() == b"three"
    assert len(list(tmp_path.iterdir())) == 2


def no_space(_handle):
    raise OSError(28, "No space left on device")


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_where_nothing_can_be_written_is_told_first(tmp_path):
    """A directory, a missing one, and one without permission are refused in a line, before anything is read."""
    with pytest.raises(UsageError, match=r"is a directory: give the name of a file, such as .*report.html"):
        writing.check(str(tmp_path))
    with pytest.raises(UsageError, match="can't be written: No such file or directory: name another file with -o"):
        writing.check(str(tmp_path / "no" / "report.html"))
    with pytest.raises(UsageError, match=r"/proc/report\.html can't be written: "):
        writing.check("/proc/report.html")
    writing.check(str(tmp_path / "report.html"))
    assert list(tmp_path.iterdir()) == []
