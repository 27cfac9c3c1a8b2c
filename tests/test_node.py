"""What runs on the nodes of a cluster, piece by piece, in this very process: no Dask is needed."""

from __future__ import annotations

import atexit
import dataclasses
import io
import os
import pickle
import shutil
import signal
import sys
import threading
import time
import zipfile

import pytest
from engine import is_gone, wait_until

from entry_script_helper import UsageError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory with a script and input, for runs from this very process."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "score.py").write_text("def run(mini_batch):\n    return mini_batch\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("a")
    return tmp_path


@pytest.fixture
def directory(tmp_path):
    """A script's folder with what is sent of it, and what is not."""
    for name in ("score.py", "lib/part.py", "lib/model.bin", ".git/config", "__pycache__/score.pyc", "in/a", "out"):
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_text(name)
    return tmp_path / "folder"


def test_sent_folder(directory, tmp_path, monkeypatch):
    """The script's folder is sent without input, hidden files, byte code and results; too large a one is refused."""
    from entry_script_helper.simulator.cluster import project

    archive = project.pack(str(directory), [str(directory / "in"), str(directory / "out")])
    project.unpack(archive, str(tmp_path / "there"))
    found = sorted(
        str(file.relative_to(tmp_path / "there")) for file in (tmp_path / "there").rglob("*") if file.is_file()
    )
    assert found == ["lib/model.bin", "lib/part.py", "score.py"]
    assert project.digest(str(tmp_path / "there")) == project.digest(str(directory)) != ""
    (directory / "lib" / "part.py").write_text("changed")
    assert project.digest(str(tmp_path / "there")) != project.digest(str(directory))
    assert project.digest(str(tmp_path / "nowhere")) == ""
    monkeypatch.setattr(project, "MOST_BYTES", 20)
    with pytest.raises(UsageError, match="holds more than 0 MB, too much to be sent to each node: share it"):
        project.pack(str(directory), [])
    (directory / "lib" / "part.py").unlink()
    monkeypatch.setattr(project.os.path, "getsize", lambda path: os.stat(path + "-"))
    with pytest.raises(UsageError, match="the entry script's folder can't be read: "):
        project.pack(str(directory), [])


@pytest.fixture
def on_node(here, monkeypatch):
    """Give the functions of a node, as the master has them called, and end what they began."""
    from entry_script_helper.simulator import settings
    from entry_script_helper.simulator.cluster import node

    monkeypatch.setattr(node, "_LOOK_UP", 0.05)
    order = node.Order("run", "10.0.0.9", (str(here / "token"),), str(here / "score.py"), "", ("in/a", "in/b"))
    asked = settings.checked(script="score.py", input="in", scheduler="tcp://a:1", resource_monitor_interval=0)

    def do(name, *arguments):
        return pickle.loads(node.do(pickle.dumps((name, arguments))))

    do.order, do.settings, do.module = order, asked, node
    yield do
    do("end", "run")
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name == "look-after-masters"])


def place(generation=0, name="Process-1"):
    from entry_script_helper.simulator.cluster import node

    return node.Place("run", name, 1, generation)


def test_node(on_node, here):
    """A node tells what it sees; a task that Dask runs twice is done once; a process that is no more is lost."""
    from entry_script_helper.simulator import worker
    from entry_script_helper.simulator.minibatches import FileMiniBatch

    (here / "token").write_text("run")
    sight = on_node("look", on_node.order)
    assert (sight.node, sight.sees, sight.has_script, sight.unseen) == ("10.0.0.9", (True,), False, "in/b")
    assert on_node("look", on_node.order) == sight
    told = on_node("arrive", place(), on_node.settings, str(here / "journals"), False)
    assert told.value.process == "Process-1"
    pid = told.value.pid
    assert on_node("arrive", place(), on_node.settings, str(here / "journals"), False).value.pid == pid
    assert on_node("call", place(), 1, worker.start, (), 60).value == worker.Started(has_shutdown=False)
    score = ("call", place(), 2, worker.score_chunk, ([(FileMiniBatch(0, ["in/a"]), 1)], 1.0), 60)
    first = on_node(*score)
    assert [(attempt.status, rows) for attempt, rows in first.ended] == [("succeeded", b"in/a\n")]
    assert on_node(*score) == first
    on_node("beat", "run")
    on_node("beat", "another")
    assert on_node("call", place(1), 3, worker.rest, (), 60).value.is_lost
    again = on_node("arrive", place(1), on_node.settings, str(here / "journals"), False)
    assert is_gone(pid)
    on_node("leave", place(1))
    wait_until(lambda: is_gone(again.value.pid))
    on_node("leave", place(1))
    assert not os.listdir(here / "journals")
    on_node("end", "run")
    assert not os.path.exists(sight.directory)
    assert on_node("arrive", place(2), on_node.settings, "", False).value.is_lost
    assert zipfile.ZipFile(io.BytesIO(on_node("logs", "run"))).namelist() == []


