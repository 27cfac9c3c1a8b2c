"""What is gathered from several files: each error once, whose process it is of, and which one is the first cause."""

from __future__ import annotations

import json

import pytest
import trees

from entry_script_helper.logtree import summarise
from entry_script_helper.logtree.activity.tries import Try
from entry_script_helper.logtree.findings import causes, evidence, gathering, identities, problems
from entry_script_helper.logtree.findings.evidence import Sighting
from entry_script_helper.logtree.findings.gathering import Gathering
from entry_script_helper.logtree.findings.identities import NOBODY, Identities, Identity
from entry_script_helper.logtree.findings.occurrences import MOST_TIMES, Occurrences, merged
from entry_script_helper.logtree.findings.summary import Progress
from entry_script_helper.logtree.layouts import ERROR, STACKS, Place

USER = "2026-01-31 10:00:{:02},{:03}|score|{}|{}|1|run()|{}"
LINE = "2026-01-31 10:00:{:02},{:03}|{}|4700|{}"
TRACEBACK = ["\tTraceback (most recent call last):", '\t  File "/job/score.py", line 12, in run', "\tValueError: seven"]
PICKED = "picked mini_batch={} try={} ip=10.0.0.4 pid={} total=10 start1=17698536{:02}.000000 start2=0.250000"
COMPLETED = (
    "completed mini_batch={} try={} ip=10.0.0.4 pid={} status={} total=10 succeeded=0 start1=17698536{:02}.000000 "
    "end1=17698536{:02}.500000 start2=0.25 end2=0.5"
)


def summary_of(tmp_path, **files):
    """Summarise a tree of these files, each named by what it is."""
    names = {
        "user": "logs/user/10.0.0.4/Process-1.txt",
        "other": "logs/user/10.0.0.5/Process-2.txt",
        "json": "logs/user/10.0.0.4/Process-3.jsonl",
        "driver": "logs/70_driver_log.txt",
        "master": "logs/master.txt",
        "overview": "logs/overview.txt",
        "worker": "logs/worker/10.0.0.4/Process-1.txt",
        "errors": "logs/user/10.0.0.4/Process-1.4711.error.json",
        "stacks": "logs/user/10.0.0.4/Process-1.stacks.txt",
        "node": "logs/performance/10.0.0.4/sys_resource_monitor_10.0.0.4.csv",
        "tasks": "logs/sys/worker/10.0.0.4/Process-1.task.csv",
        "result": "logs/job_result.txt",
        "error": "logs/job_error.2026013110.txt",
    }
    return summarise(trees.write(tmp_path, {names[name]: lines for name, lines in files.items()}))


def test_the_same_error_of_four_files(tmp_path):
    """The logger's record, @guard's, the driver's and the error file's are one occurrence; two tries are two."""
    entry = {"timestamp": "2026-01-31T10:00:01Z", "function": "run", "traceback": "\n".join(TRACEBACK).replace("\t", ""),
             "error": "ValueError: seven", "process": 4711, "items": ["a", "b"], "minibatch_index": 7}  # fmt: skip
    summary = summary_of(
        tmp_path,
        user=[
            line
            for second in (1, 3)
            for line in (
                USER.format(second, 100, "ERROR", 4711, "could not score a"),
                *TRACEBACK,
                USER.format(second, 110, "ERROR", 4711, "run() failed after 0.100 s (0.1 s of ...): ValueError: seven"),
                *TRACEBACK,
                USER.format(
                    second,
                    120,
                    "ERROR",
                    4711,
                    "run() failed after 0.2 s (0.1 s of ...): ValueError: seven (its traceback is above)",
                ),
            )
        ],
        driver=[
            line
            for number, second in ((1, 1), (2, 3))
            for line in (
                LINE.format(second, 150, "ERROR", f"mini-batch 7, try {number}, Process-1 (process id 4711)"),
                *TRACEBACK,
            )
        ],
        errors=[json.dumps({"count": 2, "first": entry, "last": {**entry, "timestamp": "2026-01-31T10:00:03Z"}})],
    )
    (problem,) = summary.problems
    assert (problem.count, problem.processes, problem.mini_batches) == (2, 1, ("7",))
    assert (problem.items, problem.reports) == (("a", "b"), 2)
    assert (problem.first.second, problem.first.microsecond, problem.last.second) == (1, 100000, 3)
    assert problem.path == "logs/user/10.0.0.4/Process-1.txt"


