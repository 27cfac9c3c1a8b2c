"""The log tree of real runs: what each file says of a run that succeeds, fails, hangs, crashes, or can't write it."""

from __future__ import annotations

import csv
import json
import re
import subprocess

import pytest
from test_logtree import told
from test_simulator import Simulation

from entry_script_helper import guardedcall
from entry_script_helper.simulator.logs import errorlog

NOT_IN_TIME = ("--processes", "1", "--run-invocation-timeout", "1", "--run-max-try", "1", "--mini-batch-size", "1")


@pytest.fixture
def simulation(tmp_path):
    return Simulation(tmp_path)


def log(simulation, name):
    return simulation.path / "logs" / name


def test_a_run_that_succeeds(simulation):
    """A run leaves each of the article's files: each mini-batch picked up and completed once, rows of measurements."""
    simulation.script(
        """
        import os
        def run(mini_batch):
            print("printed for", *map(os.path.basename, mini_batch))
            os.system("echo by a program")
            return mini_batch
        """
    )
    simulation.inputs(*"abcdef")
    printed = simulation.simulate("--processes", "2", "--mini-batch-size", "2")
    assert "printed for" not in printed + simulation.said
    overview = told(log(simulation, "overview.txt"))
    assert overview[0][1].endswith("score.py, 3 mini-batches, 2 processes")
    assert overview[1][1].startswith("created 3 mini-batches, processed 0: ")
    assert ("INFO", f"result: {printed.splitlines()[0]}") in overview
    master = [message for _, message in told(log(simulation, "master.txt"))]
    assert "created 3 mini-batches" in master
    assert sum(" started: process id " in message for message in master) == 2
    assert master[-1] == overview[-1][1]
    workers = [message for name in (1, 2) for _, message in worker(simulation, name)]
    for index in (0, 1, 2):
        first, second = [message for message in workers if f" mini_batch={index} " in message]
        assert first.startswith("picked ")
        assert re.fullmatch(
            r"completed mini_batch=\d try=1 ip=10\.0\.0\.4 pid=\d+ status=succeeded total=2 succeeded=2 "
            r"start1=\d+\.\d{6} end1=\d+\.\d{6} start2=\d+\.\d{6} end2=\d+\.\d{6}",
            second,
        )
    assert sorted(log(simulation, "70_driver_log.txt").read_text().splitlines()) == [
        *["by a program"] * 3,
        *[f"printed for {names}" for names in ("a b", "c d", "e f")],
    ]
    tables = sorted(file.name for file in log(simulation, "performance/10.0.0.4").iterdir())
    assert [re.sub(r"_\d+\.csv", "_<pid>.csv", name) for name in tables] == [
        *["process_resource_monitor_10.0.0.4_<pid>.csv"] * 2,
        "sys_resource_monitor_10.0.0.4.csv",
    ]
    for name in tables:
        with open(log(simulation, f"performance/10.0.0.4/{name}")) as file:
            assert list(csv.DictReader(file))


def worker(simulation, number):
    path = log(simulation, f"worker/10.0.0.4/Process-{number}.txt")
    return told(path) if path.exists() else []


def test_a_run_that_fails(simulation):
    """The overview of a run that failed ends with the error and the files to open, which exist; so does the verdict."""
    simulation.script(
        """
        import logging
        from entry_script_helper import config
        def init():
            config("score", json=True)
        def run(mini_batch):
            logging.getLogger("score").info("called")
            raise ValueError("seven, password=hunter2")
        """
    )
    simulation.inputs("a")
    printed = simulation.simulate("--processes", "1", "--run-max-try", "2", returncode=74)
    *_, error, _, _, last = told(log(simulation, "overview.txt"))
    assert error[1].startswith("result: first error: ValueError: seven, password=[REDACTED] (score.py:8 in run")
    assert last[0] == "ERROR"
    files = last[1].removeprefix("start troubleshooting with ").split(", then ")
    assert [file.removeprefix(f"{simulation.path}/logs/") for file in files] == [
        "user/10.0.0.4/Process-1.jsonl",
        "70_driver_log.txt",
        "worker/10.0.0.4/Process-1.txt",
    ]
    assert printed.partition("\nopen: ")[2].split() == files
    tracebacks = told(log(simulation, "70_driver_log.txt"))
    assert len(tracebacks) == 2
    assert re.fullmatch(
        r"mini-batch 0, try 1, Process-1 \(process id \d+\)\nTraceback .*\n  File .*, in run\n(.*\n)+"
        r"ValueError: seven, password=\[REDACTED\]",
        tracebacks[0][1],
    )
    levels = [
        level for level, message in told(log(simulation, "master.txt")) if message.startswith("mini-batch 0, try")
    ]
    assert levels == ["WARNING", "ERROR"]
    assert [message.partition("error=")[2] for _, message in worker(simulation, 1)[1::2]] == [
        "ValueError: seven, password=[REDACTED]"
    ] * 2


