"""What `entry-script-helper run` shows: the bar and the failures on a terminal, lines elsewhere, the verdict, JSON."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios

import pytest
from test_simulator import COMMAND, FAILS_ON_B, Simulation

from entry_script_helper.simulator import progress, result, shown
from entry_script_helper.simulator.attempt import Attempt
from entry_script_helper.simulator.failures import Failure

GOOD = "def run(mini_batch):\n    print('printed by run')\n    return mini_batch\n"


@pytest.fixture
def simulation(tmp_path):
    return Simulation(tmp_path)


class Terminal:
    """A terminal of 100 columns, and what is shown on it."""

    def __init__(self):
        self.ours, self.theirs = pty.openpty()
        self.unread = b""
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))

    def type(self, text):
        os.write(self.ours, text.encode())

    def until(self, text):
        """Read until *text* was shown; return all that was, up to its end."""
        while text.encode() not in self.unread:
            assert select.select([self.ours], [], [], 60)[0], self.unread
            self.unread += os.read(self.ours, 65536)
        before, _, self.unread = self.unread.partition(text.encode())
        return before.decode() + text

    def rest(self):
        """Return what else was shown, once nobody has it open any more."""
        os.close(self.theirs)
        shown_there = b""
        with contextlib.suppress(OSError):  # the terminal's end
            while True:
                shown_there += os.read(self.ours, 65536)
        os.close(self.ours)
        return shown_there.decode()


def test_bar(simulation):
    """A terminal shows a bar with the time that is left, failures as lines of their own, and how many there are."""
    simulation.script(FAILS_ON_B)
    simulation.inputs("a", "b")
    terminal = Terminal()
    arguments = ("--processes", "1", "--mini-batch-size", "1", "--run-max-try", "1")
    simulation.simulate(*arguments, returncode=73, stderr=terminal.theirs)
    seen = terminal.rest()
    assert re.search(r"100%\|█+\| 2/2 mini-batches \[\d\d:\d\d<00:00, .*, 1 failed\]", seen), seen
    assert "failed: ValueError: bad file (score.py:4 in check, mini-batch 1, Process-1)\r\n" in seen


def test_quiet(simulation):
    """--quiet shows nothing but the verdict, also on a terminal."""
    simulation.script(FAILS_ON_B)
    simulation.inputs("b")
    terminal = Terminal()
    printed = simulation.simulate("--quiet", returncode=74, stderr=terminal.theirs)
    assert terminal.rest() == ""
    assert "first error: ValueError: bad file" in printed


def test_no_terminal(simulation):
    """Where standard error is no terminal there is no bar, and a short run shows its failures alone."""
    simulation.script(FAILS_ON_B)
    simulation.inputs("a", "b")
    simulation.simulate("--mini-batch-size", "1", "--run-max-try", "1", returncode=73)
    assert [line.partition(" ")[0] for line in simulation.said.splitlines()[:2]] == ["failed:", "Traceback"]


def attempt(index=0, number=1, status="succeeded", error=""):
    failure = Failure(error, "score.py:1 in run") if error else None
    return Attempt(index, number, "Process-1", 7, status, 1, 0, 0, 0, 0, 0, failure)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_plain_lines(capsys):
    """Elsewhere a line three times a minute tells how far it is and how long it will take."""
    clock = Clock()
    with progress.Progress(100, clock=clock) as seen:
        seen.resume(10)
        for second in range(60):
            clock.now = second
            seen.add(attempt(second, status="failed" if second == 30 else "succeeded"), is_last=True)
        for second in range(60, 90):
            clock.now = second
            seen.tick()
    assert capsys.readouterr().err.splitlines() == [
        "31 of 100 mini-batches, 0 failed, 0:00:20, about 0:01:05 left",
        "51 of 100 mini-batches, 1 failed, 0:00:40, about 0:00:47 left",
        "70 of 100 mini-batches, 1 failed, 0:01:00, about 0:00:30 left",
        "70 of 100 mini-batches, 1 failed, 0:01:20, about 0:00:40 left",
    ]


def test_no_lines_beside_the_bar(monkeypatch):
    """A terminal has the bar, and no lines that tell the same."""
    terminal, clock = Terminal(), Clock()
    with open(terminal.theirs, "w", closefd=False) as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        with progress.Progress(3, clock=clock) as seen:
            clock.now = 100
            seen.add(attempt(), is_last=True)
    shown_there = terminal.rest()
    assert "1/3 mini-batches [" in shown_there
    assert "1 of 3 mini-batches" not in shown_there


def test_plain_line_before_anything_is_done(capsys):
    """As long as nothing is done there is no guess at what is left."""
    clock = Clock()
    with progress.Progress(3, clock=clock) as seen:
        clock.now = 3700
        seen.tick()
    assert capsys.readouterr().err == "0 of 3 mini-batches, 0 failed, 1:01:40\n"


def test_failures_as_they_come(capsys):
    """Each kind of failure is shown once, that of a try apart from the last, and of them the first twenty."""
    with progress.Progress(100, tries=3) as seen:
        for number in (1, 2, 3):
            seen.add(attempt(5, number, "failed", "ValueError: a"), is_last=number == 3)
        seen.add(attempt(6, 3, "failed", "ValueError: a"), is_last=True)
        seen.fail(Failure("RuntimeError: no model", "starting Process-2"))
        for number in range(20):
            seen.add(attempt(number, 3, "failed", f"KeyError: {number}"), is_last=True)
        seen.say("a note")
    lines = capsys.readouterr().err.splitlines()
    assert lines[:4] == [
        "failed: ValueError: a (score.py:1 in run, mini-batch 5, Process-1, try 1 of 3: it is tried again)",
        "failed: ValueError: a (score.py:1 in run, mini-batch 5, Process-1)",
        "failed: RuntimeError: no model (starting Process-2)",
        "failed: KeyError: 0 (score.py:1 in run, mini-batch 0, Process-1)",
    ]
    assert len(lines) == 22
    assert lines[-2:] == ["a note", "and 5 more failures, much like these: the logs have them all"]


def test_one_more_failure(capsys):
    with progress.Progress(2) as seen:
        for index in range(2):
            seen.add(attempt(index, 1, "failed", "KeyError"), is_last=True)
    assert capsys.readouterr().err.splitlines()[-1].startswith("and 1 more failure, much")


def test_no_standard_error(monkeypatch):
    """A process without a standard error shows nothing, and goes on."""
    monkeypatch.setattr(sys, "stderr", None)
    with progress.Progress(1) as seen:
        seen.add(attempt(0, 1, "failed", "KeyError"), is_last=True)


def make(**given):
    values = {
        "items": 10,
        "succeeded": 10,
        "mini_batches": 1,
        "succeeded_mini_batches": 1,
        "failed_mini_batches": 0,
        "processes": 2,
        "seconds": 1.25,
        "exit_code": 0,
        "output": "/w/parallel_run_step.txt",
        "log_dir": "/w/logs",
    }
    return result.Result(**{**values, **given})


def test_verdict_of_success():
    """A run that went well is told in three lines."""
    assert str(make()).splitlines() == [
        "succeeded: 10 of 10 items, 1 of 1 mini-batch, 0 failed, 2 processes, 1.2 s",
        "results: /w/parallel_run_step.txt",
        "logs: /w/logs",
    ]


def test_verdict_of_failure():
    """A run that failed is told with its cause and the files to open, each on a line of its own."""
    failed = make(
        succeeded=7,
        mini_batches=4,
        succeeded_mini_batches=3,
        failed_mini_batches=1,
        processes=0,
        exit_code=73,
        output=None,
        retries=2,
        resumed_mini_batches=1,
        stopped="3 failed items, more than the error_threshold of 2",
        slowest=result.SlowestMiniBatch(2, "Process-1", 61.25),
        failures=(Failure("ValueError: seven\nand more", "score.py:3 in run", "Traceback\n"), Failure("other")),
        to_open=("/w/logs/overview.txt", "/w/logs/user/ip/Process-1.txt"),
    )
    assert str(failed).splitlines() == [
        "FAILED: 7 of 10 items, 3 of 4 mini-batches, 1 failed, 2 retries, 1 done before, in this process, 1.2 s",
        "exit code: 73 (some items failed)",
        "stopped: 3 failed items, more than the error_threshold of 2",
        "first error: ValueError: seven and more (score.py:3 in run)",
        "slowest: mini-batch 2, 61.2 s in Process-1",
        "logs: /w/logs",
        "open: /w/logs/overview.txt",
        "      /w/logs/user/ip/Process-1.txt",
    ]
    assert failed.failed == 3
    assert failed.first_failure.traceback == "Traceback\n"
    assert failed.rows() == []


def test_verdict_without_items():
    """Where run() returned nothing at all, the verdict says so."""
    lines = str(make(succeeded=0, exit_code=74, mini_batches=2, slowest=result.SlowestMiniBatch(0, "P", 0.0123)))
    assert "first error: run() returned no items: return one for each that succeeded" in lines
    assert "slowest: mini-batch 0, 12 ms in P" in lines


def test_rows(tmp_path):
    """The result's rows are the lines of the result file, whatever is in them."""
    path = tmp_path / "rows"
    path.write_bytes(b"a\r\n\xff\nb c\n")
    assert make(output=str(path)).rows() == ["a\r", "\udcff", "b c"]
    assert make(output=str(tmp_path / "gone")).rows() == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://x.blob/y?sig=abcDEF123456", "https://x.blob/y?sig=[REDACTED]"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\n\tb\rc", "a\n\tb\\rc"),
        ("日本", "日本"),
    ],
)
def test_safe(text, expected):
    """What is shown has no secrets, and nothing that steers a terminal."""
    assert shown.safe(text) == expected


