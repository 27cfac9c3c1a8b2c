"""How far a run is, by the lines of the master's of any era; and what was far slower than the rest."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from entry_script_helper.logtree.activity.tries import Try
from entry_script_helper.logtree.findings.progress import Told, seconds
from entry_script_helper.logtree.findings.stragglers import Stragglers
from entry_script_helper.logtree.stream.records import Record

TIME = datetime(2026, 1, 31, 10, tzinfo=timezone.utc)
BEGINS = "run begins: /work/score.py, 100 mini-batches, 2 processes"


def told(*messages, level="INFO"):
    found = Told()
    for number, message in enumerate(messages):
        found.take(Record("logs/overview.txt", 0, message, TIME.replace(second=number), level, message=message))
    return found


def test_a_run_that_goes_on():
    """The last line on the progress counts, with what had succeeded in an earlier run."""
    found = told(
        BEGINS,
        "created 100 mini-batches, processed 0: 0 succeeded, 0 failed; 0:00:00 passed",
        "created 100 mini-batches, processed 50: 48 succeeded, 2 failed, 4 tried again, 7 of them in an earlier run; "
        "0:01:31 passed, about 1:00:31 left",
    )
    progress = found.progress()
    assert (progress.state, progress.mini_batches, progress.processed_mini_batches) == ("running", 100, 50)
    assert (progress.succeeded_mini_batches, progress.failed_mini_batches, found.retries) == (48, 2, 4)
    assert (progress.seconds, progress.remaining_seconds) == (91.0, 3631.0)
    assert (progress.started, progress.last) == (TIME, TIME.replace(second=2))


@pytest.mark.parametrize(
    ("line", "state", "numbers", "retries"),
    [
        ("succeeded: 1 of 1 item, 1 of 1 mini-batch, 0 failed, 1 process, 0.3 s", "succeeded", (1, 1, 1, 1, 0, 0.3), 0),
        (
            "FAILED: 950 of 1000 items, 95 of 100 mini-batches, 5 failed, 2 retries, 7 done before, 2 processes, 62.7 s",
            "failed",
            (1000, 950, 100, 95, 5, 62.7),
            2,
        ),
        ("FAILED: 2 of 3 items, 1 of 2 mini-batches, 1 failed, 1 retry, in this process, 1.0 s", "failed", (3, 2, 2, 1, 1, 1.0), 1),
    ],
)  # fmt: skip
def test_a_result(line, state, numbers, retries):
    """The result's line tells all numbers."""
    found = told(BEGINS, f"result: {line}")
    progress = found.progress()
    assert progress.state == state
    assert numbers == (
        progress.items,
        progress.succeeded_items,
        progress.mini_batches,
        progress.succeeded_mini_batches,
        progress.failed_mini_batches,
        progress.seconds,
    )
    assert (found.retries, progress.remaining_seconds) == (retries, None)


def test_the_results_further_lines():
    """Exit code, and why a run was stopped, are told, also where an exception ended it."""
    progress = told(
        "result: FAILED: 1 of 2 items, 1 of 2 mini-batches, 1 failed, 1 process, 0.2 s",
        "result: exit code: 73 (some items failed)",
        "result: stopped: 5 failed items, more than the error_threshold of 3",
        "result: logs: /work/logs",
    ).progress()
    assert (progress.exit_code, progress.reason) == (73, "5 failed items, more than the error_threshold of 3")
    progress = told(BEGINS, "result: FAILED: stopped by Ctrl-C after 1 of 2 mini-batches").progress()
    assert (progress.state, progress.reason) == ("failed", "stopped by Ctrl-C after 1 of 2 mini-batches")


def test_the_last_of_several_runs():
    """What was told before a run began is of another."""
    found = told(BEGINS, "result: FAILED: stopped by Ctrl-C", BEGINS.replace("100", "7"))
    progress = found.progress()
    assert (found.runs, found.began) == (2, TIME.replace(second=2))
    assert (progress.state, progress.mini_batches, progress.reason) == ("running", 7, "")


