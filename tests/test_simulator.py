"""`entry-script-helper run`: an entry script over real files in real processes."""

from __future__ import annotations

import ast
import contextlib
import fcntl
import functools
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import textwrap
import time

import pytest
from conftest import Workplace

from entry_script_helper.simulator import failures

COMMAND = [sys.executable, "-m", "entry_script_helper", "run"]

# The same calls as in the article's sample: config() in init(), a log line per file, the mini-batch handed back.
SAMPLE = """
import contextlib
import fcntl
import os
import logging
from entry_script_helper import EntryScriptHelper

def init():
    EntryScriptHelper().config("score_file_list")
    logger = logging.getLogger("score_file_list")
    output_folder = os.path.join(os.environ.get("AZ_BATCHAI_INPUT_AZUREML", ""), "temp/output")
    logger.info(f"{__file__}.output_folder:{output_folder}")
    logger.info("init()")
    os.makedirs(output_folder, exist_ok=True)

def run(mini_batch):
    logger = logging.getLogger("score_file_list")
    logger.info(f"{__file__}, run({mini_batch})")
    output_folder = os.path.join(os.environ.get("AZ_BATCHAI_INPUT_AZUREML", ""), "temp/output")
    for file_name in mini_batch:
        with open(file_name, "r") as file:
            lines = file.readlines()
        name = os.path.join(output_folder, os.path.basename(file_name))
        logger.info(f"{__file__}: {name}")
        with open(name, "w") as file:
            file.write(f"output file {name} from {__file__}:\\n")
            for line in lines:
                file.write(line)
    return mini_batch
"""


class Simulation(Workplace):
    """A directory with an entry script and its input."""

    def script(self, code, name="score.py"):
        file = self.path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(textwrap.dedent(code), encoding="utf-8")

    def inputs(self, *names):
        for name in names:
            file = self.path / "in" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"text of {name}\n", encoding="utf-8")

    def launch(self, *arguments, script="score.py", **options):
        environ = dict(os.environ, AZ_BATCHAI_WORKER_IP="10.0.0.4", AZ_BATCHAI_JOB_TEMP=str(self.path / "job"))
        return subprocess.Popen(
            [*COMMAND, script, "--input", "in", *arguments],
            cwd=self.path,
            env=environ,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="surrogateescape",
            **{"stderr": subprocess.PIPE, **options},
        )

    def simulate(self, *arguments, returncode=0, **options):
        """Run the command to its end; return what it printed (what it said on stderr is in `said`)."""
        process = self.launch(*arguments, **options)
        try:
            printed, self.said = process.communicate(timeout=100)
        finally:
            process.kill()
        assert process.returncode == returncode, (printed, self.said)
        return printed

    def first_print(self, process):
        """Wait for what a worker process prints; return its first line."""
        path = self.path / "logs" / "70_driver_log.txt"
        for _ in range(6000):
            if path.exists() and "\n" in path.read_text():
                return path.read_text().splitlines()[0]
            assert process.poll() is None
            time.sleep(0.01)
        raise TimeoutError

    @property
    def rows(self):
        return (self.path / "parallel_run_step.txt").read_text(encoding="utf-8").splitlines()

    def path_of(self, name):
        return str(self.path / "in" / name)


@pytest.fixture
def simulation(tmp_path):
    return Simulation(tmp_path)


def test_article_sample(simulation):
    """The article's sample, run twice over in 4 processes, leaves one line per logging call in 4 files."""
    names = [f"{number}.txt" for number in range(6)]
    simulation.script(SAMPLE)
    simulation.inputs(*names)
    for turn in (1, 2):
        simulation.simulate("--processes", "4", "--mini-batch-size", "1")
        assert sorted(simulation.files()) == [f"Process-{number}.txt" for number in (1, 2, 3, 4)]
        messages = [message for name in simulation.files() for message in simulation.records(name)]
        assert len(messages) == turn * (4 * 2 + 6 * 2)
        assert messages.count("init()") == turn * 4
        assert len({message for message in messages if "run([" in message}) == 6
        assert sorted(simulation.rows) == [simulation.path_of(name) for name in names]
    assert sorted({file.name for file in simulation.path.glob("job/azureml-bi/*/temp/output/*")}) == names


