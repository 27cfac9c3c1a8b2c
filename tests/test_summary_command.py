"""The command `summary`, over trees of every era and hostile ones, as a person and a program see it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest
import trees

from entry_script_helper.cli import main
from entry_script_helper.logtree import summarise
from entry_script_helper.logtree.findings import verdict
from entry_script_helper.logtree.findings.problems import Problem
from entry_script_helper.logtree.findings.summary import Peak, Progress, Straggler, Summary, ToOpen

NOW = datetime(2026, 1, 31, 10, 1, tzinfo=timezone.utc)
RECORD = "2026-01-31 10:00:{:02},000|score|{}|4711|1|run()|{}"
TRACEBACK = ["\tTraceback (most recent call last):", '\t  File "/job/score.py", line 12, in run', "\tValueError: seven"]


def tree_of(tmp_path, *lines, name="logs/user/10.0.0.4/Process-1.txt"):
    return trees.write(tmp_path, {name: lines})


def shown(capsys, *arguments, code=0):
    """Run the command; return what it printed on standard output and what it said on standard error."""
    assert main(["summary", *map(str, arguments)]) == code
    return capsys.readouterr()


def test_the_articles_tree(tmp_path, capsys):
    """Of the article's tree: the exception is the cause of the mini-batch that its process failed with."""
    out, err = shown(capsys, trees.article(tmp_path), code=1)
    assert err == ""
    first, reason, cause, *_ = out.splitlines()
    assert first == "FAILED: 15 of 20 items succeeded; 1 of 4 mini-batches failed"
    assert reason == "reason: The job failed: 5 of 20 items failed, the error threshold is 0."
    assert cause == (
        "first cause: ValueError: could not convert string to float: 'n/a' (score.py:21 in run), once in 1 process on "
        "1 node"
    )
    assert "first 2019-11-20 07:13:07 UTC in Process-2 on 10.0.0.4; mini-batch 2" in out
    assert "memory: 93 % of node 10.0.0.4 was used at most, 2019-11-20 07:13:10 UTC" in out
    assert "open: logs/user/10.0.0.4/Process-2.txt  (the first cause with its traceback)" in out


def test_the_tree_of_2020(tmp_path, capsys):
    """Of 2020's tree: six files tell of one timeout, and SystemExit: 42 is none of its own."""
    out, _ = shown(capsys, trees.year_2020(tmp_path), code=1)
    lines = out.splitlines()
    assert lines[1] == (
        "first cause: timeout: run() did not end within 90 s (run_invocation_timeout), once in 1 process on 1 node"
    )
    assert "in Process-1 on 10.0.0.4; mini-batch 16" in lines[2]
    assert "other problems" not in out
    assert "SystemExit" not in out


def test_todays_tree(tmp_path):
    """Of today's tree: the exception that five files tell happened in three tries; then the timeout of another node."""
    summary = summarise(trees.today(tmp_path))
    assert summary.failed
    assert (summary.progress.items, summary.progress.succeeded_items) == (8, 4)
    assert (summary.progress.mini_batches, summary.progress.failed_mini_batches) == (4, 2)
    first, timeout, other = summary.problems
    assert (first.title, first.place, first.count) == ("KeyError: 'store_7'", "score.py:33 in run", 3)
    assert (first.process_name, first.node, first.process, first.processes) == ("process000", "0", 255, 1)
    assert first.mini_batches == ("1",)
    assert (timeout.kind, timeout.count, timeout.mini_batches, timeout.node) == ("timeout", 1, ("2",), "1")
    assert other.title == "stderr: terminate called without an active exception"
    assert [round(peak.percent, 1) for peak in summary.peaks] == [97.9]
    assert summary.to_open[0].path == "logs/user/error/0/process000.txt"


def test_logs_of_scripts_alone(tmp_path, capsys):
    """Where only scripts' own logs are there, they are told, and that the run's end is not in them."""
    out, _ = shown(capsys, trees.azureml_user(tmp_path))
    assert out == "what the logs tell: no error; whether the run as a whole failed is not in these files\n"
    tree_of(tmp_path, RECORD.format(1, "ERROR", "failed"), *TRACEBACK)
    out, _ = shown(capsys, tmp_path)
    assert out.startswith("what the logs tell: 1 error of 1 kind; whether the run as a whole failed is not in these")
    assert "first cause: ValueError: seven (score.py:12 in run), once in 1 process on 1 node" in out


