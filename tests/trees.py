"""Log trees for the reader's tests: one of each era, from lines that were seen in public, and hostile ones.

Each function makes a tree below an empty directory, the run's folder, and returns the directory. What went wrong in
the run of a tree stands in the function's docstring.
"""

from __future__ import annotations

import atexit
import functools
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile

NODE = "10.0.0.4"
USER_FOLDER = f"logs/user/{NODE}"

SCHEDULED = "Scheduling finished. Scheduled {} mini batches in 22 seconds. There are {} tasks with {} items."
NODE_COLUMNS = (
    "Utc Time,Cpu Percent,Memory Total (MB),Memory Available (MB),Memory Used (MB),Memory Used Percent,"
    "Disk Io Read Count,Disk Io Write Count,Disk Io Read (MB),Disk Io Write (MB),Network Sent (MB),"
    "Network Recv (MB),# TCP connections,# UDP connections"
)


def write(folder, files):
    """Write files, given by their paths below *folder*; each one's lines as text, or its bytes."""
    for name, content in files.items():
        path = pathlib.Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content if isinstance(content, bytes) else "".join(f"{line}\n" for line in content).encode()
        path.write_bytes(data)
    return folder


def listed(folder):
    """Return the paths of all files below a directory."""
    folder = pathlib.Path(folder)
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def zipped(folder, archive, *, below="", packing=zipfile.ZIP_DEFLATED):
    """Pack a tree's files, with *below* before their names; return the archive."""
    with zipfile.ZipFile(archive, "w", packing) as file:
        for name in listed(folder):
            file.write(pathlib.Path(folder, name), f"{below}{name}")
    return archive


def article(folder):
    """The article's tree (2019): two workers, 4 mini-batches of 5 items; mini-batch 2 failed for good on Process-2.

    No file body of that time is public; the fields are those that the article names.
    """
    line = "2019-11-20 07:13:{:02},000|{}|{}|{}"
    user = "2019-11-20 07:13:{:02},120|score_file_list|{}|{}|140139021838144|{}()|{}"
    tried = "ip=10.0.0.4 pid={} total=5 succeeded={} start1={} end1={} start2={} end2={}"
    table = "Utc Time,Cpu Percent,Memory Used (MB),Disk Io Read (MB)"
    node = "Utc Time,Cpu Percent,Memory Total (MB),Memory Available (MB),Memory Used Percent"
    return write(
        folder,
        {
            "logs/overview.txt": [
                line.format(1, "INFO", 120, "4 tasks created, 0 processed"),
                line.format(31, "INFO", 120, "4 tasks created, 4 processed"),
                line.format(32, "ERROR", 120, "The job failed: 5 of 20 items failed, the error threshold is 0."),
                line.format(32, "ERROR", 120, "Please check logs/user/10.0.0.4/Process-2.txt first."),
            ],
            "logs/master.txt": [
                line.format(1, "INFO", 120, "Task creation is done: 4 tasks."),
                line.format(20, "INFO", 120, "Progress: 3 of 4 tasks."),
                line.format(32, "ERROR", 120, "The job failed."),
            ],
            "logs/worker/10.0.0.4/Process-1.txt": [
                line.format(5, "INFO", 131, "Picked up mini-batch 0 ip=10.0.0.4 pid=131"),
                line.format(
                    9, "INFO", 131, "Completed mini-batch 0 " + tried.format(131, 5, 1574233985, 1574233989, 0.5, 3.5)
                ),
                line.format(9, "INFO", 131, "Picked up mini-batch 1 ip=10.0.0.4 pid=131"),
                line.format(
                    15, "INFO", 131, "Completed mini-batch 1 " + tried.format(131, 5, 1574233989, 1574233995, 3.5, 8.5)
                ),
            ],
            "logs/worker/10.0.0.4/Process-2.txt": [
                line.format(5, "INFO", 132, "Picked up mini-batch 2 ip=10.0.0.4 pid=132"),
                line.format(
                    7, "INFO", 132, "Completed mini-batch 2 " + tried.format(132, 0, 1574233985, 1574233987, 0.5, 1.5)
                ),
                line.format(7, "INFO", 132, "Picked up mini-batch 3 ip=10.0.0.4 pid=132"),
                line.format(
                    31, "INFO", 132, "Completed mini-batch 3 " + tried.format(132, 5, 1574233987, 1574234011, 1.5, 20.5)
                ),
            ],
            "logs/performance/10.0.0.4/process_resource_monitor_10.0.0.4_131.csv": [
                table,
                "2019-11-20 07:13:05,12.5,210.4,1.0",
                "2019-11-20 07:13:10,99.0,611.0,20.5",
            ],
            "logs/performance/10.0.0.4/process_resource_monitor_10.0.0.4_132.csv": [
                table,
                "2019-11-20 07:13:05,10.5,205.4,1.0",
            ],
            "logs/performance/10.0.0.4/sys_resource_monitor_10.0.0.4.csv": [
                node,
                "2019-11-20 07:13:05,20.5,14336.0,12000.5,16.3",
                "2019-11-20 07:13:10,95.5,14336.0,1000.5,93.0",
            ],
            "logs/user/10.0.0.4/Process-1.txt": [
                user.format(4, "INFO", 131, "init", "init()"),
                user.format(5, "INFO", 131, "run", "score.py, run(['a', 'b', 'c', 'd', 'e'])"),
            ],
            "logs/user/10.0.0.4/Process-2.txt": [
                user.format(4, "INFO", 132, "init", "init()"),
                user.format(5, "INFO", 132, "run", "score.py, run(['k', 'l', 'm', 'n', 'o'])"),
                user.format(7, "ERROR", 132, "run", "failed"),
                "Traceback (most recent call last):",
                '  File "score.py", line 21, in run',
                "    return model.predict(read(path))",
                "ValueError: could not convert string to float: 'n/a'",
                user.format(8, "INFO", 132, "run", "score.py, run(['p', 'q', 'r', 's', 't'])"),
            ],
        },
    )


