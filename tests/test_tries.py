"""Tries at mini-batches, from worker logs of ours, from the service's tables and from its lines on timeouts."""

from __future__ import annotations

import pytest
from logtreebits import Bytes, Heard

from entry_script_helper.logtree.activity.tries import Try
from entry_script_helper.logtree.activity.tryreading import from_table, from_timeout, from_worker_log
from entry_script_helper.logtree.files import tables
from entry_script_helper.logtree.layouts import TRIES, WORKER, Place

PLACE = Place(WORKER, "10.0.0.4", "Process-1")
PATH = "logs/worker/10.0.0.4/Process-1.txt"
PICKED = (
    b"2026-01-31 10:00:00,500|INFO|4711|"
    b"picked mini_batch=%d try=1 ip=10.0.0.4 pid=4711 total=10 start1=1769853600.500000 start2=0.250000\n"
)
COMPLETED = (
    b"2026-01-31 10:00:01,750|INFO|4711|completed mini_batch=7 try=1 ip=10.0.0.4 pid=4711 status=succeeded total=10 "
    b"succeeded=9 start1=1769853600.500000 end1=1769853601.750000 start2=0.250000 end2=0.500000\n"
)


def table(text):
    rows = tables.rows(Bytes(text.encode()), Heard())
    return list(from_table(rows, Place(TRIES, "10.0.0.4", "Process-1"), "tasks.csv"))


def test_a_mini_batch_of_a_worker_log():
    """A mini-batch that was picked up and completed is one try, with all that its lines tell."""
    (found,) = from_worker_log([PICKED % 7 + COMPLETED], PLACE, PATH)
    assert found == Try(
        mini_batch="7",
        number=1,
        node="10.0.0.4",
        process_name="Process-1",
        process=4711,
        status="succeeded",
        total=10,
        succeeded=9,
        start=1769853600.5,
        end=1769853601.75,
        processor_seconds=0.25,
        path=PATH,
    )
    assert found.seconds == 1.25


def test_a_mini_batch_that_was_not_completed():
    """What was picked up and not completed is told last, as running: that is what a killed process was at."""
    blocks = [PICKED % 8, PICKED % 7 + COMPLETED, b"2026-01-31 10:00:02,000|INFO|4711|else\n"]
    found = list(from_worker_log(blocks, PLACE, PATH))
    assert [(one.mini_batch, one.status, one.seconds, one.processor_seconds) for one in found] == [
        ("7", "succeeded", 1.25, 0.25),
        ("8", "running", None, None),
    ]


def test_an_error_of_a_worker_log():
    """The error goes to the end of the line, whatever it holds; bytes that are no UTF-8 are written out."""
    line = COMPLETED.replace(b"succeeded total", b"failed total").rstrip() + b" error=ValueError: a=b \xff|c\n"
    (found,) = from_worker_log([line], PLACE, PATH)
    assert (found.status, found.error) == ("failed", "ValueError: a=b \\xff|c")


def test_open_tries_are_bounded(monkeypatch):
    """A file that only ever picks up does not fill the memory."""
    monkeypatch.setattr("entry_script_helper.logtree.activity.tryreading._MOST_OPEN", 3)
    assert len(list(from_worker_log((PICKED % number for number in range(10)), PLACE, PATH))) == 3


def test_the_table_of_2020():
    """Process-N.task.csv tells each task with its times, its count of tries and its error in one line."""
    failed, done = table(
        "Task Id,Dequeue Count,Start Time,Total,Succeeded,Failed,Elapsed Seconds,Process Seconds,Run Method Seconds,"
        "Status,Error\n"
        '16,2,2020-04-13 03:23:05.649,2,0,2,1.5,0.25,1.25,RUN_EXCEPTION,"ValueError: seven\n  second line"\n'
        "17,1,2020-04-13T03:23:07,2,2,0,1.5,0.25,1.25,RUN_DONE,\n"
    )
    assert (failed.mini_batch, failed.number, failed.status, failed.total, failed.succeeded) == (
        "16",
        2,
        "failed",
        2,
        0,
    )
    assert failed.start == pytest.approx(1586748185.649)
    assert failed.seconds == pytest.approx(1.5)
    assert (failed.processor_seconds, failed.error) == (0.25, "ValueError: seven second line")
    assert (failed.process_name, failed.node, failed.path) == ("Process-1", "10.0.0.4", "tasks.csv")
    assert (done.status, done.start) == ("succeeded", 1586748187.0)