def test_logs_of_a_node(on_node, here):
    """A node that shares nothing has the script's folder and its logs in a directory of the run, and sends the logs."""
    from entry_script_helper.simulator import worker
    from entry_script_helper.simulator.cluster import project

    sight = on_node("look", on_node.order)
    on_node("install", "run", project.pack(str(here), [str(here / "in")]))
    assert os.listdir(os.path.join(sight.directory, "project")) == ["score.py"]
    settings = dataclasses.replace(on_node.settings, working_dir=sight.directory, resource_monitor_interval=0.1)
    on_node("arrive", place(), settings, os.path.join(sight.directory, "journals"), True)
    on_node("arrive", place(name="Process-2"), settings, os.path.join(sight.directory, "journals"), False)
    assert on_node("call", place(), 1, worker.start, (), 60).value == worker.Started(has_shutdown=False)
    names = zipfile.ZipFile(io.BytesIO(on_node("logs", "run"))).namelist()
    assert {name.rpartition("_")[0] for name in names if name.startswith("performance/10.0.0.9/")} == {
        "performance/10.0.0.9/process_resource_monitor_10.0.0.9",
        "performance/10.0.0.9/sys_resource_monitor",
    }
    assert "70_driver_log_10.0.0.9.txt" in names


def test_two_runs_at_a_node(on_node):
    """A node may be looked at for several runs at a time; one without a process has no logs, and leaves nothing."""
    first = on_node("look", on_node.order)
    second = on_node("look", dataclasses.replace(on_node.order, run="another"))
    assert first.directory != second.directory
    assert zipfile.ZipFile(io.BytesIO(on_node("logs", "another"))).namelist() == []
    on_node("end", "another")
    assert os.path.exists(first.directory)
    assert not os.path.exists(second.directory)


def test_process_that_can_not_arrive(on_node, here):
    """A process that can't become a worker says why."""
    on_node("look", on_node.order)
    settings = dataclasses.replace(on_node.settings, environment_variables=(("AZ_BATCHAI_JOB_TEMP", "/dev/null/x"),))
    told = on_node("arrive", place(), settings, str(here / "journals"), False)
    assert told.value.bad_input
    assert told.value.error.startswith("the temp directory /dev/null/x/azureml-bi/")


def test_forgotten_node(on_node, here, monkeypatch):
    """A node that has no word of the master for too long ends all that it has of the run."""
    from entry_script_helper.simulator import worker

    sight = on_node("look", on_node.order)
    told = on_node("arrive", place(), on_node.settings, str(here / "journals"), False)
    assert not on_node.module._runs["run"].is_forgotten()
    monkeypatch.setattr(on_node.module, "LEASE", -1.0)
    wait_until(lambda: is_gone(told.value.pid))
    wait_until(lambda: not os.path.exists(sight.directory))
    assert on_node("call", place(), 1, worker.start, (), 60).value.is_lost


def test_busy_process_is_not_forgotten(on_node, here, monkeypatch):
    """A process that is at work is not ended, however long that takes."""
    (here / "score.py").write_text("import time\ndef init():\n    time.sleep(1)\ndef run(mini_batch):\n    return []\n")
    from entry_script_helper.simulator import worker

    on_node("look", on_node.order)
    on_node("arrive", place(), on_node.settings, str(here / "journals"), False)
    results = []
    thread = threading.Thread(target=lambda: results.append(on_node("call", place(), 1, worker.start, (), 60).value))
    thread.start()
    wait_until(lambda: on_node.module._runs["run"].processes["Process-1"].is_busy)
    with monkeypatch.context() as patch:
        patch.setattr(on_node.module, "LEASE", -1.0)
        assert not on_node.module._runs["run"].is_forgotten()
    thread.join(60)
    assert results == [worker.Started(has_shutdown=False)]


