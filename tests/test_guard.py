"""`@guard`: what happened to a call is in the log, and the call is as it was."""

from __future__ import annotations

import inspect
import json
import logging
import pickle
import re
import signal
import subprocess
import sys

import pytest

from entry_script_helper import UsageError, config, contract, guard
from entry_script_helper.testing import isolated

GUARD = "from entry_script_helper import guard\nimport ctypes, threading, time\n"
TIMES = r"after \d+\.\d{3} s \(\d+\.\d{3} s of processor time\)"


@guard
def run(mini_batch, context=None, *, flag=False):
    """Score."""
    if isinstance(mini_batch, BaseException):
        raise mini_batch
    return mini_batch


class Model:
    def __init__(self):
        self.calls = []

    @guard
    def init(self):
        config("model")
        self.calls.append("init")

    @guard(logger="model")
    def run(self, mini_batch):
        self.calls.append(mini_batch)
        return mini_batch[1:]

    @guard
    @staticmethod
    def shutdown():
        return "static"

    @guard
    @classmethod
    def made(cls):
        return cls


@pytest.fixture
def logs(tmp_path):
    with isolated(tmp_path) as logs:
        yield logs


def said(logs):
    return [(record.level, record.func_name, record.message) for record in logs.records()]


def error_file(logs):
    (file,) = [file for file in logs_directory(logs).iterdir() if file.name.endswith(".error.json")]
    return json.loads(file.read_text())


def logs_directory(logs):
    from pathlib import Path

    return Path(logs.path).parent


def test_a_call_is_one_line(logs):
    """Each call leaves a line with its times, of run() also the items in, out and succeeded; the result is the same."""
    config("score")
    batch = ["a", "b"]
    assert run(batch) is batch
    ((level, function, message),) = said(logs)
    assert (level, function) == ("INFO", "run")
    assert re.fullmatch(rf"run\(\) ended {TIMES}, 2 items in, 2 out, 2 succeeded", message)


def test_methods(logs):
    """Methods, static ones and those of the class can be guarded; init() has no items, and may be what configures."""
    model = Model()
    model.init()
    assert model.run(["a", "b"]) == ["b"]
    assert (model.shutdown(), model.made()) == ("static", Model)
    assert model.calls == ["init", ["a", "b"]]
    messages = [message for _, _, message in said(logs)]
    assert re.fullmatch(rf"init\(\) ended {TIMES}", messages[0])
    assert re.fullmatch(rf"run\(\) ended {TIMES}, 2 items in, 1 out, 1 succeeded", messages[1])
    assert messages[2].startswith("run() returned 1 item for a mini-batch of 2 items: ")
    assert messages[3].startswith("shutdown() ended")
    assert {record.logger for record in logs.records()} == {"model"}


def test_the_context_names_the_mini_batch(logs):
    """Where run() is given the service's context, the line says which mini-batch it was; JSON has all as keys."""

    class Context:
        minibatch_index = 7
        retry_count = 1

    config("score", json=True)
    run(mini_batch=["a"], context=Context())
    (record,) = logs.records()
    assert record["event"].startswith("run() of mini-batch 7 ended")
    wanted = {"function": "run", "outcome": "succeeded", "items_in": 1, "items_out": 1, "items_succeeded": 1}
    assert wanted.items() <= record.items()
    assert (record["minibatch_index"], record["retry_count"], record["func_name"]) == (7, 1, "run")
    assert record["elapsed_seconds"] >= 0
    assert record["processor_seconds"] >= 0


def test_debug_shows_the_start(logs):
    """At the level DEBUG a call also leaves a line when it begins: of a killed process, that is the last one."""
    config("score", "DEBUG")
    run([])
    assert said(logs)[0] == ("DEBUG", "run", "run() begins")


def test_a_level_that_is_off(logs):
    """Where the logger takes only errors, a call that ends well leaves no line."""
    config("score", "ERROR")
    assert run(["a"]) == ["a"]
    assert said(logs) == []


def test_without_configuration(logs):
    """Where nothing was configured, the line goes to the logger EntryScript, in this process's file."""
    run([])
    assert [record.logger for record in logs.records()] == ["EntryScript"]


def test_a_logger_of_ones_own(logs, caplog):
    """A logger that is given is used as it is, also without a file of ours."""
    guarded = guard(logger=logging.getLogger("own"))(lambda: 5)
    with caplog.at_level("INFO", "own"):
        assert guarded() == 5
    assert caplog.messages[0].startswith("<lambda>() ended after ")
    assert logging.getLogger("own").handlers == []