def test_the_services_lines():
    """The service tells of scheduled mini-batches, of those processed, and how long it goes on."""
    found = told(
        "Start the simulator.",
        "Scheduling finished. Scheduled 276 mini batches in 22 seconds. There are 276 tasks with 551 items.",
    )
    assert found.knows
    assert (found.progress().mini_batches, found.progress().items) == (276, 551)
    progress = told("Processed 4117 of 20000 mini batches in 5:02:14. Estimated remaining time 19:25:59.").progress()
    assert (progress.state, progress.processed_mini_batches, progress.mini_batches) == ("running", 4117, 20000)
    assert (progress.seconds, progress.remaining_seconds) == (18134.0, 69959.0)
    assert told("Processed 7 of 7 mini batches in 0:00:14.").progress().state == "succeeded"
    assert told("Scheduled 3 mini batches.").progress().mini_batches == 3
    assert told("4 tasks created, 2 processed").progress().processed_mini_batches == 2
    assert not told("nothing").knows
    assert told().progress().state == "unknown"


def test_the_job_failed():
    """The service's last line tells why, and how many items failed."""
    progress = told("The job failed: 5 of 20 items failed, the error threshold is 0.", level="ERROR").progress()
    assert (progress.state, progress.items, progress.succeeded_items) == ("failed", 20, 15)
    assert progress.reason == "The job failed: 5 of 20 items failed, the error threshold is 0."
    assert told("The job failed.", level="INFO").progress().state == "unknown"


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("2023-02-28T11:14:10.000000 The job failed. 4 of 8 items failed.\nPlease check.\n", "failed"),
        ("The job succeeded.", "succeeded"),
        ("8 items succeeded, failed items: 0. Completed successfully.", "succeeded"),
        ("exit code: 0", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_jobs_result(text, state):
    """A file with the job's result alone tells what became of it."""
    found = Told()
    found.result(text)
    progress = found.progress()
    assert progress.state == state
    if state == "failed":
        assert progress.reason == "The job failed. 4 of 8 items failed."
        assert progress.succeeded_items == 4


def test_an_error_file_of_a_job():
    """A job's error file means that it failed, whatever else is told."""
    found = told(BEGINS)
    found.result("The job succeeded.")
    found.fail()
    assert found.progress().state == "failed"


@pytest.mark.parametrize(
    ("text", "number"), [("1:02:03.5", 3723.5), ("0:31", 31.0), ("7", 7.0), ("", None), (None, None), ("1:x", None)]
)
def test_a_duration(text, number):
    """Durations are hours, minutes and seconds; what is none is none."""
    assert seconds(text) == number


def tried(mini_batch, duration, name="Process-1", node="a", status="succeeded"):
    end = None if duration is None else 100.0 + duration
    return Try(str(mini_batch), 1, node, name, None, status, 1, 1, 100.0, end)


def stragglers(*tries):
    found = Stragglers()
    for one in tries:
        found.add(one)
    return [(straggler.what, straggler.name, straggler.seconds) for straggler in found.found()]


def test_slow_mini_batches():
    """Mini-batches that took more than five times the median are told, the slowest five, the slowest first."""
    quick = [tried(number, 1.0) for number in range(100)]
    slow = [tried(f"slow {number}", 6.0 + number) for number in range(9)]
    found = stragglers(*quick, *slow, tried("failed", 50.0, status="failed"), tried("open", None), tried("odd", -9.0))
    assert found == [("mini-batch", f"slow {number}", 6.0 + number) for number in (8, 7, 6, 5, 4)]


def test_what_is_not_slow():
    """Few mini-batches, or differences of less than a second, tell nothing."""
    assert stragglers(*[tried(number, 10.0**number) for number in range(4)]) == []
    assert stragglers(*[tried(number, 0.001) for number in range(20)], tried("slow", 0.9)) == []


def test_slow_places():
    """A process or node whose median is more than twice that of all is told."""
    tries = [tried(number, 1.0, f"Process-{number % 4}") for number in range(60)]
    tries += [tried(number, 3.5, "Process-9", "b") for number in range(9)]
    assert stragglers(*tries) == [("process", "Process-9 on b", 3.5), ("node", "b", 3.5)]


def test_places_are_bounded(monkeypatch):
    """Processes without end do not fill the memory."""
    monkeypatch.setattr("entry_script_helper.logtree.findings.stragglers._MOST_PLACES", 2)
    tries = [tried(number, 1.0, "Process-1") for number in range(20)]
    assert stragglers(*tries, *[tried(number, 9.0, "Process-2") for number in range(7)])[-1][0] == "mini-batch"
