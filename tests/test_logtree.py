"""The log tree that the simulator's master and workers write: overview, master, worker, performance, driver's log."""

from __future__ import annotations

import csv
import dataclasses
import gc
import os
import re
import signal
import subprocess
import sys
import time
import tracemalloc

import psutil
import pytest

from entry_script_helper import machine
from entry_script_helper.errors import MissingExtraError
from entry_script_helper.simulator.attempt import Attempt
from entry_script_helper.simulator.failures import Failure
from entry_script_helper.simulator.logs import driverlog, lines, masterlog, monitor, overview, runlogs, tree, workerlog
from entry_script_helper.simulator.settings import Settings

LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\|([A-Z]+)\|(\d+)\|(.*)")
SECRET = Failure("ValueError: password=hunter2\nsecond", "score.py:3 in run", "Traceback\n  password=hunter2\n")
GOOD = Attempt(7, 1, "Process-1", 4711, "succeeded", 10, 9, 1769853600.5, 1769853601.75, 0.25, 0.5)
BAD = dataclasses.replace(GOOD, status="failed", succeeded=0, failure=SECRET)

LOGS = """
from entry_script_helper.simulator.logs import driverlog, lines, masterlog, monitor, overview, tree, workerlog
from entry_script_helper.simulator.attempt import Attempt
import ctypes, resource, signal, subprocess, time
files = tree.tree(os.getcwd())
"""


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setenv("AZ_BATCHAI_WORKER_IP", "10.0.0.4")
    return tree.tree(str(tmp_path))


def told(path):
    """Return (level, message) of each line of a file; every line must be whole."""
    found = []
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("\t"):
            found[-1] = (found[-1][0], f"{found[-1][1]}\n{line[1:]}")
        else:
            found.append(LINE.fullmatch(line).group(2, 4))
    return found


