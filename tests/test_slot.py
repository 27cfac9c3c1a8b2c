"""What the master makes of a place on a node that is lost, piece by piece, in this very process.

What stands for the Dask worker gives futures that the test ends: which of them a real one ends, and when, is chance.
"""

from __future__ import annotations

import os
import pickle
from concurrent.futures import Future

import pytest
from test_node import here  # noqa: F401 - a fixture

from entry_script_helper.simulator import pool, settings, simulate, worker
from entry_script_helper.simulator.slots import Death

pytest.importorskip("distributed")

from entry_script_helper.simulator.cluster import connection, crew, node, slot
from entry_script_helper.simulator.minibatches import FileMiniBatch

ADDRESS = "tcp://10.0.0.9:1"


class Host:
    """Stands for a node: what is asked of it, and how it was told to be looked at again."""

    run = "run"
    address = ADDRESS
    node = "10.0.0.9"
    folder = "/tmp/journals"
    measures_node = shares = False

    def __init__(self, path):
        self.log_dir = str(path / "logs")
        self.asked = []
        self.forgotten = []

    def submit(self, function, *arguments):
        self.asked.append((function, Future()))
        return self.asked[-1][1]

    def settings_from(self, given):
        return given

    def look_again(self):
        self.forgotten.append("node")

    def forget_workers(self):
        self.forgotten.append("workers")


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


@pytest.fixture
def place(host, tmp_path):
    """A slot whose process has arrived."""
    found = slot.DaskSlot(host, 1)
    arrived = found.arrive(None, str(tmp_path))
    arrival = worker.Arrival(
        process="Process-1", pid=4711, journal="/there/journal", log="/there/log", temp_dir="/there", node="10.0.0.9"
    )
    host.asked[-1][1].set_result(packed(node.Told(arrival)))
    assert found.result(arrived).log.endswith("logs/user/10.0.0.9/Process-1.txt")
    return found


def packed(told):
    return pickle.dumps(told)


def scoring(found, count=1):
    tries = [(FileMiniBatch(index, ["a"]), 1) for index in range(count)]
    return found.submit(worker.score_chunk, tries, 1.0, seconds=60)


def journal_of(folder):
    (name,) = [name for name in os.listdir(folder) if name.endswith(".journal")]
    return (folder / name).read_text().splitlines()


def test_connection_that_is_lost(place, host):
    """Where the connection was lost, nothing that the process did is to blame, and all are asked for anew."""
    outer = scoring(place)
    host.asked[-1][1].cancel()
    host.asked[-1][1].set_running_or_notify_cancel()
    death = place.result(outer)
    assert (death.reason, death.is_lost, death.is_innocent) == ("the connection to the scheduler was lost", True, True)
    assert host.forgotten == ["node", "workers"]
    assert place.result(scoring(place)).reason == f"its Dask worker {ADDRESS} is gone"


def test_task_that_dask_can_not_carry(place, host, tmp_path):
    """An error of Dask's own is told; a mini-batch that was sent alone was begun, as far as is known."""
    outer = scoring(place)
    host.asked[-1][1].set_exception(RuntimeError("killed too often"))
    death = place.result(outer)
    assert (death.reason, death.is_innocent, death.is_known) == ("RuntimeError: killed too often", False, True)
    assert [line.split()[:2] for line in journal_of(tmp_path)[1:]] == [["started", "0"]]


@pytest.mark.parametrize(("count", "is_known"), [(0, True), (2, False)])
def test_node_that_is_no_more(place, host, tmp_path, count, is_known):
    """Of several mini-batches that were sent to a lost process, none is known to be the one that it was at."""
    outer = scoring(place, count)
    host.asked[-1][1].set_result(packed(node.Told(Death("no such process", is_lost=True))))
    death = place.result(outer)
    assert (death.reason, death.is_known) == ("no such process", is_known)
    assert not journal_of(tmp_path)[1:]


def test_journal_that_can_not_be_read(place, host, tmp_path):
    """Where the folder was shared and can't be read now, what was sent tells as much as it does without."""
    host.shares = True
    outer = scoring(place)
    place.lose()
    place.lose()
    assert place.result(outer).is_known
    place.lose()
    assert [line.split()[0] for line in journal_of(tmp_path)[1:]] == ["started"]


def test_place_that_is_closed(place, host):
    """What comes of a process after its place was closed commits nothing."""
    outer = scoring(place)
    place.abandon()
    place.abandon()
    host.asked[-1][1].set_result(packed(node.Told("anything")))
    assert place.result(outer) == "anything"
    assert place.result(_failed(scoring(place), host)).is_lost


def _failed(outer, host):
    host.asked[-1][1].set_exception(RuntimeError("gone"))
    return outer


def test_address_that_is_not_tried():
    """Whether a scheduler listens is seen beforehand where that is a matter of TCP."""
    assert connection._reach("ucx://10.0.0.9:1", None) is None


def test_logs_that_can_not_be_fetched(here, monkeypatch, tmp_path, host):  # noqa: F811
    """Logs that a node does not send are said to be missing, and change nothing of the result; no dashboard is fine."""

    class Connection:
        workers = None
        dashboard = ""

        def __init__(self, _settings):
            pass

        def close(self, run, *, is_urgent):
            pass

    monkeypatch.setattr(crew, "Connection", Connection)
    said = []
    asked = settings.checked(script="score.py", input="in", scheduler="tcp://127.0.0.1:1")
    with crew.DaskCrew(asked) as found:
        found.brief(Source(), str(tmp_path), said.append)
        host.is_ready, host.shares_logs = True, False
        host.submit = lambda *_: _broken()
        found._hosts[ADDRESS] = host
    assert said == ["warning: the logs of 10.0.0.9 can't be fetched: OSError: gone"]


class Source:
    mini_batches = 1

    def mini_batch(self, index):
        return FileMiniBatch(index, ["in/a"])


def _broken():
    future = Future()
    future.set_exception(OSError("gone"))
    return future


class Fleeting(pool.Slot):
    """A place whose machine is gone when its process has nothing left to do."""

    is_gone = False

    def submit(self, function, *arguments, seconds=60):
        if function is worker.rest:
            self.is_gone = True
        return super().submit(function, *arguments, seconds=seconds)

    def result(self, future):
        found = super().result(future)
        return Death("its machine is gone", is_lost=True) if self.is_gone else found


def test_process_that_leaves_when_it_is_done(here, monkeypatch):  # noqa: F811
    """A machine that is gone once its process has nothing left to score takes nothing of the run with it."""
    monkeypatch.setattr(pool, "Slot", Fleeting)
    result = simulate("score.py", "in", processes=1, resource_monitor_interval=0)
    assert (result.succeeded, result.exit_code) == (1, 0)


def test_nobody_else_comes():
    """The processes of this machine are there from the start: nobody is waited for."""
    assert not pool.LocalCrew(1).waits()