def test_the_same_error_of_two_processes(tmp_path):
    """The same error in two processes at the same time is two."""
    record = [USER.format(1, 100, "ERROR", 4711, "failed"), *TRACEBACK]
    summary = summary_of(tmp_path, user=record, other=[record[0].replace("4711", "4712"), *TRACEBACK])
    assert (summary.problems[0].count, summary.problems[0].processes) == (2, 2)
    assert summary.problems[0].nodes == ("10.0.0.4", "10.0.0.5")


@pytest.mark.parametrize(
    ("channels", "count"),
    [
        ([[1.0, 2.0], [1.1, 2.1], [1.2]], 2),
        ([[1.0], [7.0]], 2),
        ([[1.0, 1.001, 1.002], [1.0005, 1.0015, 1.0025]], 3),
        ([[], []], 0),
    ],
)
def test_occurrences(channels, count):
    """Different channels within some seconds tell the same; one channel tells each once."""
    assert merged(channels) == count


def test_many_occurrences():
    """Of an error that is told without end, the times are not kept, but it is counted; also where no time is told."""
    found, other = Occurrences(), Occurrences()
    for number in range(MOST_TIMES + 10):
        found.add("a", float(number))
        other.add("b", None)
    assert (found.count, other.count) == (MOST_TIMES + 10, MOST_TIMES + 10)
    found.merge(other)
    assert found.count == MOST_TIMES + 10


def test_identities():
    """A process is known by what any file tells of it, where that can be but one."""
    known = Identities()
    known.begin("Process-1", 11, 100.0)
    known.begin("Process-1", 12, 200.0)
    whole = Identity("10.0.0.4", "Process-1", 12)
    assert known.of("10.0.0.4", "Process-1", 12, 250.0) == whole
    assert known.of("", "Process-1", None, 150.0).process == 11
    assert known.of("", "Process-1", None, None).process == 12
    assert known.whole(Identity(process=12)) == whole
    assert known.whole(Identity(name="Process-1")) == whole
    assert known.whole(Identity(process=99)) == Identity(process=99)
    assert known.whole(NOBODY) == NOBODY
    known.of("10.0.0.5", "Process-1", 12, None)
    assert known.whole(Identity(process=12)) == Identity(process=12)
    assert known.whole(Identity(process=12), [whole]) == whole
    assert known.is_stranger(99)
    assert not known.is_stranger(12)


def test_identities_are_bounded(monkeypatch):
    """Processes without end do not fill the memory."""
    monkeypatch.setattr(identities, "_MOST", 2)
    known = Identities()
    for number in range(9):
        known.begin("a", number, None)
    assert known.is_stranger(8)


def test_an_error_before_the_loudest(tmp_path):
    """The cause is the earliest error for which a mini-batch was given up, not the most frequent."""
    summary = summary_of(
        tmp_path,
        master=[
            LINE.format(
                1,
                0,
                "ERROR",
                "mini-batch 1, try 1 of 1: failed in Process-1 (process id 4711) after 1.0 s, given up: OSError: no room (score.py:3 in load)",
            ),
            *[
                LINE.format(
                    2,
                    number,
                    "ERROR",
                    f"mini-batch {number + 2}, try 1 of 1: timeout in Process-1 (process id 4711) after 1.0 s, given up: run() did not end within 3 s (run_invocation_timeout); the stacks of its threads are in /x.txt",
                )
                for number in range(50)
            ],
        ],
    )
    first, second = summary.problems
    assert (first.title, first.place, first.count) == ("OSError: no room", "score.py:3 in load", 1)
    assert (second.kind, second.count, second.mini_batch_count) == ("timeout", 50, 50)
    assert second.title == "run() did not end within 3 s (run_invocation_timeout)"


def test_what_a_later_try_fails_with(tmp_path):
    """The error of the first try is the cause of a mini-batch whose later tries fail with what it left behind."""
    line = "mini-batch 1, try {} of 2: failed in Process-1 (process id 4711) after 0.1 s, {}: {}"
    summary = summary_of(
        tmp_path,
        master=[
            LINE.format(1, 0, "WARNING", line.format(1, "tried again", "OSError: no room")),
            LINE.format(2, 0, "ERROR", line.format(2, "given up", "FileExistsError: half a file")),
        ],
    )
    assert [(found.title, found.outcome) for found in summary.problems] == [
        ("OSError: no room", "given up"),
        ("FileExistsError: half a file", "given up"),
    ]