SECRET = "def run(mini_batch):\n    raise ValueError('no access: https://x.blob/y?sig=abcDEF123456\\x1b[2J')\n"


def test_secrets_are_not_shown(simulation):
    """Secrets in an error appear neither in the failures, the verdict nor the traceback, nor in JSON."""
    simulation.script(SECRET)
    simulation.inputs("a")
    for arguments in ((), ("--json",)):
        printed = simulation.simulate(*arguments, returncode=74)
        assert "sig=[REDACTED]" in printed
        assert "abcDEF" not in printed + simulation.said
        assert "\x1b" not in printed + simulation.said
    assert "sig=[REDACTED]" in simulation.said


@pytest.mark.parametrize("processes", ["0", "2"])
def test_json(simulation, processes):
    """--json prints one object with the whole result, and nothing else, whatever the script prints."""
    simulation.script(GOOD)
    simulation.inputs("a", "b", "c")
    printed = simulation.simulate("--json", "--processes", processes, "--mini-batch-size", "2")
    found = json.loads(printed)
    assert printed.count("\n") == 1
    assert found["items"] == found["succeeded"] == 3
    assert (found["failed"], found["exit_code"], found["meaning"]) == (0, 0, "succeeded")
    assert (found["mini_batches"], found["succeeded_mini_batches"], found["processes"]) == (2, 2, int(processes))
    assert found["output"] == str(simulation.path / "parallel_run_step.txt")
    assert found["slowest"].keys() == {"index", "process", "seconds"}