def year_2020(folder):
    """The tree of 2020: task 16's run() took longer than 90 seconds on Process-1, and failed with it; 276 tasks."""
    line = "2020-04-13 {},649|{}|{}|334|{}"
    stopped = (
        "Stop for run() unable to finish within 90 seconds for "
        '{"agent": "Process-1", "task_id": 16, "dequeue_count": 1, "total": 2, "succeeded": 0, "method": "run"}'
    )
    heading = (
        "Task Id,Dequeue Count,Start Time,Total,Succeeded,Failed,Elapsed Seconds,Process Seconds,"
        "Run Method Seconds,Status,Error"
    )
    return write(
        folder,
        {
            "logs/overview.2020-04-13.txt": [
                "2020-04-13T03:20:32.226929 Start the simulator.",
                SCHEDULED.format(276, 276, 551),
                "2020-04-13T03:21:32.767763 Processed 15 of 276 mini batches in 0:01:00.",
            ],
            "logs/sys/master.txt": [
                line.format("03:20:32", "azureml_sys.master", "INFO", "Start the master."),
                line.format("03:23:07", "azureml_sys.master", "WARNING", "Process-1 on 10.0.0.4 is replaced."),
            ],
            "logs/sys/warning.txt": [
                line.format("03:23:07", "azureml_sys.master", "WARNING", "Process-1 is replaced.")
            ],
            "logs/sys/error.txt": [line.format("03:23:05", "azureml_sys.worker", "ERROR", stopped)],
            "logs/sys/worker/10.0.0.4/Process-1.txt": [
                line.format("03:21:33", "azureml_sys.worker", "INFO", "Picked up task 15."),
                line.format("03:21:35", "azureml_sys.worker", "INFO", "Picked up task 16."),
                line.format("03:23:05", "azureml_sys.worker", "ERROR", stopped),
            ],
            "logs/sys/worker/10.0.0.4/Process-1.task.csv": [
                heading,
                "15,1,2020-04-13 03:21:33.100000,2,2,0,1.5,1.25,1.4,RUN_DONE,",
                "16,1,2020-04-13 03:21:35.100000,2,0,2,90.02,0.5,90.0,RUN_TIMEOUT,run() unable to finish",
            ],
            "logs/user/error.txt": [line.format("03:23:05", "azureml_sys.worker", "ERROR", stopped)],
            "logs/user/error/10.0.0.4/Process-1.txt": [line.format("03:23:05", "azureml_sys.worker", "ERROR", stopped)],
            "logs/user/10.0.0.4/Process-1.stdout.txt": ["loading the model", "b'batch 15'", "b'batch 16'"],
            "logs/user/10.0.0.4/Process-1.txt": [
                "2020-04-13 03:21:33,120|score|INFO|334|139773019682560|run()|two files",
                "2020-04-13 03:21:35,120|score|INFO|334|139773019682560|run()|two files",
            ],
            "azureml-logs/70_driver_log.txt": [
                "bash: /azureml-envs/azureml_1/lib/libtinfo.so.5: no version information available",
                "Starting the daemon thread to refresh tokens in background for process with pid = 120",
                "Traceback (most recent call last):",
                '  File "driver/amlbi_main.py", line 275, in <module>',
                "    main()",
                '  File "driver/amlbi_main.py", line 226, in main',
                "    sys.exit(exitcode_candidate)",
                "SystemExit: 42",
            ],
            "azureml-logs/55_azureml-execution-tvmps_1.txt": ["2020-04-13T03:19:59Z Starting output-watcher..."],
        },
    )