def test_a_try_without_a_reason(tmp_path):
    """What a process logged last in a try that failed is its reason where none is told; else the try stands alone."""
    worker = [
        line
        for number, second in ((1, 1), (2, 20))
        for line in (
            LINE.format(second, 0, "INFO", PICKED.format(number, 1, 4711, second)),
            LINE.format(second, 500, "INFO", COMPLETED.format(number, 1, 4711, "failed", second, second)),
        )
    ]
    user = [
        USER.format(1, 100, "ERROR", 4711, "first"),
        *TRACEBACK[:2],
        "\tKeyError: 'x'",
        USER.format(1, 200, "ERROR", 4711, "then"),
        *TRACEBACK,
        USER.format(1, 300, "ERROR", 4711, "and no exception"),
    ]
    summary = summary_of(tmp_path, worker=worker, user=user)
    assert [(found.title, found.mini_batches, found.outcome) for found in summary.problems] == [
        ("ValueError: seven", ("1",), "given up"),
        ("a mini-batch failed; no reason is told", ("2",), "given up"),
        ("and no exception", (), ""),
        ("KeyError: 'x'", (), "handled"),
    ]


def test_a_table_that_tells_no_times(tmp_path):
    """A table may tell neither times nor reasons, or reasons of any length: there is a problem all the same."""
    summary = summary_of(
        tmp_path,
        tasks=[
            "Task Id,Status,Error",
            f"1,FAILED,{'x' * 200_000}",
            f"4,FAILED,{'x' * 600_000}",
            "2,FAILED,",
            "3,RUN_DONE,",
        ],
    )
    assert [(problem.title, problem.first, problem.mini_batches) for problem in summary.problems] == [
        ("x" * 2000 + "…", None, ("1", "4")),
        ("a mini-batch failed; no reason is told", None, ("2",)),
    ]


def test_a_table_that_is_still_written(tmp_path):
    """A last row without an end is taken where all its values but the last are whole."""
    summary = summary_of(tmp_path, tasks=b"Task Id,Status,Error\n7,FAILED,ValueError: x\n8,FAILED,Va")
    assert sorted(found.mini_batches for found in summary.problems) == [("7",), ("8",)]
    assert summary_of(tmp_path, tasks=b"Task Id,Status,Error\n7,FAILED").problems == ()


def test_memory_before_a_death(tmp_path):
    """Where a node's memory was nearly all used just before a process died, that is told."""
    death = "mini-batch 1, try 1 of 1: died in Process-1 (process id 4711) after 1.0 s, given up: the worker process died: killed by signal 9 (Killed)"
    node = ["Utc Time,Memory Total (MB),Memory Used (MB),Memory Used Percent"]
    master = [LINE.format(30, 0, "ERROR", death)]
    summary = summary_of(tmp_path, master=master, node=[*node, "2026-01-31 10:00:27.000,1000,970,97.0", ""])
    assert summary.problems[0].hint == (
        "the node's memory was 97 % used 3 s before: it was probably killed for want of memory"
    )
    for row in ("2026-01-31 10:00:27.000,1000,200,20.0", "2026-01-31 09:00:27.000,1000,970,97.0", "x"):
        assert summary_of(tmp_path, master=master, node=[*node, row, ""]).problems[0].hint == ""


def test_a_death_that_the_master_alone_tells(tmp_path):
    """A process that died before its first mini-batch is a problem of its own; one that was ended is none."""
    summary = summary_of(
        tmp_path,
        master=[
            LINE.format(1, 0, "INFO", "Process-1 started: process id 4711"),
            LINE.format(2, 0, "WARNING", "Process-1 ended: process id 4711, exit code 3"),
            LINE.format(
                2,
                0,
                "WARNING",
                "Process-2 ended: process id 4712, killed because its time was over (run_invocation_timeout)",
            ),
            LINE.format(3, 0, "ERROR", "failed: what is no exception (starting Process-1)"),
        ],
    )
    assert ("death", "the worker process died: exit code 3") in [
        (found.kind, found.title) for found in summary.problems
    ]
    assert summary.deaths == 1


STACKS_TEXT = (
    'Timeout (0:00:01)!\nThread 0x1 (most recent call first):\n  File "/job/score.py", line 18 in wait\n'
    '  File "/job/score.py", line 20 in run\n'
)