def test_the_exception(logs):
    """An exception is logged with its traceback, described in a JSON file, and raised again: itself, unchanged."""
    config("score")
    error = ValueError("bad %s, password=hunter2\nsecond line")
    with pytest.raises(ValueError) as raised:
        run(error, None)
    assert raised.value is error
    assert (error.__cause__, error.__context__) == (None, None)
    ((level, function, message),) = said(logs)
    assert (level, function) == ("ERROR", "run")
    first, *traceback = message.split("\n")
    found = error_file(logs)
    file = f"{logs.path[:-4]}.{logs.records()[0].process}.error.json"
    assert re.fullmatch(
        rf"run\(\) failed {TIMES}, 0 items in: ValueError: bad %s, password=\[REDACTED\]; described in .*", first
    )
    assert first.endswith(file)
    assert traceback[0] == "Traceback (most recent call last):"
    assert "in run" in traceback[1]
    assert traceback[-2:] == ["ValueError: bad %s, password=[REDACTED]", "second line"]
    assert found["count"] == 1
    assert found["first"] == found["last"]
    first = found["first"]
    assert first["error"] == "ValueError: bad %s, password=[REDACTED]"
    assert first["traceback"].split("\n")[-3:-1] == traceback[-2:]
    assert first["exception"][0]["exc_type"] == "ValueError"
    assert [frame["name"] for frame in first["exception"][0]["frames"]] == ["run"]
    assert (first["function"], first["outcome"], first["log_file"]) == ("run", "failed", logs.path)
    assert "hunter2" not in json.dumps(found) + logs.text()


def test_the_keys_of_the_error_file(logs):
    """The error file counts the exceptions and keeps the first and the last, with the items of their mini-batches."""

    @guard
    def run(mini_batch):
        mini_batch.clear()
        raise KeyError(len(mini_batch))

    for size in (200, 2, 1):
        with pytest.raises(KeyError):
            run([f"file {number}" for number in range(size)])
    found = error_file(logs)
    assert found["count"] == 3
    assert found["first"]["items_in"] == 200
    assert found["first"]["items"] == [f"file {number}" for number in range(100)]
    assert found["last"]["items"] == ["file 0"]
    assert [file.suffix for file in logs_directory(logs).iterdir()].count(".tmp") == 0


def test_sys_exit_is_an_exception(logs):
    """SystemExit and KeyboardInterrupt are reported too: in a worker process they end a mini-batch like any other."""
    for error in (SystemExit(3), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            run(error)
    assert ["SystemExit: 3" in logs.text(), ": KeyboardInterrupt; described" in logs.text()] == [True, True]


def test_nested_guards_report_once(logs):
    """An exception that passes through two guarded functions has its traceback in the log once."""

    @guard
    def init():
        raise ValueError("inner")

    @guard
    def run(mini_batch):
        if mini_batch:
            return init()
        try:
            init()
        except ValueError:
            raise ValueError("outer") from None

    for batch in (["a"], []):
        with pytest.raises(ValueError):
            run(batch)
    messages = [message for _, _, message in said(logs)]
    assert ["Traceback" in message for message in messages] == [True, False, True, True]
    assert messages[1].endswith("1 item in: ValueError: inner (its traceback is above)")
    assert error_file(logs)["count"] == 3


def test_the_contract(logs):
    """What run() returned is held against the contract; a generator comes back as it was, not consumed."""
    config("score")

    @guard
    def run(mini_batch):
        return (item for item in mini_batch)

    assert list(run(["a"])) == ["a"]
    assert said(logs)[1] == ("WARNING", "run", contract.judge((x for x in ""), 1).problem)


def test_the_signature_is_kept():
    """A driver that asks for run's parameters, in whichever way, is told the function's own."""
    for ask in (inspect.signature, inspect.getfullargspec):
        assert ask(run) == ask(run.__wrapped__)
    assert list(inspect.signature(run).parameters) == ["mini_batch", "context", "flag"]
    assert (run.__name__, run.__doc__, run.__module__) == ("run", "Score.", __name__)
    assert pickle.loads(pickle.dumps(run)) is run
    assert list(inspect.signature(Model().run).parameters) == ["mini_batch"]


def test_callables(logs):
    """What is called but is no function can be guarded: an object, a function of C."""

    class Called:
        def __call__(self, mini_batch):
            return mini_batch

    assert guard(Called())(5) == 5
    assert guard(max)(5, 6) == 6
    assert [message.partition(" ended")[0] for _, _, message in said(logs)] == ["Called()", "max()"]


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), True, "60"])
def test_a_timeout_that_is_none(timeout):
    """A timeout that can't be meant is an error when the function is decorated."""
    with pytest.raises(UsageError, match=r"timeout: .* is not a time: give seconds, more than 0, or None"):
        guard(timeout=timeout)


