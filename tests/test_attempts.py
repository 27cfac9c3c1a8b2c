"""Tries at mini-batches as the trees of every era tell them, and the records that they left."""

from __future__ import annotations

import pytest
import trees
from logtreebits import Bytes, Heard

from entry_script_helper.logtree import read
from entry_script_helper.logtree.activity.attempts import attempts, attempts_at
from entry_script_helper.logtree.layouts import place

NODES = [f"logs/sys/node/{node}/process000.txt" for node in (0, 1)]
REPORT = "logs/sys/job_report/processed_mini-batches.csv"


def said(folder, mini_batch):
    """Return the records of a mini-batch, each by its path below logs/ and the end of its first line."""
    found = read(folder, mini_batch=mini_batch)
    return [(record.path.partition("/")[2], record.message.split("\n")[0].split("|")[-1]) for record in found]


def of_tries(files, *mini_batches):
    tree = [(Bytes(text.encode(), path), place(path)) for path, text in files.items()]
    return [
        (one.mini_batch, one.node, one.process_name, one.start, one.end)
        for one in attempts_at(mini_batches, tree, Heard())
    ]


def test_a_mini_batch_of_the_articles_tree(tmp_path):
    """Worker logs that tell whole seconds: what a process logged up to that second's end belongs to its mini-batch."""
    found = said(trees.article(tmp_path), 2)
    assert [text.split(" ip=")[0] for path, text in found if path == "worker/10.0.0.4/Process-2.txt"] == [
        "Picked up mini-batch 2",
        "Completed mini-batch 2",
        "Picked up mini-batch 3",
    ]
    assert [text for path, text in found if path == "user/10.0.0.4/Process-2.txt"] == [
        "score.py, run(['k', 'l', 'm', 'n', 'o'])",
        "failed",
    ]
    assert {path for path, _ in found} == {"worker/10.0.0.4/Process-2.txt", "user/10.0.0.4/Process-2.txt"}


def test_a_mini_batch_of_the_tree_of_2020(tmp_path):
    """The table of tasks tells when each was begun and how long it took."""
    found = said(trees.year_2020(tmp_path), 16)
    assert ("user/10.0.0.4/Process-1.txt", "two files") in found
    assert len([path for path, _ in found if path == "user/10.0.0.4/Process-1.txt"]) == 1
    assert "Picked up task 15." not in [text for _, text in found]
    assert [path for path, text in found if "unable to finish" in text] == [
        "sys/error.txt",
        "sys/worker/10.0.0.4/Process-1.txt",
        "user/error.txt",
        "user/error/10.0.0.4/Process-1.txt",
    ]
    assert [text for path, text in said(tmp_path, 15) if path.startswith("user/10")] == ["two files"]


def test_a_mini_batch_of_todays_tree(tmp_path):
    """Where the job's report names no node and tells when processes were started, the worker's log tells both."""
    found = said(trees.today(tmp_path), 1)
    assert [text for path, text in found if path == "sys/node/0/process000.txt"] == [
        "Picked up mini-batch 1.",
        "Traceback (most recent call last):",
    ]
    assert ("user/error/0/process000.txt", "Traceback (most recent call last):") in found
    assert not [path for path, _ in found if "/1/" in path]
    assert {path for path, _ in said(tmp_path, 2)} >= {"sys/node/1/process000.txt", "sys/error/1/process000.txt"}


def test_a_mini_batch_of_our_tree(tmp_path):
    """Our worker logs tell the node, the process and the times of each try: nothing else is looked for."""
    found = said(trees.ours(tmp_path), 1)
    raised = [path for path, text in found if "could not convert" in text and path.startswith("user/")]
    assert len(raised) >= 2
    assert all(path.rpartition("/")[2].startswith(("Process-", "process")) for path in raised)


HEADING = "Mini-batch Id,Picked Count,Process,Process Start Time,Total,Elapsed Seconds,Status\n"
PICKED = "2023-02-28 11:10:{},000|INFO|255|139773019682560|Picked up mini-batch {}.\n"
START = 1677582600.0


def test_a_report_that_tells_when_mini_batches_were_begun():
    """Where each row of a process has another time, that is when the mini-batch was begun; without a worker's log the
    node is not known."""
    report = HEADING + f"1,1,process000,{START},2,1.5,RUN_DONE\n2,1,process000,{START + 2},2,1.5,RUN_DONE\n"
    assert of_tries({REPORT: report}, "2", "9") == [("2", "", "process000", START + 2, START + 3.5)]


def test_a_report_that_tells_when_processes_were_started():
    """Where rows of a process have the same time, it is not taken for that at which a mini-batch was begun."""
    report = HEADING + "".join(f"{n},1,process000,{START},2,1.5,RUN_DONE\n" for n in range(3))
    assert of_tries({REPORT: report}, "1") == [("1", "", "process000", None, START + 1.5)]
    log = "".join(PICKED.format(10 * n, n) for n in range(1, 4)) + "Picked up mini-batch 4.\n"
    assert of_tries({REPORT: report, NODES[1]: log}, "1", "3", "4") == [
        ("1", "1", "process000", START + 10, START + 20),
        ("3", "1", "process000", START + 30, None),
    ]


def test_a_worker_log_that_says_something_else():
    """A line that picks up no mini-batch, or has no time, begins none."""
    log = "2023-02-28 11:10:30,000|INFO|255|139773019682560|Picked up 3 files.\n"
    assert of_tries({NODES[0]: log, NODES[1]: "Picked up task 3\n"}, "3") == []


@pytest.mark.parametrize("path", [REPORT, *NODES])
def test_what_can_not_be_read(path):
    """A file that can't be read is complained about, and tells of no tries."""
    entry, heard = Bytes(b"", path), Heard()
    entry.error = PermissionError(13, "Permission denied")
    assert list(attempts([(entry, place(path))], heard)) == []
    assert heard.heard == [(path, "[Errno 13] Permission denied")]