def test_stacks_beside_json(tmp_path):
    """The stacks of a process that logs in JSON are in a file of their own."""
    summary = summary_of(
        tmp_path,
        stacks=["", *STACKS_TEXT.splitlines()],
        worker=[
            LINE.format(1, 0, "INFO", PICKED.format(1, 1, 4711, 1)),
            LINE.format(9, 0, "INFO", COMPLETED.format(1, 1, 4711, "timeout", 1, 9)),
        ],
    )
    (problem,) = summary.problems
    assert (problem.kind, problem.stack) == ("timeout", ("score.py:18 in wait", "score.py:20 in run"))
    assert problem.title == "run() did not end in time"
    assert evidence.stacks_file(b"nothing", "a", Place(STACKS)) == []


def test_errors_in_json(tmp_path):
    """Records in JSON tell exceptions as objects, or, of other loggers, as text; odd ones tell a message."""
    frames = [{"filename": "/job/score.py", "lineno": 12, "name": "run"}]
    records = [
        {"timestamp": "2026-01-31T10:00:01.000000Z", "level": "ERROR", "event": "a", "process": 1,
         "exception": [{"exc_type": "ValueError", "exc_value": "seven", "frames": frames}]},
        {"timestamp": "2026-01-31T10:00:30.000000Z", "level": "error", "event": "b", "process": 1,
         "exception": "\n".join(TRACEBACK).replace("\t", "")},
        {"timestamp": "2026-01-31T10:00:31.000000Z", "level": "ERROR", "event": "c", "exception": [3]},
    ]  # fmt: skip
    summary = summary_of(tmp_path, json=map(json.dumps, records))
    assert [(found.title, found.count) for found in summary.problems] == [("ValueError: seven", 2), ("c", 1)]


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"{}", b'{"first": 3}', b'{"first": {"error": "odd"}}', b'{"a":' * 100_000],
)
def test_error_files_that_tell_nothing(data):
    """A broken error file tells nothing, and is no harm."""
    assert evidence.error_file(data, "a.error.json", Place(ERROR)) == []


def test_an_error_file(tmp_path):
    """An error file alone tells the first error and the last, in what function, and of what items."""
    first = {
        "timestamp": "2026-01-31T10:00:01Z",
        "function": "init",
        "error": "OSError: gone",
        "process": "x",
        "items": 3,
    }
    last = {"function": "shutdown", "exception": [{"exc_type": "KeyError", "exc_value": "'x'", "frames": []}]}
    summary = summary_of(tmp_path, errors=[json.dumps({"count": 5, "first": first, "last": last})])
    assert [(found.kind, found.title) for found in summary.problems] == [
        ("init failure", "OSError: gone"),
        ("shutdown failure", "KeyError: 'x'"),
    ]
    assert summary.problems[0].process == 4711
    (found,) = evidence.error_file(json.dumps({"count": 1, "first": first, "last": last}).encode(), "a", Place(ERROR))
    assert found.process is None


def test_a_failure_in_shutdown(tmp_path):
    """An exception that shutdown() raised is told as such."""
    record = [
        LINE.format(1, 0, "ERROR", "KeyError: 'x' (score.py:3 in shutdown, ending Process-1)"),
        *TRACEBACK[:2],
        "\tKeyError: 'x'",
    ]
    master = [LINE.format(1, 1, "ERROR", "failed: KeyError: 'x' (score.py:3 in shutdown, ending Process-1)")]
    (problem,) = summary_of(tmp_path, driver=record, master=master).problems
    assert (problem.kind, problem.title, problem.process_name) == ("shutdown failure", "KeyError: 'x'", "Process-1")


def test_what_the_job_says_is_given_to_the_cause(tmp_path):
    """The job's own last words are counted as reports of the first cause."""
    last = [
        "Traceback (most recent call last):",
        '  File "driver/amlbi_main.py", line 275, in <module>',
        "SystemExit: 42",
    ]
    summary = summary_of(tmp_path, user=[USER.format(1, 0, "ERROR", 4711, "failed"), *TRACEBACK], driver=last)
    (problem,) = summary.problems
    assert (summary.failed, problem.title, problem.reports) == (True, "ValueError: seven", 1)