class Clock:
    """Time that passes as a test wants it to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_the_tree_has_the_articles_names(files, tmp_path):
    """The files are where the article has them."""
    logs = f"{tmp_path}/logs"
    assert [files.overview, files.master, files.driver] == [
        f"{logs}/overview.txt",
        f"{logs}/master.txt",
        f"{logs}/70_driver_log.txt",
    ]
    assert files.worker("Process-1") == f"{logs}/worker/10.0.0.4/Process-1.txt"
    assert files.user("Process-1") == f"{logs}/user/10.0.0.4/Process-1.txt"
    assert files.process_monitor(4711) == f"{logs}/performance/10.0.0.4/process_resource_monitor_10.0.0.4_4711.csv"
    assert files.node_monitor() == f"{logs}/performance/10.0.0.4/sys_resource_monitor_10.0.0.4.csv"
    assert "/../" not in files.worker("../../etc")


def test_a_mini_batch_in_the_worker_log(files):
    """Each mini-batch is a line when it is picked up and one when it is completed, with all that the article names."""
    log = workerlog.WorkerLog(files, "Process-1")
    log.picked(7, 1, 4711, 10, 1769853600.5, 0.25)
    log.completed(GOOD)
    log.completed(BAD)
    log.close()
    assert told(files.worker("Process-1")) == [
        ("INFO", "picked mini_batch=7 try=1 ip=10.0.0.4 pid=4711 total=10 start1=1769853600.500000 start2=0.250000"),
        (
            "INFO",
            (
                "completed mini_batch=7 try=1 ip=10.0.0.4 pid=4711 status=succeeded total=10 succeeded=9 "
                "start1=1769853600.500000 end1=1769853601.750000 start2=0.250000 end2=0.500000"
            ),
        ),
        (
            "INFO",
            (
                "completed mini_batch=7 try=1 ip=10.0.0.4 pid=4711 status=failed total=10 succeeded=0 "
                "start1=1769853600.500000 end1=1769853601.750000 start2=0.250000 end2=0.500000 "
                "error=ValueError: password=[REDACTED] second"
            ),
        ),
    ]


def test_a_killed_worker_has_said_what_it_was_at(workplace):
    """The line of a mini-batch that was picked up is there though the process is killed the next moment."""
    workplace.run(
        LOGS,
        "workerlog.WorkerLog(files, 'Process-1').picked(3, 2, os.getpid(), 5, 1.0, 0.5)",
        "os.kill(os.getpid(), signal.SIGKILL)",
        returncode=-signal.SIGKILL,
    )
    ((_, message),) = told(workplace.path / "logs" / "worker" / "10.0.0.4" / "Process-1.txt")
    assert message.startswith("picked mini_batch=3 try=2 ")


def test_two_processes_of_one_name(workplace, files):
    """A worker log that another live process holds is left to it; a forked child does not keep it from the next."""
    held = workerlog.WorkerLog(files, "Process-1")
    held.picked(1, 1, 1, 1, 1.0, 0.5)
    workplace.run(
        LOGS,
        """
        log = workerlog.WorkerLog(files, "Process-1")
        log.picked(2, 1, 2, 1, 1.0, 0.5)
        if os.fork() == 0:
            log.picked(3, 1, 2, 1, 1.0, 0.5)
            os._exit(0)
        os.wait()
        """,
    )
    held.close()
    folder = workplace.path / "logs" / "worker" / "10.0.0.4"
    assert sorted(text.read_text().count("picked") for text in folder.iterdir()) == [1, 1, 1]


def test_a_full_disk(workplace):
    """Where the disk is full, nothing raises; that is said once, and the lines are written when it works again."""
    workplace.run(
        LOGS,
        """
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        log = workerlog.WorkerLog(files, "Process-1")
        table = monitor._Table(files.node_monitor(), ("Utc Time", "a"))
        log.picked(1, 1, 1, 1, 1.0, 0.5)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, resource.RLIM_INFINITY))
        for index in (2, 3):
            log.picked(index, 1, 1, 1, 1.0, 0.5)
            table.add([index])
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        log.picked(4, 1, 1, 1, 1.0, 0.5)
        table.add([4])
        """,
        stderr=None,
    )
    assert workplace.said.count("\n") == 2
    assert workplace.said.startswith(
        f"entry_script_helper: can't write {workplace.path}/logs/worker/10.0.0.4/Process-1.txt: "
    )
    logs = workplace.path / "logs"
    messages = [message for _, message in told(logs / "worker" / "10.0.0.4" / "Process-1.txt")]
    assert [message.split()[1] for message in messages] == [f"mini_batch={index}" for index in (1, 2, 3, 4)]
    with open(logs / "performance" / "10.0.0.4" / "sys_resource_monitor_10.0.0.4.csv") as file:
        assert [row["a"] for row in csv.DictReader(file)] == ["2", "3", "4"]


def test_too_many_lines_wait(files):
    """Of lines that can't be kept the number is told, in the file's own format."""
    assert (
        LINE.fullmatch(lines._report("7 records were dropped here")[:-1].decode()).group(4)
        == "7 records were dropped here"
    )


def test_no_line_can_be_forged(files):
    """Text from outside can't make a line of its own."""
    file = lines.LineFile(files.master)
    file.write("first\n2026-01-31 10:00:00,000|INFO|1|forged\r\x1b[31m")
    assert file.path == files.master
    file.close()
    assert told(files.master) == [("INFO", "first\n2026-01-31 10:00:00,000|INFO|1|forged\\r\\x1b[31m")]