def test_no_function():
    """What can't be called is an error when it is decorated."""
    with pytest.raises(UsageError, match="guard: int is not a function: put @guard above init, run or shutdown"):
        guard(5)


def test_hostile_arguments(logs):
    """No argument, result or exception can make a guarded function behave otherwise than without the guard."""

    class Hostile(list):
        def __len__(self):
            raise RuntimeError("no length")

        __getitem__ = __iter__ = __repr__ = __str__ = __len__

        def __getattr__(self, name):
            raise RuntimeError("no attribute")

    class HostileError(Exception):
        def __str__(self):
            raise RuntimeError("no text")

        @property
        def __cause__(self):
            raise RuntimeError("no cause")

    config("score")
    batch = Hostile()
    assert run(batch, batch) is batch
    with pytest.raises(HostileError):
        run(HostileError())
    assert run(["a"]) == ["a"]
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        run()
    assert ["run() ended" in logs.text(), "HostileError: <HostileError object, whose __str__" in logs.text()] == [
        True,
        True,
    ]
    first = error_file(logs)["first"]
    assert first["exception"] is None
    assert first["traceback"].startswith("HostileError, whose traceback can't be formatted: no cause")


def test_a_guard_that_fails_says_so_once(logs, monkeypatch, capsys):
    """Where the guard's own work fails, that is said once on stderr, and the function goes on."""
    config("score")
    monkeypatch.setattr(logging.Logger, "makeRecord", lambda *args, **kwargs: 1 / 0)
    assert [run([]), run([])] == [[], []]
    with pytest.raises(ValueError):
        run(ValueError())
    said = "entry_script_helper: @guard could not do its work: ZeroDivisionError: division by zero\n"
    assert capsys.readouterr().err == said
    monkeypatch.setattr(contract, "count", lambda mini_batch: 1 / 0)
    assert run([]) == []


def test_endless_recursion(logs):
    """A function that never ends its recursion raises RecursionError with the guard as without."""

    @guard
    def run(mini_batch):
        return run(mini_batch)

    with pytest.raises(RecursionError):
        run([])
    assert list(filter(None, [record.level for record in logs.records()]))


def test_no_place_for_the_error_file(workplace):
    """Where the error file can't be written, the exception is the function's own, and the file before stays whole."""
    workplace.run(
        GUARD,
        """
        import resource, signal
        config("score")
        @guard
        def run(mini_batch):
            raise ValueError("the function's own")
        def attempt():
            try:
                run([])
            except ValueError as error:
                print(error)
        attempt()
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        attempt()
        attempt()
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        """,
        stderr=None,
    )
    assert workplace.said.count("error.json can't be written: [Errno 27] File too large") == 1
    (name,) = [name for name in workplace.files() if "error" in name]
    assert json.loads(workplace.files()[name])["count"] == 1
    assert [message.startswith("run() failed") for message in workplace.records()] == [True, True, True]
    assert "; described in" not in workplace.records()[1].split("\n")[0]


def test_the_error_file_of_an_earlier_process_stays(workplace):
    """An error file that an earlier process of the same name and id left is not overwritten; a child has its own."""
    workplace.run(
        GUARD,
        """
        config("score")
        def fail(text):
            try:
                guard(lambda: int(text))()
            except ValueError:
                pass
        path = EntryScriptHelper().get_log_file_path()[:-4]
        earlier = f"{path}.{os.getpid()}.error.json"
        open(earlier, "w").write("earlier")
        fail("a")
        if os.fork() == 0:
            open(f"{path}.{os.getpid()}.error.json.tmp", "w").write("half a file")
            fail("b")
            sys.exit()
        os.wait()
        assert open(earlier).read() == "earlier"
        """,
    )
    found = [json.loads(text) for name, text in workplace.files().items() if name.endswith(".json") and text[0] == "{"]
    assert sorted((each["first"]["error"][-3:], each["count"]) for each in found) == [("'a'", 1), ("'b'", 1)]
    assert not [name for name in workplace.files() if name.endswith(".tmp")]