def test_what_the_job_itself_says_alone(tmp_path, capsys):
    """SystemExit: 42 alone is told as what it is: not the cause."""
    out, _ = shown(capsys, trees.std_logs(tmp_path), code=1)
    assert out.startswith("FAILED\nfirst cause: SystemExit: 42")
    assert "this is only what the job says in the end; the cause is in files of the run that are not here" in out


@pytest.mark.parametrize("as_json", [False, True])
def test_our_tree(tmp_path, as_json):
    """Of a real run, in text and in JSON, zipped or not, all that went wrong is told, the earliest first."""
    folder = trees.ours(tmp_path / "tree", json=as_json)
    for path in (folder, folder / "logs", trees.zipped(folder, tmp_path / "logs.zip")):
        summary = summarise(path)
        assert (summary.progress.items, summary.progress.succeeded_items, summary.progress.exit_code) == (20, 13, 73)
        assert summary.progress.failed_mini_batches == 3
        found = {problem.kind: (problem.count, problem.mini_batches) for problem in summary.problems}
        assert found == {
            "exception": (2, ("1",)),
            "timeout": (2, ("3",)),
            "death": (2, ("5",)),
            "wrong return": (1, ("8",)),
        }
        assert summary.first_cause.title == "ValueError: could not convert string to float: 'n/a'"
        assert [place.split(" in ")[1] for problem in summary.problems for place in problem.stack] == ["run"]


def test_json(tmp_path, capsys):
    """With --json it is one object, with times in UTC, and the same exit code."""
    tree_of(tmp_path, RECORD.format(1, "ERROR", "failed \x1b[31m password=hunter2"), *TRACEBACK)
    out, _ = shown(capsys, tmp_path, "--json")
    found = json.loads(out)
    assert list(found) == [
        "state", "failed", "first_cause", "path", "progress", "problems", "warnings", "other_problems",
        "other_warnings", "retries", "timeouts", "deaths", "processes", "nodes", "stragglers", "peaks", "to_open",
        "earlier_runs", "files", "complaints",
    ]  # fmt: skip
    assert (found["state"], found["failed"], found["files"]) == ("unknown", False, 1)
    assert found["first_cause"] == found["problems"][0]
    assert found["problems"][0]["first"] == "2026-01-31T10:00:01.000000Z"
    assert "hunter2" not in out
    assert json.loads(shown(capsys, trees.article(tmp_path / "other"), "--json", code=1).out)["failed"] is True


def test_bad_input(tmp_path, capsys):
    """A path without logs is refused in one line with exit code 2."""
    for path in (tmp_path, tmp_path / "missing"):
        out, err = shown(capsys, path, code=2)
        assert out == ""
        assert err.startswith("entry-script-helper: error: ")
        assert err.count("\n") == 1
    assert main(["summary"]) == 2


def test_what_can_not_be_read(tmp_path, capsys):
    """What can't be read is said in one line on standard error, and the rest is told."""
    trees.nul_tail(tmp_path)
    out, err = shown(capsys, tmp_path)
    assert out.startswith("what the logs tell: ")
    assert err.count("\n") == 1
    assert "NUL bytes" in err


@pytest.mark.parametrize(
    "tree",
    [trees.truncated, trees.mixed_encodings, trees.clock_jumps, trees.looping_links, trees.unreadable, trees.no_files],
)
def test_hostile_trees(tmp_path, tree):
    """Whatever is in a tree, there is a summary."""
    tree(tmp_path)
    tree_of(tmp_path, RECORD.format(1, "ERROR", "failed"), *TRACEBACK, name="logs/user/10.0.0.9/Process-9.txt")
    assert "ValueError: seven" in [problem.title for problem in summarise(tmp_path).problems]


def test_secrets_and_escapes(tmp_path, capsys):
    """No secret and no escape sequence of a log reaches the terminal, from whatever part of a record."""
    tree_of(
        tmp_path,
        RECORD.format(1, "ERROR", "no access to https://a.blob.core.windows.net/c?sig=abcdef0123 \x1b]0;title\x07"),
        RECORD.format(2, "ERROR", "failed"),
        *TRACEBACK[:2],
        "\tValueError: AccountKey=c2VjcmV0\x1b[2J",
        RECORD.format(3, "WARNING", "password=hunter2 \x1b[31m"),
    )
    out, _ = shown(capsys, tmp_path)
    assert "\x1b" not in out
    assert not {word for word in ("abcdef0123", "c2VjcmV0", "hunter2") if word in out}
    assert out.count("[REDACTED]") >= 3