def test_life_of_a_process(simulation):
    """Each of the processes runs init() once, first, and shutdown() once, last, also where it has no mini-batch."""
    simulation.script("""
        import atexit
        from entry_script_helper import config
        def init():
            config().info("init")
            atexit.register(lambda: config().info("atexit"))
        def run(mini_batch):
            config().info("run")
            return mini_batch
        def shutdown():
            config().info("shutdown")
    """)
    simulation.inputs("a", "b")
    printed = simulation.simulate("--processes", "3", "--mini-batch-size", "2")
    assert printed.startswith("succeeded: 2 of 2 items, 1 of 1 mini-batch, 0 failed, 3 processes, ")
    assert printed.endswith(f" s\nresults: {simulation.path}/parallel_run_step.txt\nlogs: {simulation.path}/logs\n")
    assert simulation.said == ""
    lives = sorted((simulation.records(name) for name in simulation.files()), key=len)
    assert lives == [["init", "shutdown", "atexit"]] * 2 + [["init", "run", "shutdown", "atexit"]]


def test_arguments(simulation):
    """Unknown options, and all that follows `--`, are the script's own arguments, among those of the service's driver."""
    simulation.script("""
        import argparse, sys
        def run(mini_batch):
            parser = argparse.ArgumentParser()
            parser.add_argument("--threshold", type=int)
            return [parser.parse_known_args()[0].threshold, sys.argv]
    """)
    simulation.inputs("a", "b")
    simulation.simulate("--threshold", "-1", "--processes=1", "more", "--", "--processes", "7")
    assert simulation.rows[0] == "-1"
    found = ast.literal_eval(simulation.rows[1])
    own = found.index("--threshold")
    assert found[own:] == ["--threshold", "-1", "more", "--processes", "7", "--input_fds_0", f"{simulation.path}/in"]
    assert found[0] == str(simulation.path / "score.py")
    assert found[1::2][:6] == [
        "--client_sdk_version", "--scoring_module_name", "--mini_batch_size", "--error_threshold", "--output_action",
        "--append_row_file_name",
    ]  # fmt: skip


def test_neighbours(simulation):
    """A script imports modules from its folder, its classes can be pickled, and its name hides no other module."""
    simulation.script("FACTOR = 3\n", "neighbour.py")
    simulation.script(
        """
        import threading
        def run(mini_batch):
            return [threading.current_thread().name]
        """,
        "folder/threading.py",
    )
    simulation.script("""
        import pickle, neighbour
        class Score(int):
            pass
        def run(mini_batch):
            return [pickle.loads(pickle.dumps(Score(neighbour.FACTOR)))]
    """)
    simulation.inputs("a")
    simulation.simulate("--processes", "1")
    assert simulation.rows == ["3"]
    simulation.simulate("--processes", "1", script="folder/threading.py")
    assert simulation.rows == ["MainThread"]


FAILS_ON_B = """
def check(path):
    if path.endswith("b"):
        raise ValueError("bad file\\nand more")

def run(mini_batch):
    for path in mini_batch:
        check(path)
    return mini_batch
"""