def today(folder):
    """The tree from 2020-09 to today: mini-batch 1 raises on node 0, mini-batch 2 times out on node 1, 0 and 3 succeed.

    process000 of node 0 fails with a KeyError in each of 3 tries; process000 of node 1 takes longer than 90 seconds.
    """
    line = "2023-02-28 11:{},715|{}|255|139773019682560|{}"
    stopped = (
        "Stop for run() unable to finish within 90 seconds for "
        '{"agent": "process000", "task_id": 2, "dequeue_count": 1, "total": 2, "succeeded": 0, "method": "run"}'
    )
    traceback = [
        "Traceback (most recent call last):",
        '  File "/mnt/azureml/cr/j/0123456789abcdef0123456789abcdef/exe/wd/score.py", line 33, in run',
        "    return [lookup[name] for name in mini_batch]",
        "KeyError: 'store_7'",
    ]
    heading = (
        "Mini-batch Id,Picked Count,Process,Process Start Time,Total,Succeeded,Failed,Elapsed Seconds,Process Seconds,"
        "Run Method Seconds,Status,Error Category,Error Message,Mini-batch Detail"
    )
    row = '{},{},process000,2023-02-28 11:10:01.000000,2,{},{},{},1.5,1.25,{},{},{},"{{""files"": [""a"", ""b""]}}"'
    return write(
        folder,
        {
            "logs/job_progress_overview.2023022811.txt": [
                "2023-02-28T11:10:02.226929 Start the simulator.",
                "2023-02-28T11:10:04.285780 The overviewer on 10.0.0.4 started.",
                "2023-02-28T11:10:24.767763 " + SCHEDULED.format(4, 4, 8),
                "2023-02-28T11:10:24.899666 No task has been processed yet.",
                "2023-02-28T11:12:04.233813 Processed 2 of 4 mini batches in 0:02:02. Estimated remaining time 0:02:02.",
                "2023-02-28T11:12:07.031290 The process000 on node 0 failed with error: Traceback (most recent call last):",
                *traceback[1:],
            ],
            "logs/job_result.txt": [
                "2023-02-28T11:14:10.000000 The job failed. 4 of 8 items failed, the error threshold is 0.",
                "Please check logs/user/error.txt and logs/user/stdout/0/process000.stdout.txt.",
            ],
            "logs/job_error.2023022811.txt": [
                "2023-02-28T11:12:07.031290 The process000 on node 0 failed with error: Traceback (most recent call last):",
                *traceback[1:],
            ],
            "logs/sys/master_role.txt": [
                line.format("10:02", "INFO", "Start the master role on node 0."),
                line.format("12:07", "ERROR", "The process000 on node 0 failed."),
            ],
            "logs/sys/node/0/process000.txt": [
                line.format("10:30", "INFO", "Picked up mini-batch 0."),
                line.format("10:32", "INFO", "Picked up mini-batch 1."),
                line.format("10:33", "ERROR", traceback[0]),
                *traceback[1:],
            ],
            "logs/sys/node/1/process000.txt": [
                line.format("10:30", "INFO", "Picked up mini-batch 2."),
                line.format("12:00", "ERROR", stopped),
                line.format("12:01", "ERROR", "stderr: terminate called without an active exception"),
            ],
            "logs/sys/error/1/process000.txt": [line.format("12:00", "ERROR", stopped)],
            "logs/sys/job_report/processed_mini-batches.csv": [
                heading,
                row.format(0, 1, 2, 0, 2.0, "RUN_DONE", "", ""),
                row.format(1, 1, 0, 2, 1.5, "RUN_EXCEPTION", "user", "KeyError: 'store_7'"),
                row.format(1, 2, 0, 2, 1.5, "RUN_EXCEPTION", "user", "KeyError: 'store_7'"),
                row.format(1, 3, 0, 2, 1.5, "RUN_EXCEPTION", "user", "KeyError: 'store_7'"),
                row.format(2, 1, 0, 2, 90.0, "RUN_TIMEOUT", "user", "run() unable to finish within 90 seconds"),
                row.format(3, 1, 2, 0, 2.0, "RUN_DONE", "", ""),
            ],
            "logs/sys/job_report/process_summary.csv": ["Node,Process,Mini-batches", "0,process000,3"],
            "logs/sys/job_report/node_summary.csv": ["Node,Mini-batches", "0,3", "1,1"],
            "logs/sys/perf/0/node_resource_usage.csv": [
                NODE_COLUMNS,
                "2023-02-28 11:10:30,20.5,14336,12000,2336,16.3,10,20,1.5,2.5,3.5,4.5,12,1",
                "2023-02-28 11:11:30,99.5,14336,300,14036,97.9,20,30,2.5,3.5,4.5,5.5,14,1",
            ],
            "logs/user/error.txt": [line.format("10:33", "ERROR", traceback[0]), *traceback[1:]],
            "logs/user/error/0/process000.txt": [line.format("10:33", "ERROR", traceback[0]), *traceback[1:]],
            "logs/user/stdout/0/process000.stdout.txt": ["printed by init()", "printed by run()"],
            "logs/user/stderr/0/process000.stderr.txt": ["UserWarning: a model of an older version"],
            **_azureml_user(),
            **_std_logs(),
        },
    )