def test_no_end_of_memory_or_time(tmp_path):
    """Distinct errors without end are counted, not kept."""
    lines = (RECORD.format(number % 60, "ERROR", f"{word(number)} failed") for number in range(5000))
    summary = summarise(tree_of(tmp_path, *lines))
    assert len(summary.problems) == 1000
    assert summary.other_problems == 4000


def word(number):
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


def test_warnings(tmp_path, capsys):
    """Warnings are told last, the most frequent first, a few of them."""
    lines = [RECORD.format(1, "WARNING", f"{word(kind)} is slow") for kind in range(15) for _ in range(kind + 1)]
    out, _ = shown(capsys, tree_of(tmp_path, *lines))
    warnings = out[out.index("warnings:") :].splitlines()
    assert warnings[1:] == [
        "- be is slow, 15 times in 1 process on 1 node",
        "- bd is slow, 14 times in 1 process on 1 node",
        "- bc is slow, 13 times in 1 process on 1 node",
        "- and 78 more",
    ]


def in_terminal(path, columns, **variables):
    """Return what the command shows on a terminal so wide."""
    import fcntl
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environ = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS", "LINES"}}
    command = [sys.executable, "-m", "entry_script_helper", "summary", str(path)]
    process = subprocess.Popen(command, stdout=slave, env={**environ, "TERM": "xterm", **variables})
    os.close(slave)
    found = b""
    try:
        while chunk := os.read(master, 65536):
            found += chunk
    except OSError:  # the terminal's other end was closed
        pass
    process.wait(timeout=60)
    os.close(master)
    return found.decode()


def test_terminal(tmp_path):
    """A terminal gets colours and folded lines, none wider than it is; NO_COLOR and dumb terminals get no colours."""
    trees.article(tmp_path)
    text = in_terminal(tmp_path, 60)
    assert text.startswith("\x1b[1;31mFAILED: 15 of 20 items succeeded")
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        text = in_terminal(tmp_path, 60, **variables)
        assert "\x1b" not in text
        assert max(map(len, text.splitlines())) <= 60


def summary_of(state, *problems, **values):
    progress = values.pop("progress", {})
    return Summary(path="logs", progress=Progress(state=state, **progress), problems=problems, **values)


def text_of(summary, **options):
    return "\n".join(verdict.lines(summary, now=NOW, **options))


def problem(title="ValueError: seven", **values):
    return Problem(
        **{"kind": "exception", "title": title, "place": "score.py:12 in run", "count": 1, "processes": 1, **values}
    )


def test_a_run_that_goes_on():
    """A run that goes on says how far it is, how long it takes, and when it said so."""
    progress = {
        "mini_batches": 100, "processed_mini_batches": 50, "failed_mini_batches": 2, "seconds": 31.0,
        "remaining_seconds": 31.0, "last": NOW - timedelta(seconds=12),
    }  # fmt: skip
    text = text_of(summary_of("running", progress=progress, retries=1))
    assert text.splitlines() == [
        "still running: 50 of 100 mini-batches processed, 2 of them failed, 1 retry",
        "0:00:31 passed, about 0:00:31 left, by its last line, 2026-01-31 10:00:48 UTC, 0:00:12 ago",
    ]
    silent = {"last": NOW - timedelta(days=3)}
    text = text_of(summary_of("running", problem(), progress=silent))
    assert "still running\n" in text
    assert "by its last line, 2026-01-28 10:01:00 UTC, 3 days ago: nothing was written since, so it may have" in text
    assert "first cause: ValueError: seven" in text
    assert "how far it is was not told" in text_of(summary_of("running"))


def test_a_run_that_succeeded():
    """A run that succeeded says so in one line; what went wrong in it and did no harm is below."""
    progress = {"mini_batches": 1, "succeeded_mini_batches": 1, "items": 10, "succeeded_items": 10, "seconds": 3725.0}
    text = text_of(summary_of("succeeded", problem(outcome="tried again"), progress=progress, retries=2))
    assert text.splitlines() == [
        "succeeded: 10 of 10 items, 1 of 1 mini-batch, 2 retries, 1:02:05",
        "problems that did not make it fail:",
        "- ValueError: seven (score.py:12 in run), once in 1 process",
        "    tried again, which succeeded",
    ]
    assert text_of(summary_of("succeeded")) == "succeeded"