def error_file(simulation):
    (file,) = log(simulation, "user/10.0.0.4").glob("Process-1.*.error.json")
    return json.loads(file.read_text())


def test_the_error_file(simulation):
    """What a script raises is in a file for programs, whether or not the script has @guard."""
    simulation.script("def run(mini_batch):\n    mini_batch.clear()\n    raise ValueError('password=hunter2')\n")
    simulation.inputs("a")
    simulation.simulate("--processes", "1", "--run-max-try", "2", returncode=74)
    found = error_file(simulation)
    assert found["count"] == 2
    assert (found["first"]["retry_count"], found["last"]["retry_count"]) == (0, 1)
    assert (found["first"]["function"], found["first"]["items_in"], found["first"]["minibatch_index"]) == ("run", 1, 0)
    (item,) = found["first"]["items"]
    assert item.endswith("/a")
    assert found["first"]["error"] == "ValueError: password=[REDACTED]"
    assert [frame["name"] for frame in found["first"]["exception"][0]["frames"]] == ["run"]
    assert found["first"]["log_file"] == str(log(simulation, "user/10.0.0.4/Process-1.txt"))


def test_the_error_file_of_a_guarded_script(simulation):
    """An exception that @guard has described is not described again."""
    simulation.script(
        """
        from entry_script_helper import guard
        @guard
        def run(mini_batch):
            raise ValueError("seven")
        @guard
        def shutdown():
            raise ValueError("eight")
        """
    )
    simulation.inputs("a")
    simulation.simulate("--processes", "1", "--run-max-try", "1", returncode=74)
    found = error_file(simulation)
    assert (found["count"], found["first"]["items"]) == (2, [simulation.path_of("a")])


def test_an_error_file_that_can_not_be_made(tmp_path, monkeypatch, capsys):
    """Where an exception can't be described, that is said once, and nothing is raised."""
    monkeypatch.setattr(guardedcall, "describe", lambda *arguments: 1 / 0)
    errorlog.add(ValueError(), "init", str(tmp_path / "log.txt"))
    said = "entry_script_helper: an exception could not be described: division by zero\n"
    assert capsys.readouterr().err == said


def test_the_level_of_the_masters_log(simulation):
    """The master's log has lines of the level that was asked for, or above."""
    simulation.script("def run(mini_batch):\n    raise ValueError('seven')\n")
    simulation.inputs("a")
    simulation.simulate("--processes", "1", "--logging-level", "ERROR", returncode=74)
    assert {level for level, _ in told(log(simulation, "master.txt"))} == {"ERROR"}


def test_a_run_that_hangs(simulation):
    """Of a mini-batch that hung in native code the stacks are in the process's log and in the driver's."""
    simulation.script(
        """
        import ctypes
        def run(mini_batch):
            if mini_batch[0].endswith("b"):
                ctypes.PyDLL(None).pause()
            return mini_batch
        """
    )
    simulation.inputs("a", "b")
    simulation.simulate(*NOT_IN_TIME, returncode=71)
    assert "line 5 in run" in log(simulation, "user/10.0.0.4/Process-1.txt").read_text()
    ((level, message),) = told(log(simulation, "70_driver_log.txt"))
    assert level == "ERROR"
    assert re.match(
        r"the stacks of Process-1 \(process id \d+\), killed because its time was over \(run_invocation_timeout\):\n"
        r"Timeout \(.*\)!\n(.*\n)*  File \".*score.py\", line 5 in run",
        message,
    )
    *_, picked, completed = worker(simulation, 1)
    assert picked[1].startswith("picked mini_batch=1 ")
    assert " status=timeout total=1 succeeded=0 " in completed[1]
    last = told(log(simulation, "overview.txt"))[-1][1]
    assert last.startswith(f"start troubleshooting with {log(simulation, 'user/10.0.0.4/Process-1.txt')}, then ")