def test_death_on_a_node(on_node, here):
    """Of a process that died, its node tells what it had ended, with the rows, and what it was at."""
    from entry_script_helper.simulator import worker
    from entry_script_helper.simulator.minibatches import FileMiniBatch

    (here / "score.py").write_text(
        "import os\ndef run(mini_batch):\n"
        "    if mini_batch == ['c']: os._exit(3)\n"
        "    return mini_batch if mini_batch == ['a'] else 1\n"
    )
    on_node("look", on_node.order)
    on_node("arrive", place(), on_node.settings, str(here / "journals"), False)
    on_node("call", place(), 1, worker.start, (), 60)
    tries = [(FileMiniBatch(number, [name]), 1) for number, name in enumerate("abc")]
    told = on_node("call", place(), 2, worker.score_chunk, (tries, 10.0), 60)
    assert (told.value.reason, told.value.is_lost) == ("exit code 3", False)
    assert [(attempt.index, attempt.status, rows) for attempt, rows in told.ended] == [
        (0, "succeeded", b"a\n"),
        (1, "failed", b""),
    ]
    assert told.culprit.index == 2
    shutil.rmtree(here / "journals")
    assert on_node("call", place(), 3, worker.rest, (), 60).culprit is None


def test_address_of_a_node(monkeypatch):
    """A node's address is what its variable says, or the Dask worker's; on loopback, the machine's own."""
    from entry_script_helper import where
    from entry_script_helper.simulator.cluster import node

    assert node._node("10.0.0.9") == "10.0.0.9"
    assert node._node("127.0.0.1") == node._node("localhost") == where().node.value
    assert node._node("node-7") == "node-7"
    monkeypatch.setenv("AZ_BATCHAI_WORKER_IP", "10.0.0.4")
    assert node._node("10.0.0.9") == "10.0.0.4"


class Ended:
    """What a process beside a Dask worker is asked to do that it can't report."""

    def __reduce__(self):
        return (type(self), (1 / 0,))


def unreportable():
    return Ended()


def raising():
    raise MemoryError("none left")


def closing(descriptor):
    os.close(descriptor)
    import time

    time.sleep(1000)


def leaving_a_child():
    os.setpgid(0, 0)  # as a worker process does
    if not os.fork():
        time.sleep(1000)
    os._exit(5)


def test_child(monkeypatch):
    """A process that can't report, closes its pipe or is slow to leave is ended, and its death says why."""
    from entry_script_helper.simulator.cluster import child

    monkeypatch.setattr(child, "_FAREWELL", 0.2)
    monkeypatch.setattr(sys, "path", [os.path.dirname(__file__), *sys.path])
    for function, reason in ((raising, "it could not report what it did: MemoryError: none left"),):
        process = child.Child("Process-1", 1, {})
        assert process.call(max, 1, 2, seconds=60) == 2
        assert process.call(function, seconds=60).reason == reason
        assert process.call(max, 1, 2, seconds=60).reason.startswith("killed by signal 9")
    process = child.Child("Process-1", 1, {})
    theirs = [int(name) for name in os.listdir(f"/proc/{process._process.pid}/fd") if int(name) > 2]
    assert process.call(closing, theirs[-1], seconds=60).reason.startswith("killed by signal 9")
    process = child.Child("Process-1", 1, {})
    assert process.call(leaving_a_child, seconds=60).reason == "exit code 5"
    assert child._called(raising, ()).reason == "it could not report what it did: MemoryError: none left"
    process = child.Child("Process-1", 1, {})
    assert process.call(time.sleep, 100, seconds=0.2).is_overdue
    process = child.Child("Process-1", 1, {})
    process.call(atexit.register, time.sleep, 100, seconds=60)
    process.leave()
    assert process._process.returncode == -signal.SIGKILL