def test_all_that_a_problem_tells():
    """A problem tells its kind, root, count, process, mini-batches, items, place and hint."""
    told = problem(
        kind="timeout",
        root="KeyError: 'x' (score.py:3 in load)",
        count=1200,
        processes=3,
        nodes=("a", "b"),
        first=NOW,
        process=4711,
        mini_batches=tuple(map(str, range(20))),
        mini_batch_count=1100,
        items=("a", "b", "c", "d"),
        stack=("score.py:18 in load", "score.py:12 in run"),
        hint="the node's memory was 97 % used",
        traceback="\n".join(f"line {number}" for number in range(100)),
    )
    text = text_of(summary_of("failed", told, *[problem(f"E{number}") for number in range(12)], other_problems=5))
    lines = text.splitlines()
    assert lines[1].endswith("(score.py:3 in load), 1,200 times in 3 processes on 2 nodes")
    assert lines[1].startswith(
        "first cause: timeout: ValueError: seven (score.py:12 in run), which came of KeyError: 'x'"
    )
    assert lines[2].startswith(
        "    first 2026-01-31 10:01:00 UTC in process 4711; 1,100 mini-batches: 0, 1, 2, 3, 4, 5, 6, 7"
    )
    assert lines[2].endswith(", ...; items among a, b, c, ...")
    assert lines[3] == "    it was in score.py:18 in load, called from score.py:12 in run"
    assert lines[4] == "    the node's memory was 97 % used"
    assert "    ... 82 lines ..." in lines
    assert lines[-1] == "- and 9 more, of other kinds (--json has 13 kinds)"


def test_stragglers_and_memory():
    """What was slow and how much memory was used is told, where it is worth it."""
    text = text_of(
        summary_of(
            "succeeded",
            stragglers=(
                Straggler("mini-batch", "7", 75.0, 0.5, "10.0.0.4", "Process-2"),
                Straggler("node", "10.0.0.5", 2.5, 0.5),
            ),
            peaks=(Peak("10.0.0.4", 97.0, NOW), Peak("", 85.0, None), Peak("10.0.0.6", 20.0, NOW)),
            earlier_runs=2,
            progress={"started": NOW},
            to_open=(ToOpen("logs/a.txt", "why"), ToOpen("logs/b.txt", "why not")),
        )
    )
    assert text.splitlines() == [
        "succeeded",
        "this is the last of 3 runs in these files, begun 2026-01-31 10:01:00 UTC: what is older is left out",
        "slow: mini-batch 7 took 0:01:15 in Process-2 on 10.0.0.4; the median of all is 500 ms",
        "slow: node 10.0.0.5 takes, for a mini-batch, 2.5 s; the median of all is 500 ms",
        "memory: 97 % of node 10.0.0.4 was used at most, 2026-01-31 10:01:00 UTC",
        "memory: 85 % of node ? was used at most",
        "open: logs/a.txt  (why)",
        "      logs/b.txt  (why not)",
    ]


@pytest.mark.parametrize("width", [10, 40, 80])
def test_narrow_and_wide(width):
    """Lines are folded at the width of the terminal, and a traceback's are cut."""
    told = problem(title="ValueError: " + "word " * 40, traceback="x" * 200, stack=("a.py:1 in b",) * 3)
    lines = verdict.lines(summary_of("failed", told, problem("E" * 30)), width, now=NOW)
    assert max(map(len, lines)) <= max(width, 40)
    assert any(line.endswith("...") for line in lines)


def test_nobody_reads_any_more(tmp_path):
    """A pipe that is closed early is no error."""
    trees.article(tmp_path)
    command = f"'{sys.executable}' -m entry_script_helper summary '{tmp_path}' | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""


def test_every_key_is_in_the_reference():
    """docs/reference/summary.md has a row for every key of the JSON object, in its order, and no other."""
    import dataclasses
    from pathlib import Path

    text = (Path(__file__).parent.parent / "docs" / "reference" / "summary.md").read_text(encoding="utf-8")
    tables = [table.splitlines() for table in text.split("\n\n") if table.startswith("| key")]
    keys = [[line.split("`")[1] for line in table if line.startswith("| `")] for table in tables]
    fields = [[field.name for field in dataclasses.fields(kind)] for kind in (Summary, Progress, Problem, Straggler)]
    fields[0] = ["state", "failed", "first_cause", *fields[0]]
    assert keys == fields