def azureml_user(folder):
    """The files alone that scripts write by the cloud's own logger, of two processes; nothing failed."""
    return write(folder, _azureml_user())


def std_logs(folder):
    """What the common runtime keeps of standard output: the job ended with SystemExit: 42, and the cause is not in it."""
    return write(folder, _std_logs())


def _azureml_user():
    line = "2023-02-28 11:10:{},120|EntryScript|INFO|{}|139773019682560|run()|{}"
    return {
        "logs/user/entry_script_log/0/process000.log.txt": [
            line.format("30", 255, "two files"),
            line.format("32", 255, "two files"),
        ],
        "logs/user/entry_script_log/1/process000.log.txt": [line.format("30", 260, "two files")],
        "logs/user/entry_script_log/1/process000_demo_stdout.txt": ["redirected by the script"],
    }


def _std_logs():
    return {
        "user_logs/std_log.txt": [
            "2023/02/28 11:10:01 INFO mlflow.tracking.fluent: Autologging successfully enabled for sklearn.",
            "Starting the daemon thread to refresh tokens in background for process with pid = 120",
            "Traceback (most recent call last):",
            '  File "driver/amlbi_main.py", line 275, in <module>',
            "    main()",
            "SystemExit: 42",
        ],
        "user_logs/std_log_process_1.txt": ["2023-02-28T11:10:02.226929 Start the simulator."],
    }


ERAS = {
    "article": article,
    "year_2020": year_2020,
    "today": today,
    "azureml_user": azureml_user,
    "std_logs": std_logs,
}
"""The functions of all trees that are written from lines; `ours` makes the other two."""

SCORE = """
import logging
import os
import signal
import time

from entry_script_helper import config, guard

logger = logging.getLogger("score")


@guard
def init():
    config("score", level="DEBUG", json=AS_JSON)
    logger.info("loading the model")


@guard(timeout=2)
def run(mini_batch):
    for path in mini_batch:
        name = os.path.basename(path)
        logger.info("scoring %s", name)
        print("printed for", name)
        if name == "02_raises":
            raise ValueError("could not convert string to float: 'n/a'")
        if name == "07_hangs":
            time.sleep(600)
        if name == "11_dies":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02)
    return [path for path in mini_batch if "lost" not in path]
"""


