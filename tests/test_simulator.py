"""`entry-script-helper run`: an entry script over real files in real processes."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import pty
import resource
import signal
import struct
import subprocess
import sys
import termios
import textwrap

import pytest
from conftest import Workplace

from entry_script_helper.errors import UsageError
from entry_script_helper.simulator import failures, minibatches, outputs

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
        environ = dict(os.environ, AZ_BATCHAI_WORKER_IP="10.0.0.4")
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
    assert sorted(file.name for file in (simulation.path / "temp/output").iterdir()) == names


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
    assert printed.endswith(
        f" s\nresults: {simulation.path}/parallel_run_step.txt\nlogs: {simulation.path}/logs/user/10.0.0.4\n"
    )
    assert simulation.said == ""
    lives = sorted((simulation.records(name) for name in simulation.files()), key=len)
    assert lives == [["init", "shutdown", "atexit"]] * 2 + [["init", "run", "shutdown", "atexit"]]


def test_minibatches(tmp_path):
    """The files below a directory come sorted, by absolute path, cut by count; linked directories are not entered."""
    for name in ("b/2", "b/1", "a", "c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "d").symlink_to(tmp_path)
    (tmp_path / "e").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "f")
    names = ["a", "b/1", "b/2", "c", "e"]
    assert minibatches.count_files(str(tmp_path)) == 5
    batches = list(minibatches.cut(str(tmp_path), 2))
    assert [batch.index for batch in batches] == [0, 1, 2]
    assert [batch.files for batch in batches] == [
        [str(tmp_path / name) for name in names[start : start + 2]] for start in (0, 2, 4)
    ]


def test_unreadable_directory(tmp_path):
    """A directory that can't be read is said to be so, with the reason."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(UsageError, match=r"--input: .* can't be read: Too many open files"):
            minibatches.count_files(str(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_arguments(simulation):
    """Unknown options, and all that follows `--`, are the script's own arguments."""
    simulation.script("import sys\ndef run(mini_batch):\n    return [sys.argv]\n")
    simulation.inputs("a")
    simulation.simulate("--threshold", "-1", "--processes=1", "more", "--", "--processes", "7")
    arguments = [str(simulation.path / "score.py"), "--threshold", "-1", "more", "--processes", "7"]
    assert simulation.rows == [str(arguments)]


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
    assert printed.startswith("FAILED: 2 of 3 items, 2 of 3 mini-batches, 1 failed, 1 process, ")
    assert f"\nexit code: 73 (some items failed)\nfirst error: {line}\nresults: " in printed
    assert simulation.rows == [simulation.path_of("a"), simulation.path_of("c")]
    said = simulation.said.splitlines()
    assert said[:3] == [
        f"failed: {line}",
        "Traceback (most recent call last):",
        f'  File "{simulation.path}/score.py", line 8, in run',
    ]
    assert "/simulator/" not in simulation.said


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (
            "return None",
            "returned None, but it must return a list or a tuple with one item for each file that succeeded",
        ),
        ("return (path for path in mini_batch)", "returned a value of type generator, but"),
        ("return 'text'", "returned a value of type str, but it must return a list"),
        ("import sys; sys.exit(3)", "SystemExit: 3 (score.py:5 in run, mini-batch 0, Process-1)"),
        ("raise KeyError", "first error: KeyError (score.py:5 in run, mini-batch 0, Process-1)"),
        ("return ['\\ud800']", "UnicodeEncodeError: "),
        ("return [Hostile()]", "ZeroDivisionError: division by zero (score.py:3 in __str__, mini-batch 0"),
        ("return []", "run() returned no items: return one for each that succeeded"),
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
    ("death", "reason"),
    [
        ("os._exit(0)", "exit code 0"),
        ("os._exit(3)", "exit code 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9 (Killed)"),
    ],
)
def test_death(simulation, death, reason):
    """A process that dies harms one mini-batch: a new one takes its number, runs init() and goes on."""
    simulation.script(f"""
        import os, signal
        from entry_script_helper import config
        def init():
            config().info("init")
        def run(mini_batch):
            if mini_batch[0].endswith(("b", "d")):
                {death}
            return mini_batch
        def shutdown():
            config().info("shutdown")
    """)
    simulation.inputs("a", "b", "c", "d")
    printed = simulation.simulate("--processes", "1", "--mini-batch-size", "1", returncode=73)
    assert f"first error: the worker process died: {reason} (mini-batch 1, Process-1)\nresults" in printed
    assert "2 of 4 items, 2 of 4 mini-batches, 2 failed" in printed
    assert simulation.rows == [simulation.path_of("a"), simulation.path_of("c")]
    assert simulation.records("Process-1.txt") == ["init", "init"]


def test_death_while_idle(simulation):
    """A process that dies when it has nothing to do is reported: its shutdown() did not run."""
    simulation.script("""
        import os, threading, time
        def wait_until(done):
            while not done():
                time.sleep(0.01)
        def gone():
            try:
                os.kill(int(open("first").read()), 0)
            except ProcessLookupError:
                return True
        def run(mini_batch):
            if mini_batch[0].endswith("a"):
                wait_until(lambda: os.path.exists("second"))
                with open("first.new", "w") as file:
                    file.write(str(os.getpid()))
                os.rename("first.new", "first")
                threading.Timer(0.2, os._exit, (7,)).start()
            else:
                open("second", "w").close()
                wait_until(lambda: os.path.exists("first"))
                wait_until(gone)
                time.sleep(0.5)
            return mini_batch
    """)
    simulation.inputs("a", "b")
    printed = simulation.simulate("--processes", "2", "--mini-batch-size", "1", returncode=73)
    assert "FAILED: 2 of 2 items, 2 of 2 mini-batches, 0 failed" in printed
    assert "first error: the worker process died: exit code 7 (ending Process-" in printed


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


@pytest.mark.parametrize(
    ("code", "line", "bad_input"),
    [
        ("run = None", "has no function run(): define run(mini_batch), returning a list", True),
        ("import sys\nsys.exit()", "SystemExit (score.py:2 in <module>)", False),
        ("def broken(:", "(score.py:1)", False),
    ],
)
def test_start_raises_nothing(simulation, code, line, bad_input):
    """Whatever a script does when it is loaded comes back from the worker as a failure, not as an exception."""
    simulation.script(code)
    (simulation.path / "in").mkdir()
    printed = simulation.run("""
        from entry_script_helper.simulator import settings, worker
        outcome = worker.start(settings.checked(script="score.py", input="in"))
        print(outcome.failure, outcome.failure.bad_input)
    """)
    assert printed.endswith(f"{line} {bad_input}\n")


def test_start_fails_later(simulation):
    """Where init() fails in the process that replaces a dead one, the run stops and keeps what succeeded."""
    simulation.script("""
        import os
        def init():
            if os.path.exists("died"):
                raise RuntimeError("no model")
        def run(mini_batch):
            if mini_batch[0].endswith("b"):
                open("died", "w").close()
                os._exit(1)
            return mini_batch
    """)
    simulation.inputs("a", "b", "c")
    printed = simulation.simulate("--processes", "1", "--mini-batch-size", "1", returncode=72)
    assert "first error: the worker process died: exit code 1 (mini-batch 1, Process-1)" in printed
    assert "failed: RuntimeError: no model (score.py:5 in init, starting Process-1)\n" in simulation.said
    assert simulation.rows == [simulation.path_of("a")]


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
    worker = int(process.stdout.readline())
    os.killpg(process.pid, signal.SIGINT)
    printed, said = process.communicate(timeout=60)
    assert (process.returncode, printed) == (130, "")
    assert said == "entry-script-helper: stopped by Ctrl-C; the same command with --resume goes on from here\n"
    assert simulation.rows == [simulation.path_of("a")]
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
    assert b"failed: ValueError: bad file (score.py:4 in check, mini-batch 1, Process-1)\r\n" in shown


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


def write_results(path, rows, then=None):
    with outputs.ResultFile(str(path)) as results:
        results.write(rows)
        if then:
            raise then


def test_output_stands_until_the_end(tmp_path):
    """An earlier run's result file stands where a run is no run at all, and nothing is left beside it."""
    path = tmp_path / "rows.txt"
    path.write_text("earlier\n")
    with pytest.raises(UsageError, match="no run"):
        write_results(path, b"row\n", then=UsageError("there is no run()"))
    assert path.read_text() == "earlier\n"
    assert list(tmp_path.iterdir()) == [path]


def test_output_can_not_be_written(tmp_path):
    """A full disk, or a directory in the way, is an error that names the file and the remedy."""
    path = tmp_path / "rows.txt"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6, hard))
    try:
        with pytest.raises(outputs.OutputError, match=r"rows\.txt can't be written: .*too large; free some space"):
            write_results(path, b"row 1\nrow 2\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())
    with pytest.raises(outputs.OutputError, match="directory"), outputs.ResultFile(str(path)):
        path.mkdir()
    with pytest.raises(outputs.OutputError, match="File exists"), outputs.ResultFile(__file__ + "/x"):
        pass


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