def test_a_long_text_is_cut(logs):
    """An exception of megabytes leaves a small error file, and a secret in it can't be cut into something else."""
    with pytest.raises(ValueError):
        run(ValueError("x" * 32_000 + "password=" + "hunter2" * 1_000_000))
    text = json.dumps(error_file(logs))
    assert len(text) < 300_000
    assert "hunter2" not in text
    with pytest.raises(ValueError):
        run(ValueError("y" * 1_000_000))
    assert "characters left out" in error_file(logs)["last"]["traceback"]


HANG = """
config("score")
def hang(seconds):
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))  # holds the interpreter's lock
@guard(timeout=0.5)
def run(mini_batch):
    hang(0.8)
    return mini_batch
"""


def test_stacks_before_the_timeout(workplace):
    """Shortly before the timeout all threads' stacks are in the process's log, also where C code holds the lock."""
    workplace.run(
        GUARD,
        HANG,
        """
        event = threading.Event()
        def wait_elsewhere():
            event.wait()
        thread = threading.Thread(target=wait_elsewhere)
        thread.start()
        run(["a"])
        event.set()
        thread.join()
        """,
    )
    text = workplace.files()["MainProcess.txt"]
    stacks, _, rest = text.partition("|score|")
    assert "Timeout (0:00:00.4" in stacks
    assert re.search(r'line \d+ in hang\n  File ".*", line \d+ in run\n', stacks)
    assert "in wait_elsewhere" in stacks
    assert re.match(
        r"WARNING\|\d+\|\d+\|run\(\)\|run\(\) took 0\.\d{3} s of the 0\.5 s that it may take: the stacks that all "
        rf"threads had before that are in {workplace.folder}/MainProcess\.txt\n",
        rest,
    )


def test_stacks_of_a_process_that_is_killed(workplace):
    """Where the service kills a process that hangs, the stacks are in its log by then."""
    process = workplace.start(GUARD, HANG.replace("0.8", "100"), "print('x', flush=True)\nrun(['a'])")
    try:
        assert process.stdout.readline() == "x\n"
        while "in hang" not in workplace.files()["MainProcess.txt"]:
            assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


def test_no_stacks_in_time(workplace):
    """A call that ends in time leaves no stacks, however long the process lives on."""
    workplace.run(GUARD, HANG.replace("0.8", "0"), "run(['a'])\nhang(0.8)")
    assert len(workplace.records()) == 1


def test_stacks_beside_json(workplace):
    """Where the log holds JSON, the stacks are in a file beside it, which is not left where it is empty."""
    code = (GUARD, HANG.replace('config("score")', 'config("score", json=True)'))
    workplace.run(*code, "run(['a'])")
    assert "in hang" in workplace.files()["MainProcess.stacks.txt"]
    assert [found["level"] for found in workplace.objects()] == ["WARNING", "INFO"]
    (workplace.folder / "MainProcess.stacks.txt").unlink()
    workplace.run(GUARD, HANG.replace("0.8", "0").replace('"score")', '"score", json=True)'), "run(['a'])")
    assert sorted(workplace.files()) == ["MainProcess.jsonl"]


@pytest.mark.parametrize("json_", [False, True])
def test_a_native_crash(workplace, json_):
    """Where native code crashes, all threads' stacks are in the process's log, or beside it where that holds JSON."""
    workplace.run(
        GUARD,
        f"""
        @guard
        def init():
            config("score", json={json_})
        @guard
        def run(mini_batch):
            ctypes.string_at(0)
        init()
        run(["a"])
        """,
        returncode=-signal.SIGSEGV,
    )
    text = workplace.files()["MainProcess.stacks.txt" if json_ else "MainProcess.txt"]
    assert re.search(r'Fatal Python error: Segmentation fault\n(.*\n)*  File ".*", line \d+ in run\n', text)
    assert not [name for name, text in workplace.files().items() if not text]


def test_faulthandler_of_others(workplace):
    """Where faulthandler is enabled already, a crash is shown where that was meant to be; a timeout in the log."""
    workplace.run(
        GUARD,
        HANG,
        """
        run(["a"])
        for fails in (True, False):
            if os.fork() == 0:
                if fails:
                    ctypes.string_at(0)
                sys.exit()
            os.wait()
        guard(ctypes.string_at)(0)
        """,
        env={"PYTHONFAULTHANDLER": "1"},
        returncode=-signal.SIGSEGV,
        stderr=None,
    )
    assert workplace.said.count("Fatal Python error: Segmentation fault") == 2
    assert "in hang" in workplace.files()["MainProcess.txt"]