def test_the_overview_is_a_summary(files):
    """The overview tells how many mini-batches there are and how many are processed; a million are some lines."""
    clock = Clock()
    log = overview.Overview(files.overview, 1_000_000, clock)
    log.begin("score.py")
    log.resume(10)
    for index in range(20_000):
        clock.now += 0.0002 * 50
        log.add(dataclasses.replace(GOOD, index=index, number=2), is_last=index % 50 > 0)
        log.add(BAD, is_last=index % 50 == 0)
        log.tick()
    log.end(["succeeded: all", "logs: here"], is_good=True, to_open=["not to be opened"])
    messages = told(log.path)
    assert messages[0] == ("INFO", "run begins: score.py")
    assert messages[1] == ("INFO", "created 1000000 mini-batches, processed 0: 0 succeeded, 0 failed; 0:00:00 passed")
    assert re.fullmatch(
        r"created 1000000 mini-batches, processed \d+: \d+ succeeded, \d+ failed, \d+ tried again, "
        r"10 of them in an earlier run; 0:00:01 passed, about 2:\d\d:\d\d left",
        messages[2][1],
    )
    assert messages[-3][1].startswith(
        "created 1000000 mini-batches, processed 20010: 19610 succeeded, 400 failed, 20000 tried again, "
    )
    assert messages[-2:] == [("INFO", "result: succeeded: all"), ("INFO", "result: logs: here")]
    assert 20 < len(messages) < 100


def test_the_overview_of_a_failed_run(files):
    """The overview of a run that failed ends with the result, the error and where to start looking."""
    log = overview.Overview(files.overview, 2)
    log.end(["FAILED: 0 of 2", "first error: password=hunter2"], is_good=False, to_open=["/a.txt", "/b.txt"])
    assert told(log.path)[1:] == [
        ("ERROR", "result: FAILED: 0 of 2"),
        ("ERROR", "result: first error: password=[REDACTED]"),
        ("ERROR", "start troubleshooting with /a.txt, then /b.txt"),
    ]


def test_the_masters_view(files):
    """The master's log tells what was created, which processes come and go, what is tried again, and the result."""
    clock = Clock()
    log = masterlog.MasterLog(files.master, 5, 3, clock=clock)
    log.begin(["settings"])
    log.resume(0)
    log.resume(2)
    log.arrived("Process-1", 4711)
    log.add(GOOD, is_last=True)
    log.add(BAD, is_last=False)
    log.add(dataclasses.replace(BAD, number=2, status="died", failure=None), is_last=True)
    log.gone("Process-1", 4711, "killed by signal 9 (Killed)")
    log.fail(SECRET)
    log.say("stopped")
    clock.now += 5
    log.tick()
    log.tick()
    log.end(["FAILED"], is_good=False)
    assert told(files.master) == [
        ("INFO", "settings"),
        ("INFO", "created 5 mini-batches"),
        ("INFO", "2 mini-batches had succeeded in an earlier run"),
        ("INFO", "Process-1 started: process id 4711"),
        (
            "WARNING",
            (
                "mini-batch 7, try 1 of 3: failed in Process-1 (process id 4711) after 1.250 s, tried again: "
                "ValueError: password=[REDACTED]\nsecond (score.py:3 in run)"
            ),
        ),
        (
            "ERROR",
            "mini-batch 7, try 2 of 3: died in Process-1 (process id 4711) after 1.250 s, given up: no reason is known",
        ),
        ("WARNING", "Process-1 ended: process id 4711, killed by signal 9 (Killed)"),
        ("ERROR", "failed: ValueError: password=[REDACTED]\nsecond (score.py:3 in run)"),
        ("INFO", "stopped"),
        (
            "INFO",
            (
                "created 5 mini-batches, processed 4: 3 succeeded, 1 failed, 1 tried again, 2 of them in an earlier run; "
                "0:00:05 passed, about 0:00:02 left"
            ),
        ),
        (
            "INFO",
            (
                "created 5 mini-batches, processed 4: 3 succeeded, 1 failed, 1 tried again, 2 of them in an earlier run; "
                "0:00:05 passed, about 0:00:02 left"
            ),
        ),
        ("ERROR", "result: FAILED"),
    ]


def test_the_masters_view_is_bounded(files):
    """Of a million failures the first thousand have a line each, and the number of all others is told."""
    log = masterlog.MasterLog(files.master, 5000, 1)
    for index in range(5000):
        log.add(dataclasses.replace(BAD, index=index), is_last=True)
    log.end(["FAILED"], is_good=False)
    messages = told(files.master)
    assert len(messages) == masterlog.MOST_EVENTS + 2
    assert messages[-2][1].endswith("; 4000 events are not told")