def test_a_scripts_own_exit(tmp_path):
    """A script that calls sys.exit() is the cause itself."""
    exits = [*TRACEBACK[:2], "\tSystemExit: 42"]
    (problem,) = summary_of(tmp_path, user=[USER.format(1, 0, "ERROR", 4711, "failed"), *exits]).problems
    assert (problem.kind, problem.place) == ("exception", "score.py:12 in run")


def test_a_wrong_return_that_is_logged(tmp_path):
    """The service's words for a wrong return are told as one."""
    lines = [USER.format(1, 0, "ERROR", 4711, "There is no succeeded mini batch item returned from run().")]
    assert summary_of(tmp_path, user=lines).problems[0].kind == "wrong return"


def test_results_of_a_job(tmp_path):
    """A job's result and error files tell whether it failed; an empty one does not."""
    assert summary_of(tmp_path, result=["The job succeeded."]).state == "succeeded"
    assert summary_of(tmp_path, error=[]).state == "succeeded"
    assert summary_of(
        tmp_path, error=["2026-01-31T10:00:01.000000 The process000 on node 0 failed with error: x"]
    ).failed


def test_a_long_traceback(tmp_path):
    """Of a traceback that is longer than reason the middle is left out."""
    long = [TRACEBACK[0], *[TRACEBACK[1]] * 2000, TRACEBACK[2]]
    (problem,) = summary_of(tmp_path, user=[USER.format(1, 0, "ERROR", 4711, "failed"), *long]).problems
    assert "characters are left out" in problem.traceback
    assert len(problem.traceback) < 21_000
    assert problem.title == "ValueError: seven"


def test_a_file_that_can_not_be_read(tmp_path):
    """A file that goes away while it is read is complained about, and the rest is told."""
    folder = tmp_path / "logs" / "user" / "10.0.0.4"
    trees.write(
        tmp_path, {"logs/user/10.0.0.4/Process-1.4711.error.json": ["{}"], "logs/user/10.0.0.4/a.txt": b"a\n\0\0"}
    )
    trees.write(
        tmp_path, {"logs/user/10.0.0.4/Process-1.txt": [USER.format(1, 0, "ERROR", 4711, "failed"), *TRACEBACK]}
    )
    # The first complaint is about the NULs in a log, which is read before the error files.
    summary = summarise(tmp_path, say=lambda _: (folder / "Process-1.4711.error.json").unlink(missing_ok=True))
    assert len(summary.complaints) == 2
    assert "Process-1.4711.error.json" in summary.complaints[1]
    assert summary.problems


def sighting(number, **values):
    named = {"kind": problems.EXCEPTION, "title": f"E{number}", "signature": f"E{number}", "short": f"E{number}"}
    return Sighting(**{**named, "channel": "a", "time": float(number), **values})


def test_the_earliest_are_kept():
    """Of signatures without end the earliest are kept, in whatever order they come."""
    found = Gathering()
    for number in reversed(range(gathering.MOST_GROUPS + 100)):
        found.add(sighting(number))
    kept = {problem.title for problem in found.finish()}
    assert len(kept) == gathering.MOST_GROUPS
    assert "E0" in kept
    assert found.others == 100


def test_bounds(monkeypatch):
    """Processes, mini-batches, tries and stacks without end are not all kept."""
    for name in ("_MOST_PROCESSES", "_MOST_MINI_BATCHES", "MOST_TRIES", "_MOST_STACKS", "MOST_GROUPS"):
        monkeypatch.setattr(gathering, name, 2 if name != "MOST_TRIES" else 6)
    found = Gathering()
    for number in range(9):
        found.add(sighting(0, process=number, node=str(number), process_name=str(number), mini_batch=str(number)))
        found.add(sighting(0, kind=evidence.STACKS, process=number))
        found.add_process("a", number, "exit code 3", None)
        found.add_try(Try(str(number), 2, "", "a", None, "succeeded", 1, 1, None, None))
        found.add_try(
            Try(
                str(100 + number),
                1,
                "",
                "a",
                number % 2 or None,
                ("failed", "timeout", "died")[number % 3],
                1,
                0,
                None,
                None,
            )
        )
    assert len(found.finish()) == 2
    assert found.failed_mini_batches == 6


def test_a_time_that_no_calendar_has():
    """A time beyond the calendar is none."""
    assert gathering.moment(1e18) is None
    assert gathering.moment(None) is None