def test_run_raises(simulation):
    """Where run() raises, that mini-batch fails, the others go on, and the verdict says where it was."""
    simulation.script(FAILS_ON_B)
    simulation.inputs("a", "b", "c")
    printed = simulation.simulate("--processes", "1", "--mini-batch-size", "1", returncode=73)
    line = "ValueError: bad file (score.py:4 in check, mini-batch 1, Process-1)"
    assert printed.startswith("FAILED: 2 of 3 items, 2 of 3 mini-batches, 1 failed, 2 retries, 1 process, ")
    assert f"\nexit code: 73 (some items failed)\nfirst error: {line}\n" in printed
    assert simulation.rows == [simulation.path_of("a"), simulation.path_of("c")]
    said = simulation.said.splitlines()
    assert said[0] == f"failed: {line[:-1]}, try 1 of 3: it is tried again)"
    assert said[2] == "and 1 more failure, much like these: the logs have them all"
    assert said[3:5] == [
        "Traceback (most recent call last):",
        f'  File "{simulation.path}/score.py", line 8, in run',
    ]
    assert "/simulator/" not in simulation.said


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (
            "return None",
            "returned None, but it must return a list, a tuple or a pandas DataFrame with one item for each",
        ),
        ("return (path for path in mini_batch)", "returned a value of type generator, but"),
        ("return 'text'", "returned a value of type str, but it must return a list"),
        ("import sys; sys.exit(3)", "SystemExit: 3 (score.py:5 in run, mini-batch 0, Process-1)"),
        ("raise KeyError", "first error: KeyError (score.py:5 in run, mini-batch 0, Process-1)"),
        ("return ['\\ud800']", "UnicodeEncodeError: "),
        ("return [Hostile()]", "ZeroDivisionError: division by zero (score.py:3 in __str__, mini-batch 0"),
        ("return []", "run() returned 0 items for a mini-batch of 1 item: 1 of the mini-batch's counts as failed"),
    ],
)
def test_wrong_results(simulation, code, text):
    """What can't be a result is an error that says what came back, what was expected and how to mend it."""
    simulation.script(f"class Hostile:\n    def __str__(self):\n        1 / 0\ndef run(mini_batch):\n    {code}\n")
    simulation.inputs("a")
    printed = simulation.simulate("--processes", "1", returncode=74)
    assert text in printed
    assert printed.startswith("FAILED: 0 of 1 item, ")
    assert simulation.rows == []


def test_result_items(simulation):
    """Each result item is a row, whatever its type; those beyond the mini-batch's files count as no success."""
    simulation.script("""
        import threading
        class Odd:
            lock = threading.Lock()
            def __str__(self):
                return "odd"
        def run(mini_batch):
            return (1, Odd(), "日本") if len(mini_batch) == 2 else ["only"]
    """)
    simulation.inputs("a", "b", "c")
    printed = simulation.simulate("--processes", "1", "--mini-batch-size", "2")
    assert printed.startswith("succeeded: 3 of 3 items")
    assert simulation.rows == ["1", "odd", "日本", "only"]


def test_too_few_items(simulation):
    """Files without a result item are not counted as succeeded, and the verdict shows it."""
    simulation.script("def run(mini_batch):\n    return mini_batch[1:]\n")
    simulation.inputs("a", "b", "c")
    assert simulation.simulate("--processes", "1", returncode=73).startswith("FAILED: 2 of 3 items, 1 of 1 mini-batch")


def test_file_names_of_any_bytes(simulation):
    """A file name that is no UTF-8 comes out as the bytes that it has on disk."""
    simulation.script("import os\ndef run(mini_batch):\n    return [os.path.basename(path) for path in mini_batch]\n")
    simulation.inputs("a")
    with open(os.fsencode(simulation.path / "in") + b"/\xff", "wb"):
        pass
    simulation.simulate("--processes", "1")
    assert (simulation.path / "parallel_run_step.txt").read_bytes() == b"a\n\xff\n"


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (
            "def init():\n    raise RuntimeError('no model')",
            "RuntimeError: no model (score.py:2 in init, starting Process-",
        ),
        (
            "def init():\n    import entry_script_helper as e; e.config(level='NOPE')",
            "UsageError: level: NOPE is not a level; use DEBUG, INFO, WARNING, ERROR, CRITICAL, or a number (score.py:2",
        ),
        ("def init():\n    import os; os._exit(4)", "the worker process died: exit code 4 (starting Process-"),
        (
            "import no_such_module",
            "ModuleNotFoundError: No module named 'no_such_module' (score.py:1 in <module>, starting",
        ),
        ("def broken(:\n    pass", "SyntaxError: "),
    ],
)
def test_start_fails(simulation, code, line):
    """Where the script can't be imported or init() fails, the run stops and nothing is scored."""
    simulation.script(f"{code}\ndef run(mini_batch):\n    return mini_batch\n")
    simulation.inputs("a")
    printed = simulation.simulate("--processes", "2", returncode=72)
    assert f"first error: {line}" in printed
    assert "FAILED: 0 of 1 item" in printed
    assert simulation.rows == []