def test_everything_printed(workplace):
    """What Python, C code and subprocesses print, on both streams, is in the driver's log, a line at once."""
    printed = workplace.run(
        LOGS,
        r"""
        print("before", flush=True)
        assert driverlog.redirect(files.driver)
        print("by Python")
        print("to stderr", file=sys.stderr)
        print("\u68c5 \udc80", file=sys.__stdout__)
        os.system("echo by a subprocess; echo on stderr 1>&2")
        libc = ctypes.CDLL(None)
        libc.puts(b"by C code")
        libc.fflush(None)
        print("last line")
        print("lost: no line", end="")
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        returncode=-signal.SIGKILL,
    )
    assert printed == "before\n"
    assert (workplace.path / "logs" / "70_driver_log.txt").read_text().splitlines() == [
        "by Python",
        "to stderr",
        "\u68c5 \\udc80",
        "by a subprocess",
        "on stderr",
        "by C code",
        "last line",
    ]


def test_prints_on_a_full_disk(workplace):
    """A print that can't be kept does not fail the script, and does not keep it from ending well."""
    workplace.run(
        LOGS,
        """
        driverlog.redirect(files.driver)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        print("kept")
        resource.setrlimit(resource.RLIMIT_FSIZE, (5, resource.RLIM_INFINITY))
        for _ in range(10):
            print("x" * 100_000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print("kept too")
        """,
    )
    assert (workplace.path / "logs" / "70_driver_log.txt").read_text() == "kept\nkept too\n"


def test_prints_without_a_driver_log(workplace):
    """Where the driver's log can't be opened, what is printed stays where it was; closed streams are no hindrance."""
    (workplace.path / "logs").mkdir()
    (workplace.path / "logs" / "70_driver_log.txt").mkdir()
    printed = workplace.run(LOGS, "assert not driverlog.redirect(files.driver)\nprint('here')", stderr=None)
    assert printed == "here\n"
    assert "70_driver_log.txt: [Errno 21]" in workplace.said
    assert workplace.said.endswith("what is printed stays where it was\n")
    (workplace.path / "logs" / "70_driver_log.txt").rmdir()
    workplace.run(LOGS, "sys.stdout.close()\nsys.stdout = None\ndriverlog.redirect(files.driver)\nprint('there')")
    assert (workplace.path / "logs" / "70_driver_log.txt").read_text() == "there\n"


def test_tracebacks_and_stacks_in_the_driver_log(workplace, files):
    """The driver's log has the tracebacks of what failed, and the last stacks of a process that is gone, of its own."""
    workplace.run(
        LOGS,
        """
        import faulthandler
        log = open("own.txt", "w")
        for text in ("earlier", "own"):
            print(text, file=log, flush=True)
            faulthandler.dump_traceback_later(0.01, file=log)
            time.sleep(0.3)
        print("2026-01-31 10:00:00,000|a record", file=log, flush=True)
        """,
    )
    own = str(workplace.path / "own.txt")
    log = driverlog.DriverLog(files.driver)
    log.traceback("mini-batch 7:", SECRET.traceback)
    assert log.stacks("Process-1:", own)
    assert not log.stacks("Process-1:", own, os.path.getsize(own))
    assert not log.stacks("Process-1:", str(workplace.path / "missing.txt"))
    log.close()
    (_, traceback), (level, stacks) = told(files.driver)
    assert traceback == "mini-batch 7:\nTraceback\n  password=[REDACTED]"
    assert level == "ERROR"
    assert re.fullmatch(r'Process-1:\nTimeout \(.*\)!\nThread .*\n  File ".*", line \d+ in <module>', stacks)


def wait_until(condition):
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise TimeoutError


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_the_resource_monitor(files):
    """Node and worker process have a row for each measurement; a process that vanished keeps its rows."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    watch = monitor.Monitor(files, 0.02)
    watch.start()
    watch.watch(process.pid)
    watch.watch(2**22 + 1)  # beyond the highest process id
    path = files.process_monitor(process.pid)
    wait_until(lambda: len(rows(path)) >= 3)
    process.kill()
    wait_until(lambda: not watch._processes)  # it is a zombie by now
    process.communicate()
    watch.watch(os.getpid())
    watch.stop()
    watch.stop()
    first, second, *_ = rows(path)
    assert tuple(first) == monitor.PROCESS_COLUMNS
    assert (first["Cpu Percent"], float(second["Cpu Percent"]) >= 0) == ("", True)
    assert float(second["Memory Used (MB)"]) > 1
    assert int(second["# Threads"]) == 1
    for row in rows(files.node_monitor()):
        assert tuple(row) == monitor.NODE_COLUMNS
        assert float(row["Memory Total (MB)"]) > float(row["Memory Used (MB)"]) > 0
        assert int(row["# TCP connections"]) >= 0
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", row["Utc Time"])
    assert len(rows(files.process_monitor(os.getpid()))) == 2


def test_the_monitors_memory_is_flat(files):
    """However often it measures, and however many processes come and go, the monitor needs no more memory."""
    watch = monitor.Monitor(files, 60)

    def measure(times):
        for _ in range(times):
            watch._measure()
            child = subprocess.Popen(["true"])
            watch.watch(child.pid)
            child.wait()
        watch._measure()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = measure(50)
        assert measure(200) - before < 50_000
    finally:
        tracemalloc.stop()
    assert not watch._processes


def test_a_second_run_goes_on_with_the_table(files):
    """A table that is there already is gone on with, without a second heading."""
    for _ in range(2):
        watch = monitor.Monitor(files, 60)
        watch.start()
        watch.stop()
    assert len(rows(files.node_monitor())) == 4


def test_no_monitor(files, monkeypatch):
    """With an interval of 0 nothing is measured, and psutil is not needed; else it is asked for by name."""
    monkeypatch.setitem(sys.modules, "psutil", None)
    watch = monitor.Monitor(files, 0)
    watch.start()
    watch.watch(os.getpid())
    watch.stop()
    assert not os.path.exists(os.path.dirname(files.node_monitor()))
    with pytest.raises(MissingExtraError, match=r"needs psutil.*entry-script-helper\[simulator\]"):
        monitor.Monitor(files, 5)


def test_counters_that_are_not_there(files, monkeypatch):
    """What a system does not count, or not for us, is an empty field."""

    def denied(*args, **kwargs):
        raise psutil.AccessDenied

    for name in ("virtual_memory", "cpu_percent"):
        monkeypatch.setattr(psutil, name, denied)
    monkeypatch.setattr(psutil, "disk_io_counters", lambda: None)
    monkeypatch.delattr(psutil, "net_io_counters")
    for name in ("io_counters", "num_fds", "children", "memory_percent"):
        monkeypatch.setattr(psutil.Process, name, denied)
    watch = monitor.Monitor(files, 60)
    watch.start()
    watch.watch(os.getpid())
    watch.stop()
    row = rows(files.node_monitor())[-1]
    assert {name for name, value in row.items() if value} == {"Utc Time", "# TCP connections", "# UDP connections"}
    assert not watch._processes
    row = rows(files.process_monitor(os.getpid()))[-1]
    assert {name for name, value in row.items() if not value} == {
        "Memory Used Percent",
        "Disk Io Read Count",
        "Disk Io Write Count",
        "Disk Io Read (MB)",
        "Disk Io Write (MB)",
        "# Open files",
        "# Child processes",
    }


def test_a_process_that_vanishes_meanwhile(files, monkeypatch):
    """A process that ends while it is measured is gone, and nothing else."""

    def gone(self):
        raise psutil.NoSuchProcess(self.pid)

    watch = monitor._Process(files, os.getpid())
    monkeypatch.setattr(psutil.Process, "num_threads", gone)
    assert not watch.measure()
    monkeypatch.undo()
    monkeypatch.setattr(psutil.Process, "is_running", lambda self: False)
    assert not watch.measure()
    watch.close()


def test_a_monitor_that_fails(files, monkeypatch, capsys):
    """Where measuring itself fails, that is said once, and the run goes on."""
    monkeypatch.setattr(monitor, "_node_values", lambda: 1 / 0)
    watch = monitor.Monitor(files, 0.001)
    watch.start()
    time.sleep(0.05)
    watch.stop()
    said = "entry_script_helper: the use of resources can't be measured: division by zero\n"
    assert capsys.readouterr().err == said


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("AZ_BATCHAI_WORKER_IP", "10.0.0.4")
    machine.remember_first_directory(str(tmp_path))
    values = {"script": "/score.py", "working_dir": str(tmp_path), "processes": 2, "resource_monitor_interval": 0.0}
    known = {field.name for field in dataclasses.fields(Settings)}
    needed = {
        field.name: ()
        for field in dataclasses.fields(Settings)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    return Settings(**{**needed, **{name: value for name, value in values.items() if name in known}})


def test_the_run_logs(settings, files, tmp_path):
    """What the master tells of a run is in each of its files, and the files to open are those that hold something."""
    own = tmp_path / "logs" / "user" / "10.0.0.4" / "Process-1.txt"
    own.parent.mkdir(parents=True)
    with runlogs.RunLogs(settings, 5) as logs:
        assert logs.to_open() == (files.master,)
        logs.resume(1)
        logs.say("a note")
        logs.arrived("Process-1", 4711, str(own))
        logs.add(GOOD, is_last=True)
        own.write_text('Timeout (0:00:55)!\nThread 0x1 (most recent call first):\n  File "score.py", line 3 in run\n')
        logs.gone("Process-1", 4711, "its time was over")
        logs.gone("Process-2", 4712, "it never arrived")
        logs.add(dataclasses.replace(BAD, status="timeout"), is_last=False)
        logs.fail(SECRET)
        logs.fail(Failure("without a traceback"))
        logs.tick()
        logs.end(["FAILED"], is_good=False)
    wanted = (str(own), files.driver, files.worker("Process-1"), files.master)
    assert logs.to_open()[:3] == wanted[:3]
    assert told(files.overview)[-1] == (
        "ERROR",
        f"start troubleshooting with {own}, then {files.driver}, then {files.worker('Process-1')}",
    )
    headlines = [message.split("\n")[0] for _, message in told(files.driver)]
    assert headlines == [
        "the stacks of Process-1 (process id 4711), its time was over:",
        "mini-batch 7, try 1, Process-1 (process id 4711)",
        "ValueError: password=[REDACTED]",
    ]
    ((_, message),) = told(files.worker("Process-1"))
    assert " status=timeout " in message
    assert ("INFO", "a note") in told(files.master)


@pytest.mark.parametrize(
    ("error", "text"),
    [(KeyboardInterrupt("stopped by Ctrl-C"), "stopped by Ctrl-C"), (OSError("no space"), "OSError: no space")],
)
def test_a_run_that_is_stopped(settings, files, error, text):
    """A run that ends by an exception has that as its result."""
    with pytest.raises(type(error)), runlogs.RunLogs(settings, 5):
        raise error
    for path in (files.overview, files.master):
        assert ("ERROR", f"result: FAILED: {text}") in told(path)


def test_the_driver_log_is_bounded(settings, files, monkeypatch):
    """Of a million tracebacks the first thousand are kept."""
    monkeypatch.setattr(runlogs, "MOST_EVENTS", 3)
    with runlogs.RunLogs(settings, 5) as logs:
        for _ in range(5):
            logs.fail(SECRET)
        logs.arrived("Process-1", 1, files.master)
        logs.gone("Process-1", 1, "killed")
    assert len(told(files.driver)) == 3