def test_a_run_that_crashes(simulation):
    """Of a process that crashed natively the stacks are in the driver's log, and the master says that it ended."""
    simulation.script("import ctypes\ndef run(mini_batch):\n    ctypes.string_at(0)\n")
    simulation.inputs("a")
    simulation.simulate(*NOT_IN_TIME, returncode=74)
    ((_, message),) = told(log(simulation, "70_driver_log.txt"))
    assert "Fatal Python error: Segmentation fault" in message
    assert "line 3 in run" in message
    assert any(
        level == "WARNING" and re.fullmatch(r"Process-1 ended: process id \d+, killed by signal 11 \(.*\)", message)
        for level, message in told(log(simulation, "master.txt"))
    )


def test_an_init_that_fails(simulation):
    """Of an init() that failed the traceback is in the driver's log, and the master says so."""
    simulation.script("def init():\n    raise ValueError('no model')\ndef run(mini_batch):\n    return mini_batch\n")
    simulation.inputs("a")
    simulation.simulate("--processes", "1", "--run-max-try", "1", returncode=72)
    ((_, message),) = told(log(simulation, "70_driver_log.txt"))
    assert message.startswith("ValueError: no model (score.py:2 in init, starting Process-1)\nTraceback ")
    assert any(message.startswith("failed: ValueError: no model") for _, message in told(log(simulation, "master.txt")))


def test_no_place_for_logs(simulation):
    """Where no log can be written, the run goes on and ends as it would."""
    simulation.script("def run(mini_batch):\n    print('printed')\n    return mini_batch\n")
    simulation.inputs("a")
    log(simulation, "").write_text("in the way")
    simulation.simulate("--processes", "1")
    assert simulation.rows == [simulation.path_of("a")]
    assert f"can't write {simulation.path}/logs/overview.txt" in simulation.said


def test_nothing_is_measured(simulation):
    """With an interval of 0 no use of resources is measured."""
    simulation.script("def run(mini_batch):\n    return mini_batch\n")
    simulation.inputs("a")
    simulation.simulate("--processes", "0", "--resource-monitor-interval", "0")
    assert not log(simulation, "performance").exists()
    assert [message.split()[0] for _, message in told(log(simulation, "worker/10.0.0.4/MainProcess.txt"))] == [
        "picked",
        "completed",
    ]


def test_a_guarded_script_that_hangs(simulation):
    """A timeout that the script's own guard was given and the run's share the one timer: the first leaves its stacks."""
    simulation.script(
        """
        import time
        from entry_script_helper import config, guard
        @guard
        def init():
            config("score")
        @guard(timeout=0.3)
        def run(mini_batch):
            time.sleep(100)
        """
    )
    simulation.inputs("a")
    simulation.simulate(*NOT_IN_TIME, returncode=71)
    text = log(simulation, "user/10.0.0.4/Process-1.txt").read_text()
    assert len(re.findall(r"Timeout \(0:00:00\.2\d*\)!\n(?:.*\n)*  File .* line 9 in run\n", text)) == 1
    assert told(log(simulation, "70_driver_log.txt"))[0][1].count("Timeout (") == 1


@pytest.fixture
def full_disk(tmp_path):
    """Return a directory that is a full disk, where this user may have one."""
    path = tmp_path / "small"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(path)], capture_output=True, check=False, timeout=60
    )
    if mounted.returncode:
        pytest.skip("only root may mount a disk")
    (path / "filling").write_bytes(bytes(64 * 1024))
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True, timeout=60)


def test_no_space_for_logs(simulation, full_disk):
    """Where the disk with the logs is full, all mini-batches succeed, also of a script that prints; it is said."""
    simulation.script("def run(mini_batch):\n    print('x' * 1000)\n    return mini_batch\n")
    simulation.inputs(*map(str, range(300)))
    simulation.simulate(
        *("--processes", "2", "--mini-batch-size", "1", "--output", str(simulation.path / "rows.txt")),
        *("--working-dir", str(full_disk)),
    )
    assert len((simulation.path / "rows.txt").read_text().splitlines()) == 300
    assert "[Errno 28] No space left on device; its lines wait until that works" in simulation.said
    assert "Traceback" not in simulation.said