def test_todays_table():
    """processed_mini-batches.csv names its columns otherwise, and each row's process."""
    (found,) = table(
        "Mini-batch Id,Picked Count,Process,Process Start Time,Total,Succeeded,Failed,Elapsed Seconds,Process Seconds,"
        "Run Method Seconds,Status,Error Category,Error Message,Mini-batch Detail\n"
        "3,1,process001,1681356185.5,10,0,10,60.2,1.0,60.1,RUN_TIMEOUT,UserError,Too slow,files\n"
    )
    assert (found.mini_batch, found.process_name, found.status) == ("3", "process001", "timeout")
    assert (found.start, found.error) == (1681356185.5, "Too slow")


@pytest.mark.parametrize(
    ("status", "error", "meaning"),
    [
        ("LOAD_TIMEOUT", "", "timeout"),
        ("LOAD_EXCEPTION", "", "failed"),
        ("LOAD_DONE", "", "running"),
        ("Succeeded", "", "succeeded"),
        ("Failed", "", "failed"),
        ("", "ValueError", "failed"),
        ("", "", "running"),
    ],
)
def test_the_services_words_for_a_status(status, error, meaning):
    """Each of the service's words for how a mini-batch ended is one of ours."""
    (found,) = table(f"Task Id,Status,Error\n1,{status},{error}\n")
    assert found.status == meaning


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Task Id,Status\n",
        "Task Id,Status\n\n,x\n",
        "else\n1\n",
    ],
)
def test_a_table_without_tries(text):
    """A table without rows, or without mini-batches, has no tries."""
    assert table(text) == []


@pytest.mark.parametrize("value", ["", "soon", "nan", "inf", "1e300", "2020-13-45 99:00:00"])
def test_numbers_that_are_none(value):
    """A field that is no number or no time is not told; the row is."""
    (found,) = table(f"Task Id,Start Time,Total,Elapsed Seconds,Dequeue Count\n1,{value},{value},{value},{value}\n")
    assert (found.start, found.end, found.seconds, found.total, found.number) == (None, None, None, None, 1)


def test_a_rows_further_fields():
    """A row that is longer than the heading keeps what has a name."""
    (found,) = table("Task Id,Total\n1,2,3,4\n")
    assert found.total == 2


def test_a_timeout_as_the_service_tells_it():
    """The service's line on a timeout names process, mini-batch and try."""
    found = from_timeout(
        'Stop for run() unable to finish within 90 seconds for {"agent": "process000", "task_id": 16, '
        '"dequeue_count": 1, "total": 2, "succeeded": 0, "method": "run"}'
    )
    assert found is not None
    assert (found.process_name, found.mini_batch, found.number) == ("process000", "16", 1)
    assert (found.status, found.total, found.succeeded) == ("timeout", 2, 0)
    assert found.error == "run() did not end within 90 s (run_invocation_timeout)"


@pytest.mark.parametrize(
    "message",
    [
        "all is well",
        "unable to finish within 90 seconds",
        "unable to finish within 90 seconds for {broken}",
        'unable to finish within 90 seconds for {"agent": "process000"}',
        "unable to finish within 90 seconds for " + '{"a":' * 100_000 + "}" * 100_000,
    ],
)
def test_a_line_that_tells_no_try(message):
    """A line that is cut, or tells of something else, is no try."""
    assert from_timeout(message) is None