def test_json_of_a_failure(simulation):
    """--json has the first failures with their tracebacks, and the exit code stays."""
    simulation.script(FAILS_ON_B)
    simulation.inputs("b")
    found = json.loads(simulation.simulate("--json", "--run-max-try", "1", returncode=74))
    assert found["exit_code"] == 74
    (failure,) = found["failures"]
    assert failure["error"] == "ValueError: bad file"
    assert failure["place"].startswith("score.py:4 in check, mini-batch 0, Process-")
    assert failure["traceback"].startswith("Traceback (most recent call last):\n")


def test_json_of_bad_input(simulation):
    """Bad input is a line on standard error with --json too."""
    simulation.script("")
    simulation.inputs("a")
    assert simulation.simulate("--json", returncode=2) == ""
    assert simulation.said.count("\n") == 1


DEEP = """
import json
def run(mini_batch):
    wanted = "in the script's frame"
    json.loads("{")
    return mini_batch
"""


def test_pdb(simulation):
    """--pdb opens the debugger at the exception, in the script's own frame; c goes on, and q ends the run."""
    simulation.script(DEEP)
    simulation.inputs("a", "b", "c")
    terminal = Terminal()
    options = {"stdin": terminal.theirs, "stdout": terminal.theirs, "stderr": terminal.theirs}
    process = subprocess.Popen(
        [*COMMAND, "score.py", "--input", "in", "--mini-batch-size", "1", "--pdb"], cwd=simulation.path, **options
    )
    try:
        seen = terminal.until("(Pdb) ")
        assert "JSONDecodeError: Expecting property name" in seen
        assert "score.py(5)run()" in seen
        terminal.type("p wanted\n")
        assert "in the script's frame" in terminal.until('frame"\r\n(Pdb) ')
        terminal.type("c\n")
        terminal.until("JSONDecodeError")
        terminal.until("(Pdb) ")
        terminal.type("q\n")
        process.wait(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    terminal.rest()


def test_breakpoint(simulation):
    """With --processes 0 a breakpoint() in the script stops in it."""
    simulation.script("def run(mini_batch):\n    place = 'here'\n    breakpoint()\n    return mini_batch\n")
    simulation.inputs("a")
    process = simulation.launch("--processes", "0", stdin=subprocess.PIPE)
    printed, said = process.communicate("p place + '!'\nc\n", timeout=60)
    assert "'here!'" in printed
    assert "succeeded: 1 of 1 item, 1 of 1 mini-batch, 0 failed, in this process, " in printed
    assert process.returncode == 0, said


def test_interrupt_in_this_process(simulation):
    """Ctrl-C ends a run with --processes 0 as well, with code 130."""
    simulation.script("""
        import os, signal
        def run(mini_batch):
            os.kill(os.getpid(), signal.SIGINT)
    """)
    simulation.inputs("a")
    restored = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731
    process = simulation.launch("--processes", "0", preexec_fn=restored)
    printed, said = process.communicate(timeout=60)
    assert (process.returncode, printed) == (130, "")
    assert said.startswith("entry-script-helper: stopped by Ctrl-C")


def test_resume(simulation):
    """--resume scores only what has not succeeded, and the result file has all rows in the end."""
    simulation.script(FAILS_ON_B)
    simulation.inputs("a", "b", "c")
    arguments = ("--mini-batch-size", "1", "--run-max-try", "1", "--processes", "1")
    printed = simulation.simulate(*arguments, returncode=73)
    assert printed.endswith("\nagain: the same command with --resume scores only what has not succeeded\n")
    assert "again:" not in simulation.simulate(*arguments, "--first", "2", returncode=73)
    simulation.script("def run(mini_batch):\n    return mini_batch\n")
    found = json.loads(simulation.simulate(*arguments, "--resume", "--json"))
    assert (found["succeeded"], found["resumed_mini_batches"], found["exit_code"]) == (3, 2, 0)
    assert sorted(simulation.rows) == [simulation.path_of(name) for name in "abc"]
    simulation.simulate(*arguments, "--resume", returncode=2)
    assert simulation.said.count("\n") == 1


def test_timeout(simulation):
    """A call that takes too long ends with 71, and the verdict names the log that holds its stacks."""
    simulation.script("import time\ndef run(mini_batch):\n    wait()\ndef wait():\n    time.sleep(1000)\n")
    simulation.inputs("a")
    printed = simulation.simulate("--processes", "1", "--timeout", "1", "--max_retries", "0", returncode=71)
    assert "first error: run() did not end within 1 s (run_invocation_timeout)" in printed
    (log,) = re.findall(r"the stacks of its threads are in (\S+\.txt)", printed)
    assert "in wait\n" in (simulation.path / log).read_text()


def test_init_fails(simulation):
    """A failing init() ends with 72."""
    simulation.script("def init():\n    raise RuntimeError('no model')\ndef run(mini_batch):\n    return mini_batch\n")
    simulation.inputs("a")
    printed = simulation.simulate("--processes", "1", "--max-retries=0", returncode=72)
    assert "exit code: 72 (init() failed)\nfirst error: RuntimeError: no model (score.py:2 in init, " in printed


def test_thresholds(simulation):
    """Failures within a threshold end with 0; those beyond it stop the run."""
    simulation.script(FAILS_ON_B)
    simulation.inputs("a", "b", "c")
    arguments = ("--mini-batch-size", "1", "--run-max-try", "1", "--processes", "1")
    assert simulation.simulate(*arguments, "--error-threshold", "1").startswith("succeeded: 2 of 3 items")
    printed = simulation.simulate(*arguments, "--error-threshold", "0", returncode=73)
    assert "stopped: 1 failed items, more than the error_threshold of 0" in printed


DRIVERS = (
    "--client_sdk_version 1.62 --scoring_module_name other.py --mini_batch_size 2 --error_threshold 10 "
    "--output_action append_row --logging_level DEBUG --run_invocation_timeout 120 --run_max_try 3 "
    "--create_snapshot_at_runtime=True --process_count_per_node 1 --model m --input_fds_0 inp"
)


def test_arguments_of_the_services_driver(simulation):
    """What the service passes to its driver can be pasted: each argument goes where the service would take it."""
    simulation.script(
        """
        import argparse
        def run(mini_batch):
            parser = argparse.ArgumentParser()
            parser.add_argument("--model")
            return [f"{parser.parse_known_args()[0].model} {len(mini_batch)}"] * len(mini_batch)
        """
    )
    simulation.inputs("a", "b", "c")
    found = json.loads(simulation.simulate(*DRIVERS.split(), "--json"))
    assert (found["mini_batches"], found["processes"]) == (2, 1)
    assert sorted(simulation.rows) == ["m 1", "m 2", "m 2"]


def test_named_script(simulation):
    """The entry script can be named by an option, too; words for the script are then not taken for it."""
    simulation.script("import sys\ndef run(mini_batch):\n    return [sys.argv[sys.argv.index('--threshold') + 1]]\n")
    simulation.inputs("a")
    arguments = ["--entry_script", "score.py", "--threshold", "5", "--input", "in", "--quiet"]
    subprocess.run([*COMMAND, *arguments], cwd=simulation.path, check=True, capture_output=True, timeout=60)
    assert simulation.rows == ["5"]


def test_shell_pattern(simulation):
    """A pattern that the shell has expanded is not given to the script in part, but refused with the remedy."""
    simulation.script(GOOD)
    simulation.inputs("a", "b")
    simulation.simulate("--input", "in/a", "in/b", returncode=2)
    assert "--input takes one path, and in/b comes behind it: put the pattern in quotes" in simulation.said
    assert simulation.simulate("--quiet", "--", "in/b").startswith("succeeded: ")


def test_result_is_printed_to_what_is_there():
    """The redactor for the terminal is made once, and for text of any kind of stream."""
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        print(make())
    assert stream.getvalue().startswith("succeeded: ")