def test_shutdown_raises(simulation):
    """A failing shutdown() fails the run, though all items succeeded."""
    simulation.script("def run(mini_batch):\n    return mini_batch\ndef shutdown():\n    1 / 0\n")
    simulation.inputs("a")
    printed = simulation.simulate("--processes", "1", returncode=73)
    assert "FAILED: 1 of 1 item, 1 of 1 mini-batch, 0 failed" in printed
    assert "first error: ZeroDivisionError: division by zero (score.py:4 in shutdown, ending Process-1)" in printed


def test_interrupt(simulation):
    """Ctrl-C ends the run and its processes with one line and code 130, and keeps what had succeeded."""
    simulation.script("""
        import os, time
        def run(mini_batch):
            if mini_batch[0].endswith("b"):
                print(os.getpid(), flush=True)
                time.sleep(1000)
            return mini_batch
    """)
    simulation.inputs("a", "b")
    # These tests may themselves run where Ctrl-C is ignored, in the background; a child would inherit that.
    restored = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    process = simulation.launch(
        "--processes", "1", "--mini-batch-size", "1", start_new_session=True, preexec_fn=restored
    )
    worker = int(simulation.first_print(process))
    os.killpg(process.pid, signal.SIGINT)
    printed, said = process.communicate(timeout=60)
    assert (process.returncode, printed) == (130, "")
    assert said == (
        "entry-script-helper: stopped by Ctrl-C after 1 of 2 mini-batches, which are kept: the same command with "
        "--resume goes on with the others\n"
    )
    assert not (simulation.path / "parallel_run_step.txt").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_terminal(simulation):
    """On a terminal there is a progress bar, and a failure is a line of its own."""
    simulation.script(FAILS_ON_B)
    simulation.inputs("a", "b")
    ours, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))  # tqdm draws no bar in 0 columns
    simulation.simulate("--processes", "1", "--mini-batch-size", "1", returncode=73, stderr=terminal)
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal's end
        while True:
            shown += os.read(ours, 65536)
    os.close(ours)
    assert b"2/2" in shown
    assert b"failed: ValueError: bad file (score.py:4 in check, mini-batch 1, Process-1, try 1 of 3" in shown


def test_output(simulation):
    """The result file can lie elsewhere, starts afresh for each run, and stays a link where it is one."""
    simulation.script("def run(mini_batch):\n    return ['row']\n")
    simulation.inputs("a")
    (simulation.path / "link.txt").symlink_to("new/rows.txt")
    for _ in range(2):
        printed = simulation.simulate("--processes", "1", "--output", "link.txt")
        assert f"results: {simulation.path}/new/rows.txt\n" in printed
        assert [file.name for file in (simulation.path / "new").iterdir()] == ["rows.txt"]
        assert (simulation.path / "link.txt").read_text() == "row\n"
    assert (simulation.path / "link.txt").is_symlink()


def test_failure_of_a_hostile_exception():
    """An exception whose own code raises is still a failure with a line and a traceback."""

    class Hostile(Exception):  # noqa: N818
        @property
        def __cause__(self):
            raise RuntimeError("no cause")

        def __str__(self):
            raise RuntimeError("no text")

    failure = failures.from_exception(Hostile(), "score.py")
    assert str(failure) == "Hostile: <Hostile object, whose __str__ raised RuntimeError> (score.py)"
    assert failure.traceback.startswith("Hostile, whose traceback can't be formatted: no cause\n")
    assert failures.from_exception(SyntaxError("made by hand"), "score.py").place == "score.py"
    with pytest.raises(SyntaxError) as broken:
        compile("\nbroken(", "here/helpers.py", "exec")
    assert failures.from_exception(broken.value, "score.py").place == "helpers.py:2"