def test_forks(workplace):
    """A child that is forked while a timer is armed neither hangs nor shares the parent's file, and can arm its own."""
    printed = workplace.run(
        GUARD,
        HANG,
        """
        @guard(timeout=100)
        def parent(mini_batch):
            for what in ("crash", "hang", "exit"):
                child = os.fork()
                if child == 0:
                    if what == "crash":
                        ctypes.string_at(0)
                    if what == "hang":
                        run(["a"])
                        print(EntryScriptHelper().get_log_file_path(), flush=True)
                        os._exit(0)
                    sys.exit(5)  # ends the interpreter, which stops faulthandler's timer
                print(what, os.wait()[1], flush=True)
        parent([])
        """,
        stderr=None,
    )
    crash, path, hang, exited = printed.splitlines()
    assert (crash.split()[1], hang, exited) in {("11", "hang 0", "exit 1280"), ("139", "hang 0", "exit 1280")}
    assert "Fatal Python error: Segmentation fault" in workplace.said
    files = workplace.files()
    name = path.rpartition("/")[2]
    assert name != "MainProcess.txt"
    assert "in hang" in files.pop(name)
    assert not [text for text in files.values() if "in hang" in text or "Segmentation" in text]


def test_the_timer_goes_on_after_a_fork(workplace):
    """A fork does not disarm the parent's timer."""
    workplace.run(
        GUARD,
        """
        config("score")
        @guard(timeout=1)
        def run(mini_batch):
            if os.fork() == 0:
                os._exit(0)
            os.wait()
            time.sleep(1.2)
        run([])
        """,
        stderr=None,
    )
    assert "Timeout (0:00:00." in workplace.files()["MainProcess.txt"]


def test_nested_timeouts(workplace):
    """Of nested calls, in one thread or several, each one's stacks are written when its own time is nearly over."""
    workplace.run(
        GUARD,
        """
        config("score")
        @guard(timeout=100)
        def quick():
            pass
        @guard(timeout=0.3)
        def inner():
            time.sleep(0.5)
        @guard(timeout=1)
        def outer():
            inner()
            thread = threading.Thread(target=quick)
            thread.start()
            thread.join()
            quick()
            time.sleep(0.8)
        outer()
        """,
    )
    text = workplace.files()["MainProcess.txt"]
    stacks = re.findall(r"Timeout .*\n(?:Thread .*\n(?:  File .*\n)+\n?)+", text)
    assert [("in inner" in each, "in outer" in each) for each in stacks] == [(True, True), (False, True)]
    assert re.findall(r"(\w+)\(\) took", text) == ["inner", "outer"]


def test_the_file_is_deleted(workplace):
    """Where the log was deleted meanwhile, the stacks go to the new one."""
    workplace.run(
        GUARD,
        HANG,
        """
        guard(timeout=9)(len)([])
        os.unlink(EntryScriptHelper().get_log_file_path())
        run(["a"])
        """,
    )
    assert "in hang" in workplace.files()["MainProcess.txt"]


def test_no_file_for_the_stacks(workplace):
    """Where the log can't be opened, the stacks go to stderr, which is said once."""
    (workplace.path / "logs").write_text("in the way")
    workplace.run(GUARD, HANG, "run(['a'])\nrun(['a'])", stderr=None)
    assert workplace.said.count("stacks go to stderr, not to ") == 1
    assert workplace.said.count("in hang") == 2


def test_no_stderr_either(workplace):
    """Where even stderr is closed, the function runs all the same."""
    (workplace.path / "logs").write_text("in the way")
    printed = workplace.run(GUARD, HANG, "os.close(2)\nrun(['a'])\nprint('done')", stderr=None)
    assert printed == "done\n"


def test_no_thread_for_the_timer(workplace):
    """Where no thread can be started for the timer, that is said once, and the function runs all the same."""
    printed = workplace.run(
        GUARD,
        HANG,
        """
        import resource
        pages = int(open("/proc/self/statm").read().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**20, resource.RLIM_INFINITY))
        print(run(["a"]), run(["b"]))
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        """,
        stderr=None,
    )
    assert printed == "['a'] ['b']\n"
    assert workplace.said.count("no stacks will be written when time is over: unable to start watchdog thread") == 1


def test_guard_is_light():
    """Importing the package does not load what the guard needs."""
    code = "import sys, entry_script_helper; print('entry_script_helper.guardedcall' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"