def test_ranks():
    """What stopped the run comes before what did not: by outcome and kind, then by time."""

    def problem(kind, outcome="", **values):
        return problems.Problem(
            kind=kind, title=f"{kind} {outcome}".strip(), place="", count=1, outcome=outcome, **values
        )

    every = [
        problem(problems.STOPPED),
        problem(problems.EXCEPTION, problems.HANDLED),
        problem(problems.EXCEPTION, problems.TRIED_AGAIN),
        problem(problems.ERROR),
        problem(problems.DEATH),
        problem(problems.EXCEPTION, problems.GIVEN_UP),
        problem(problems.INIT),
    ]
    done = Progress("failed", processed_mini_batches=3)
    titles = [found.title for found in causes.ordered(every, done)]
    assert titles == [
        "exception given up",
        "death",
        "init failure",
        "error",
        "exception tried again",
        "exception handled",
    ]
    titles = [found.title for found in causes.ordered(every, Progress("failed", exit_code=72))]
    assert titles[:2] == ["exception given up", "init failure"]
    titles = [found.title for found in causes.ordered(every, Progress("succeeded", processed_mini_batches=3))]
    assert titles.index("init failure") > titles.index("error")


def test_the_last_run_of_a_tree(tmp_path):
    """What an earlier run left in the same files is passed over, whatever file tells it."""
    begins = "run begins: /work/score.py, 4 mini-batches, 2 processes"
    tried = "mini-batch {}, try 1 of 2: failed in Process-1 (process id {}) after 0.1 s, tried again: OSError: {}"
    summary = summary_of(
        tmp_path,
        overview=[LINE.format(0, 0, "INFO", begins), LINE.format(30, 0, "INFO", begins)],
        master=[
            LINE.format(10, 0, "WARNING", tried.format(1, 4711, "old")),
            LINE.format(31, 0, "INFO", "Process-1 started: process id 4712"),
            LINE.format(40, 0, "WARNING", tried.format(2, 4712, "new")),
        ],
        user=[
            line
            for second, process in ((10, 4711), (40, 4712))
            for line in (USER.format(second, 0, "ERROR", process, "failed"), *TRACEBACK)
        ],
        worker=[
            LINE.format(10, 0, "INFO", COMPLETED.format(1, 1, 4711, "failed", 10, 10)),
            LINE.format(41, 0, "INFO", COMPLETED.format(2, 2, 4712, "succeeded", 41, 41)),
        ],
        errors=[json.dumps({"count": 1, "first": {"timestamp": "2026-01-31T10:00:10Z", "error": "ValueError: old"}})],
    )
    assert (summary.earlier_runs, summary.state, summary.retries, summary.processes) == (1, "running", 1, 1)
    assert [(found.title, found.count, found.outcome) for found in summary.problems] == [
        ("OSError: new", 1, "tried again"),
        ("ValueError: seven", 1, "handled"),
    ]


def test_the_place_of_a_crash(tmp_path):
    """The stacks that a crash left tell where it was; of a report without a time, the try's end is when it was."""
    crash = STACKS_TEXT.replace("Timeout (0:00:01)!", "Fatal Python error: Segmentation fault\n").splitlines()
    summary = summary_of(
        tmp_path,
        driver=[
            LINE.format(2, 0, "ERROR", "the stacks of Process-1 (process id 4711), killed by signal 11:"),
            *(f"\t{line}" for line in crash),
        ],
        worker=[
            LINE.format(2, 0, "INFO", COMPLETED.format(1, 1, 4711, "died", 1, 1)),
            LINE.format(2, 0, "INFO", COMPLETED.format(2, 1, 4712, "failed", 1, 1) + " error=OSError: gone"),
        ],
        json=[
            json.dumps({"level": "ERROR", "event": "x", "exception": [{"exc_type": "OSError", "exc_value": "gone"}]})
        ],
    )
    assert sorted((found.title, found.place, found.first is None) for found in summary.problems) == [
        ("OSError: gone", "", False),
        ("the worker process died", "score.py:18 in wait", False),
    ]


def test_counts_are_bounded(tmp_path, monkeypatch):
    """Processes without end are not all remembered."""
    monkeypatch.setattr("entry_script_helper.logtree.findings.summarising._MOST_PROCESSES", 2)
    worker = [LINE.format(2, 0, "INFO", COMPLETED.format(n, 1, 100 + n, "succeeded", 1, 1)) for n in range(9)]
    assert summary_of(tmp_path, worker=worker).processes == 2