def ours(folder, *, json=False):
    """The tree of a real run of the simulator: two processes, mini-batches of 2 items, each tried twice at most.

    Of 20 items 13 succeed: mini-batch 1 raises, 3 hangs and 5 kills its process, each in both tries; of mini-batch 8
    one item is missing in what run() returns, which is not tried again. Exit code 73.
    """
    shutil.copytree(_simulated(json), folder, dirs_exist_ok=True)
    return folder


@functools.cache
def _simulated(as_json):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="log_tree_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "score.py").write_text(SCORE.replace("AS_JSON", str(as_json)))
    (folder / "in").mkdir()
    special = {2: "raises", 7: "hangs", 11: "dies", 16: "lost"}
    for number in range(20):
        (folder / "in" / f"{number:02}_{special.get(number, 'good')}").write_text("text")
    options = "--processes 2 --mini-batch-size 2 --run-max-try 2 --run-invocation-timeout 3 --error-threshold 6"
    command = [sys.executable, "-m", "entry_script_helper", "run", "score.py", "--input", "in", *options.split()]
    environ = {**os.environ, "AZ_BATCHAI_WORKER_IP": NODE, "ENTRY_SCRIPT_HELPER_WORKING_DIR": str(folder)}
    done = subprocess.run(
        [*command, "--resource-monitor-interval", "0.5"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 73, (done.returncode, done.stdout, done.stderr)
    (folder / "printed.txt").write_text(done.stdout)
    return folder


def line(second, text, level="INFO"):
    """One of our lines of text, of 2026-01-31 10:00 and so many seconds."""
    minutes, seconds = divmod(second, 60)
    return f"2026-01-31 {10 + minutes // 60}:{minutes % 60:02}:{seconds:02},000|score|{level}|4711|140139|run()|{text}"


def truncated(folder):
    """Process-1's last line has no end: the process was killed while the disk was full."""
    return write(folder, {f"{USER_FOLDER}/Process-1.txt": f"{line(1, 'whole')}\n{line(2, 'cut he')}".encode()})


def nul_tail(folder):
    """Process-1's file ends in NULs: the machine lost power, and the file system had room but no data for it."""
    return write(
        folder,
        {f"{USER_FOLDER}/Process-1.txt": f"{line(1, 'first')}\n{line(2, 'last')}\n".encode() + bytes(10_000)},
    )


def mixed_encodings(folder):
    """Lines in UTF-8, Latin-1 and Shift JIS in one file; a file in UTF-16 by a Windows shell; one with a BOM."""
    lines = [
        line(1, "Grüße in UTF-8").encode(),
        line(2, "Grüße in Latin-1").encode("latin-1"),
        line(3, "ログ").encode("shift_jis"),
    ]
    return write(
        folder,
        {
            f"{USER_FOLDER}/Process-1.txt": b"\n".join([*lines, b""]),
            f"{USER_FOLDER}/Process-2.txt": f"{line(1, 'Grüße')}\r\n{line(2, 'zwei')}\r\n".encode("utf-16"),
            f"{USER_FOLDER}/Process-3.txt": b"\xef\xbb\xbf" + f"{line(1, 'Grüße')}\n".encode(),
        },
    )


def clock_jumps(folder):
    """Process-1's clock goes back by an hour between its second and third line; Process-2's is a day ahead."""
    return write(
        folder,
        {
            f"{USER_FOLDER}/Process-1.txt": [line(s, f"{s}") for s in (3600, 3601, 1, 2)],
            f"{USER_FOLDER}/Process-2.txt": [line(3600, "x").replace("01-31", "02-01"), line(3601, "y")],
        },
    )


def terminal_escapes(folder):
    """A message clears the screen, sets the window's title and turns the direction of writing; so does a file's name."""
    evil = "\x1b[2J\x1b]0;owned\x07 \x9b31m \u202e\u2028 end"
    return write(
        folder,
        {
            f"{USER_FOLDER}/Process-1.txt": [line(1, evil)],
            f"{USER_FOLDER}/\x1b[2J\u202e.txt": [line(2, "in a file with a name of its own")],
        },
    )


def looping_links(folder):
    """Links to the folder that they lie in, to each other, to nothing, to `/`, and to a file outside of the tree."""
    write(folder, {f"{USER_FOLDER}/Process-1.txt": [line(1, "one")], "outside.txt": ["not of the tree"]})
    for name, target in {
        "logs/loop": ".",
        "logs/user/up": "../..",
        f"{USER_FOLDER}/a.txt": "b.txt",
        f"{USER_FOLDER}/b.txt": "a.txt",
        f"{USER_FOLDER}/root": "/",
        f"{USER_FOLDER}/nothing.txt": "/nowhere/nothing.txt",
        f"{USER_FOLDER}/outside.txt": str(pathlib.Path(folder, "outside.txt").resolve()),
    }.items():
        pathlib.Path(folder, name).symlink_to(target)
    return folder


def no_files(folder):
    """A FIFO that nobody writes to, and a socket, between the files."""
    write(folder, {f"{USER_FOLDER}/Process-1.txt": [line(1, "one")]})
    os.mkfifo(pathlib.Path(folder, USER_FOLDER, "fifo.txt"))
    os.mknod(pathlib.Path(folder, USER_FOLDER, "socket.txt"), 0o140600)
    return folder


def unreadable(folder):
    """A file and a folder that nobody may read; root may."""
    write(folder, {f"{USER_FOLDER}/Process-{n}.txt": [line(n, "a line")] for n in (1, 2)})
    write(folder, {"logs/user/10.0.0.5/Process-1.txt": [line(1, "a line")]})
    pathlib.Path(folder, USER_FOLDER, "Process-2.txt").chmod(0)
    pathlib.Path(folder, "logs/user/10.0.0.5").chmod(0)
    return folder


def empty_files(folder, count=100_000):
    """So many files without a byte, on a hundred nodes."""
    for node in range(100):
        path = pathlib.Path(folder, f"logs/user/10.0.1.{node}")
        path.mkdir(parents=True)
        for number in range(node, count, 100):
            os.close(os.open(f"{path}/Process-{number}.txt", os.O_CREAT | os.O_WRONLY))
    return folder


def huge_line(folder, size=1 << 30):
    """A line of a gigabyte, which takes no room on the disk (a hole, read as NULs), between two others."""
    path = pathlib.Path(write(folder, {f"{USER_FOLDER}/Process-1.txt": [line(1, "before")]}), USER_FOLDER)
    with open(path / "Process-1.txt", "r+b") as file:
        file.seek(size)
        file.write(f"\n{line(2, 'after')}\n".encode())
    return folder


def zip_bomb(archive, size=1 << 28):
    """An archive with a log, and with another of 256 megabytes of NULs, packed a thousandfold."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"{USER_FOLDER}/Process-1.txt", f"{line(1, 'one')}\n")
        with file.open(f"{USER_FOLDER}/Process-2.txt", "w") as member:
            for _ in range(size >> 20):
                member.write(bytes(1 << 20))
    return archive


def hostile_zip(archive):
    """An archive with a log, and with names that lead out of it, a link, a member that is encrypted, a damaged one."""
    text = f"{line(1, 'one')}\n"
    link = zipfile.ZipInfo(f"{USER_FOLDER}/link.txt")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("Process-1.txt", "encrypted.txt", "damaged.txt", "bzip2.txt"):
            file.writestr(f"{USER_FOLDER}/{name}", text * 100, zipfile.ZIP_BZIP2 if "bzip2" in name else None)
        file.writestr(link, "/etc/passwd")
        for name in (
            "../outside.txt",
            "logs/../../outside.txt",
            "/etc/absolute.txt",
            "C:/drive.txt",
            "..\\windows.txt",
        ):
            file.writestr(name, text)
        start = file.getinfo(f"{USER_FOLDER}/damaged.txt").header_offset
    data = bytearray(pathlib.Path(archive).read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flag "encrypted", in both headers
        position = data.find(b"encrypted.txt", data.find(signature)) if flags == 6 else data.rfind(b"encrypted.txt")
        data[data.rfind(signature, 0, position) + flags] |= 1
    name, extra = struct.unpack_from("<HH", data, start + 26)
    body = start + 30 + name + extra
    data[body : body + 4] = b"\xff\xff\xff\xff"  # no block of deflate begins like this
    pathlib.Path(archive).write_bytes(data)
    return archive
