"""The simulator's engine: every mini-batch ends as succeeded once, or failed with a reason, whatever a script does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from engine import Engine, errors, is_gone, wait_until

from entry_script_helper.simulator import pool, worker
from entry_script_helper.stacks import stacks


@pytest.fixture
def engine(tmp_path):
    return Engine(tmp_path)


@pytest.mark.parametrize(("processes", "size"), [(1, 3), (2, 1), (3, 100)])
def test_rows(engine, processes, size):
    """Each mini-batch's rows are in the result file once, and nothing is left beside it."""
    names = engine.inputs(50)
    engine.script("")
    result = engine.run(processes=processes, mini_batch_size=size)
    assert sorted(engine.rows) == names
    assert (result["items"], result["succeeded"], result["failed"]) == (50, 50, 0)
    assert (result["mini_batches"], result["succeeded_mini_batches"]) == (-(-50 // size), -(-50 // size))
    left = {file.name for file in engine.path.iterdir()} - {"__pycache__"}
    assert left == {"driver.py", "in", "job", "logs", "rows.txt", "score.py"}
    assert list((engine.path / "job" / "azureml-bi").iterdir()) == []


def test_rows_of_uneven_mini_batches(engine):
    """Mini-batches that turn out long after short ones are handed back, and are scored by whoever is free."""
    names = engine.inputs(60)
    engine.script("""
        import os, time
        def run(mini_batch):
            time.sleep(0.06 if mini_batch[0][-2:] in ("31", "35", "39") else 0)
            return [os.path.basename(path) for path in mini_batch]
    """)
    engine.run()
    assert sorted(engine.rows) == names


def test_tried_again(engine):
    """A mini-batch that failed is tried again, and its rows are there once."""
    names = engine.inputs(6)
    engine.script("""
        import os
        def run(mini_batch, context):
            if context.minibatch_index in (1, 4) and context.retry_count < 2:
                raise ValueError(f"try {context.retry_count}")
            return [os.path.basename(path) for path in mini_batch]
    """)
    result = engine.run()
    assert sorted(engine.rows) == names
    assert (result["retries"], result["failures"]) == (4, [])
    assert "failed: ValueError: try 0 (score.py:5 in run, mini-batch " in engine.said


def test_failed(engine):
    """A mini-batch that fails in all tries is failed for its last reason, and the others are not."""
    names = engine.inputs(4)
    engine.script("""
        import os
        def run(mini_batch, context):
            if context.minibatch_index == 2:
                raise ValueError(f"try {context.retry_count}")
            return [os.path.basename(path) for path in mini_batch]
    """)
    result = engine.run(73)
    assert errors(result) == ["ValueError: try 2"]
    assert 'score.py", line 5, in run' in result["failures"][0]["traceback"]
    assert "/simulator/" not in result["failures"][0]["traceback"]
    assert (result["succeeded"], result["failed"], result["failed_mini_batches"], result["retries"]) == (3, 1, 1, 2)
    assert sorted(engine.rows) == [name for name in names if name != "f0002"]


def test_all_failed(engine):
    """Where no item succeeds, the exit code says so, and no trace of the run is kept to go on with."""
    engine.inputs(2)
    engine.script("def run(mini_batch):\n    raise KeyError\n")
    result = engine.run(74, run_max_try=1)
    assert errors(result) == ["KeyError", "KeyError"]
    assert engine.rows == []
    assert not engine.part.exists()


DEATHS = {
    "exit code 0": "os._exit(0)",
    "exit code 3": "os._exit(3)",
    "killed by signal 9 (Killed)": "os.kill(os.getpid(), signal.SIGKILL)",
    "killed by signal 11 (Segmentation fault)": "ctypes.string_at(0)",
    "killed by signal 6 (Aborted)": "os.abort()",
    "exit code 15": "os.kill(os.getpid(), signal.SIGTERM)",
}


@pytest.mark.parametrize("reason", DEATHS)
def test_death(engine, reason):
    """A process that dies harms the mini-batch that it was at, and no other; a new one takes its number."""
    names = engine.inputs(40)
    engine.script(f"""
        import ctypes, os, signal
        from entry_script_helper import config
        def init():
            config().info("init")
        def run(mini_batch):
            if mini_batch[0].endswith("20"):
                {DEATHS[reason]}
            return [os.path.basename(path) for path in mini_batch]
    """)
    result = engine.run(73, processes=1)
    assert errors(result)[0].startswith(f"the worker process died: {reason}")
    assert result["failures"][0]["place"] == "mini-batch 20, Process-1"
    assert sorted(engine.rows) == [name for name in names if name != "f0020"]
    assert (result["deaths"], result["retries"], result["failed_mini_batches"]) == (3, 2, 1)
    assert engine.log().count("|init()|init\n") == 4
    if "signal 11" in reason:
        assert f"the stacks of its threads are in {engine.path}/logs/user/10.0.0.4/Process-1.txt" in errors(result)[0]
        assert "Fatal Python error: Segmentation fault" in engine.log()


def test_death_once(engine):
    """Where a second try goes well, the run does."""
    names = engine.inputs(9)
    engine.script("""
        import os
        def run(mini_batch, context):
            if context.minibatch_index % 4 == 0 and not context.retry_count:
                os._exit(1)
            return [os.path.basename(path) for path in mini_batch]
    """)
    result = engine.run()
    assert sorted(engine.rows) == names
    assert (result["deaths"], result["retries"]) == (3, 3)


def test_out_of_memory(engine):
    """A process that may not have more memory fails at the mini-batch that needs it, and scores the others."""
    names = engine.inputs(8)
    engine.script("""
        import os, resource
        def init():
            size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (size + 2**26, size + 2**26))
        def run(mini_batch):
            if mini_batch[0].endswith("3"):
                bytearray(2**30)
            if mini_batch[0].endswith("5"):
                held = []
                while True:
                    held.append(bytearray(1000))
            return [os.path.basename(path) for path in mini_batch]
    """)
    result = engine.run(73, run_max_try=1)
    for error in errors(result):  # Python itself does not always survive that its last byte is taken
        assert error.startswith(("MemoryError", "the worker process died"))
    assert len(errors(result)) == 2
    assert sorted(engine.rows) == [name for name in names if name not in ("f0003", "f0005")]


@pytest.mark.parametrize(
    "hang", ["time.sleep(1000)", "ctypes.PyDLL(None).pause()", "threading.Lock().acquire(), lock.acquire()"]
)
def test_hang(engine, hang):
    """A call that does not end in its time is stopped, also in C code that lets nothing else run; its stacks are kept."""
    names = engine.inputs(5)
    engine.script(f"""
        import ctypes, os, threading, time
        lock = threading.Lock()
        lock.acquire()
        def hang():
            {hang}
        def run(mini_batch):
            if mini_batch[0].endswith("2"):
                hang()
            return [os.path.basename(path) for path in mini_batch]
    """)
    result = engine.run(71, processes=1, run_invocation_timeout=1, run_max_try=2)
    log = f"{engine.path}/logs/user/10.0.0.4/Process-1.txt"
    assert errors(result) == [
        f"run() did not end within 1 s (run_invocation_timeout); the stacks of its threads are in {log}"
    ]
    assert engine.log().count('score.py", line 6 in hang') == 2
    assert sorted(engine.rows) == [name for name in names if name != "f0002"]
    assert result["timeouts"] == 2


def test_hang_in_init(engine):
    """An init() that does not end in its time is stopped, and tried again."""
    engine.inputs(2)
    engine.script("import time\ndef init():\n    time.sleep(1000)\n")
    result = engine.run(72, processes=1, run_invocation_timeout=0.5, run_max_try=2)
    assert errors(result)[0].startswith("init() did not end within 0.5 s (run_invocation_timeout); the stacks")
    assert result["failures"][0]["place"] == "starting Process-1"
    assert engine.log().count('score.py", line 7 in init') == 2


def test_hang_in_shutdown(engine):
    """A shutdown() that does not end is stopped as well: the rows are there, and the run has failed."""
    names = engine.inputs(2)
    engine.script("import time\ndef shutdown():\n    time.sleep(1000)\n")
    result = engine.run(73, processes=1, run_invocation_timeout=0.5)
    assert errors(result)[0].startswith("shutdown() did not end within 0.5 s")
    assert sorted(engine.rows) == names


def test_forked_child(engine):
    """A child that the script forks and lets run on comes out of run() too, and does nothing there."""
    names = engine.inputs(6)
    engine.script("""
        import os
        def run(mini_batch):
            if os.fork() == 0 and mini_batch[0].endswith("3"):
                raise ValueError("in the child")
            return [os.path.basename(path) for path in mini_batch]
    """)
    result = engine.run()
    assert sorted(engine.rows) == names
    assert result["failures"] == []


@pytest.mark.parametrize("end", ["os._exit(1)", "time.sleep(1000)"])
def test_children_of_a_dead_process(engine, end):
    """What a process that is gone has started is gone as well."""
    engine.inputs(1)
    engine.script(f"""
        import os, subprocess, sys, time
        def run(mini_batch):
            child = subprocess.Popen(["sleep", "1000"])
            with open({str(engine.path / "child")!r}, "w") as file:
                file.write(str(child.pid))
            {end}
    """)
    engine.run(71 if "sleep" in end else 74, processes=1, run_max_try=1, run_invocation_timeout=1)
    wait_until(lambda: is_gone(int((engine.path / "child").read_text())))


@pytest.mark.parametrize(
    ("code", "error", "exit_code"),
    [
        ("return None", "TypeError: run() returned None, but it must return a list", 74),
        ("return (path for path in mini_batch)", "TypeError: run() returned a value of type generator, but", 74),
        ("return 'text'", "TypeError: run() returned a value of type str, but", 74),
        ("return ['\\ud800'] * 2", "UnicodeEncodeError: ", 74),
        ("return [Hostile()] * 2", "ZeroDivisionError: division by zero", 74),
        ("raise Unpicklable(Hostile())", "Unpicklable: <Unpicklable object, whose __str__ raised ZeroDivisionError>", 74),
        ("import sys; sys.exit(3)", "SystemExit: 3", 74),
        ("raise GeneratorExit", "GeneratorExit", 74),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", 74),
        ("return []", "run() returned 0 items for a mini-batch of 2 items: 2 of the mini-batch's count as failed", 74),
        ("return [1]", "run() returned 1 item for a mini-batch of 2 items: 1 of the mini-batch's counts as failed", 73),
    ],
)  # fmt: skip
def test_wrong_results(engine, code, error, exit_code):
    """What can't be a result, or not for all, is a failure that says why."""
    engine.inputs(2)
    engine.script(f"""
        import threading
        class Hostile:
            lock = threading.Lock()
            def __str__(self):
                1 / 0
        class Unpicklable(Exception):
            def __init__(self, first):
                super().__init__(first)
                self.lock = threading.Lock()
        def run(mini_batch):
            {code}
    """)
    result = engine.run(exit_code, mini_batch_size=2, run_max_try=1)
    assert errors(result)[0].startswith(error)
    assert result["failures"][0]["place"].endswith("mini-batch 0, Process-1") or "Process-2" in str(result["failures"])


def test_more_results_than_items(engine):
    """Results beyond the mini-batch's items are written, and count for no more than the items."""
    engine.inputs(3)
    engine.script("def run(mini_batch):\n    return [*mini_batch, open]\n")
    result = engine.run(mini_batch_size=2, processes=1)
    assert (result["succeeded"], len(engine.rows)) == (3, 5)


def test_results_that_can_not_be_pickled(engine):
    """A result item needs nothing but a text."""
    engine.inputs(2)
    engine.script("import threading\ndef run(mini_batch):\n    return [threading.Lock(), lambda: 0]\n")
    assert engine.run(mini_batch_size=2)["succeeded"] == 2
    assert engine.rows[0].startswith("<unlocked _thread.lock")


def test_summary_only(engine):
    """With summary_only the results are counted, and no file is written."""
    engine.inputs(5)
    engine.script("")
    result = engine.run(output_action="summary_only")
    assert (result["succeeded"], result["output"]) == (5, None)
    assert not engine.output.exists()


def test_init_fails_everywhere(engine):
    """Where init() fails in every process, as often as it may be tried, the run stops with the service's code."""
    engine.inputs(3)
    engine.script("def init():\n    raise RuntimeError('no model')\n")
    result = engine.run(72)
    assert errors(result) == ["RuntimeError: no model"] * 2
    assert sorted(failure["place"] for failure in result["failures"]) == [
        "score.py:6 in init, starting Process-1",
        "score.py:6 in init, starting Process-2",
    ]
    assert (result["succeeded"], result["failed"], result["failed_mini_batches"]) == (0, 3, 0)


def test_init_fails_in_one_process(engine):
    """Where init() fails in one process only, the others score all."""
    names = engine.inputs(30)
    engine.script("""
        import multiprocessing
        def init():
            if multiprocessing.current_process().name == "Process-2":
                raise RuntimeError("no model")
    """)
    result = engine.run()
    assert sorted(engine.rows) == names
    assert errors(result) in (["RuntimeError: no model"], [])  # all may be scored before its last try
    assert "failed: RuntimeError: no model (score.py:9 in init, starting Process-2)" in engine.said


def test_init_fails_at_first(engine):
    """An init() that fails is tried again in a new process."""
    names = engine.inputs(4)
    engine.script(f"""
        import os
        def init():
            if not os.path.exists({str(engine.path / "tried")!r}):
                open({str(engine.path / "tried")!r}, "w").close()
                os._exit(4)
    """)
    result = engine.run(processes=1)
    assert sorted(engine.rows) == names
    assert result["failures"] == []
    assert "failed: the worker process died: exit code 4 (starting Process-1)" in engine.said


def test_init_fails_later(engine):
    """Where init() fails in the processes that replace a dead one, the run stops and keeps what succeeded."""
    engine.inputs(3)
    engine.script(f"""
        import os
        def init():
            if os.path.exists({str(engine.path / "died")!r}):
                raise RuntimeError("no model")
        def run(mini_batch):
            if mini_batch[0].endswith("1"):
                open({str(engine.path / "died")!r}, "w").close()
                os._exit(1)
            return [os.path.basename(path) for path in mini_batch]
    """)
    result = engine.run(72, processes=1)
    assert errors(result) == ["RuntimeError: no model"]
    assert engine.rows == ["f0000"]


def test_no_entry_script(engine):
    """A script without run() is bad input, and leaves nothing."""
    engine.inputs(1)
    (engine.path / "score.py").write_text("def walk(): pass\n")
    result = engine.run(2)
    assert "score.py has no function run(): define run(mini_batch), returning a list" in result["error"]
    assert not engine.output.exists()
    assert not engine.part.exists()


@pytest.mark.parametrize("shutdown", ["def shutdown(): pass", ""])
def test_death_while_idle(engine, shutdown):
    """A process that dies when it has nothing to do is reported if its shutdown() is missed: else it does no harm."""
    engine.inputs(2)
    engine.script(f"""
        import os, threading, time
        os.chdir({str(engine.path)!r})
        def wait_until(done):
            while not done():
                time.sleep(0.01)
        def gone():
            try:
                return open(f"/proc/{{open('first').read()}}/stat").read().split()[2] == "Z"
            except FileNotFoundError:
                return True
        def run(mini_batch):
            if mini_batch[0].endswith("0"):
                wait_until(lambda: os.path.exists("{engine.path}/second"))
                with open("{engine.path}/first.new", "w") as file:
                    file.write(str(os.getpid()))
                os.rename("{engine.path}/first.new", "{engine.path}/first")
                threading.Timer(0.2, os._exit, (7,)).start()
            else:
                open("{engine.path}/second", "w").close()
                os.chdir("{engine.path}")
                wait_until(lambda: os.path.exists("first"))
                wait_until(gone)
                time.sleep(0.5)
            return mini_batch
        {shutdown}
    """)
    result = engine.run(73 if shutdown else 0)
    assert errors(result) == ["the worker process died: exit code 7"] * bool(shutdown)
    assert not shutdown or result["failures"][0]["place"].startswith("ending Process-")
    assert result["succeeded"] == 2


def test_dies_between_mini_batches(engine):
    """A process that dies between two mini-batches harms none of them; one that always does is given up."""
    names = engine.inputs(12)
    engine.script(f"""
        import os
        from entry_script_helper.simulator.worker import Worker
        def die(*_):
            os._exit(7)
        def run(mini_batch):
            if mini_batch[0].endswith("5") and not os.path.exists({str(engine.path / "died")!r}):
                open({str(engine.path / "died")!r}, "w").close()
                Worker.score = die
            return [os.path.basename(path) for path in mini_batch]
        def init():
            if os.path.exists({str(engine.path / "go")!r}):
                Worker.score = die
    """)
    result = engine.run(processes=1)
    assert sorted(engine.rows) == names
    assert (result["deaths"], result["retries"]) == (0, 0)
    assert "failed: the worker process died: exit code 7 (starting Process-1)" in engine.said
    (engine.path / "go").touch()
    assert errors(engine.run(72)) == ["the worker process died: exit code 7"] * 2


@pytest.mark.parametrize("shutdown", ["def shutdown(): pass", ""])
def test_dies_after_its_last_mini_batch(engine, shutdown):
    """A process that dies as soon as all is done is reported if its shutdown() is missed."""
    names = engine.inputs(3)
    engine.script(f"""
        import os
        from entry_script_helper.stacks import stacks
        def init():
            stacks().rest = lambda: os._exit(7)
        {shutdown}
    """)
    assert errors(engine.run(73 if shutdown else 0)) == ["the worker process died: exit code 7"] * 2 * bool(shutdown)
    assert sorted(engine.rows) == names


def test_process_that_can_not_report(engine):
    """A process that fails at reporting what it did, as where no memory is left even for that, is replaced."""
    names = engine.inputs(5)
    engine.script("""
        import os
        from entry_script_helper.simulator.worker import Worker
        def run(mini_batch):
            if mini_batch[0].endswith("3"):
                Worker._ended = None
            return [os.path.basename(path) for path in mini_batch]
    """)
    result = engine.run(73, processes=1, run_max_try=1)
    assert errors(result) == [
        "the worker process died: it could not report what it did: TypeError: 'NoneType' object is not callable"
    ]
    assert sorted(engine.rows) == [name for name in names if name != "f0003"]


def test_journal_is_gone(engine):
    """Where what a run has written is taken away from it, it ends with an error that says so."""
    engine.inputs(3)
    engine.script(f"""
        import os, shutil
        def run(mini_batch):
            shutil.rmtree({str(engine.part)!r})
            os._exit(1)
    """)
    assert "rows.txt can't be written: [Errno 2] No such file" in engine.run(2, processes=1)["error"]


def test_full_disk(engine):
    """On a disk that is full, what does not fit has failed for that reason, and the rest is there once."""
    disk = engine.path / "disk"
    disk.mkdir()
    if os.geteuid() or os.system(f"mount -t tmpfs -o size=256k tmpfs {disk} 2>/dev/null"):
        pytest.skip("mounting a small disk is not allowed here")
    try:
        names = engine.inputs(100)
        engine.script("""
            import os
            def run(mini_batch):
                return [os.path.basename(path) + "x" * 4000 for path in mini_batch]
        """)
        engine.output = disk / "rows.txt"
        result = engine.end(engine.launch(run_max_try=1))
        assert result["exit_code"] == 2
        assert "rows.txt can't be written: [Errno 28] No space left on device" in result["error"]
        assert not (disk / "rows.txt").exists()
        assert "the rows can't be written: [Errno 28] No space left on device" in engine.said
        os.system(f"mount -o remount,size=2m {disk}")
        result = engine.run(resume=True)
        assert 0 < result["resumed_mini_batches"] < 100
        assert sorted(row.rstrip("x") for row in engine.rows) == names
        assert {len(row) for row in engine.rows} == {4005}
    finally:
        os.system(f"umount -l {disk}")


def test_file_size_limit(engine):
    """Where a process may not write its rows, not even in part, its mini-batches have failed for that reason."""
    names = engine.inputs(8)
    engine.script("""
        import os, resource
        def run(mini_batch):
            if mini_batch[0].endswith("4"):
                return ["x" * 100_000]
            return [os.path.basename(path) for path in mini_batch]
        def init():
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    """)
    result = engine.run(73, run_max_try=1)
    assert errors(result)[0].startswith("the rows can't be written: [Errno 27] File too large; free some space")
    assert sorted(engine.rows) == [name for name in names if name != "f0004"]


def test_closed_files(engine):
    """A script that closes files that are not its own fails, and the others' rows are whole."""
    engine.inputs(4)
    engine.script("""
        import os
        def run(mini_batch):
            if mini_batch[0].endswith("2"):
                os.closerange(3, 100)
            return [os.path.basename(path) for path in mini_batch]
    """)
    result = engine.run(73, processes=1, run_max_try=1)
    assert result["failed_mini_batches"] >= 1
    assert set(engine.rows) <= {"f0000", "f0001", "f0003"}


@pytest.mark.parametrize("code", ["time.sleep(1000)", "ctypes.PyDLL(None).pause()"])
def test_interrupt(engine, code):
    """Ctrl-C ends the run and its processes, also those that hang; what succeeded is kept for --resume."""
    names = engine.inputs(40)
    engine.script(f"""
        import ctypes, os, time
        def run(mini_batch):
            if mini_batch[0].endswith("10") and not os.path.exists({str(engine.path / "go")!r}):
                with open({str(engine.path / "hangs")!r}, "w") as file:
                    file.write(str(os.getpid()))
                {code}
            return [os.path.basename(path) for path in mini_batch]
    """)
    process = engine.launch(processes=1, start_new_session=True)
    wait_until((engine.path / "hangs").exists)
    os.killpg(process.pid, signal.SIGINT)
    result = engine.end(process)
    assert result["exit_code"] == 130
    assert result["error"] == (
        "stopped by Ctrl-C after 10 of 40 mini-batches, which are kept: the same command with --resume goes on with the "
        "others"
    )
    assert all(map(is_gone, engine.workers()))
    assert not engine.output.exists()
    (engine.path / "go").touch()
    assert engine.run(resume=True)["resumed_mini_batches"] == 10
    assert sorted(engine.rows) == names


def test_interrupt_before_anything_is_done(engine):
    """Ctrl-C while nothing has succeeded says only that; --resume is possible all the same."""
    names = engine.inputs(2)
    engine.script(f"""
        import os, time
        def init():
            open({str(engine.path / "there")!r}, "w").close()
            while not os.path.exists({str(engine.path / "go")!r}):
                time.sleep(0.01)
    """)
    process = engine.launch()
    wait_until((engine.path / "there").exists)
    process.send_signal(signal.SIGINT)
    assert engine.end(process)["error"] == "stopped by Ctrl-C after 0 of 2 mini-batches"
    (engine.path / "go").touch()
    engine.run(resume=True)
    assert sorted(engine.rows) == names


def test_threshold(engine):
    """A run stops when its failures are beyond a threshold, and says which; what succeeded is there."""
    names = engine.inputs(40)
    engine.script("""
        import os, time
        def run(mini_batch):
            if mini_batch[0].endswith(("3", "4", "5")):
                raise ValueError
            return [os.path.basename(path) for path in mini_batch]
    """)
    result = engine.run(73, processes=1, run_max_try=1, mini_batch_error_threshold=2)
    assert result["stopped"] == "3 failed mini-batches, more than the mini_batch_error_threshold of 2"
    assert result["succeeded_mini_batches"] < 37
    assert len(engine.rows) == result["succeeded"] == len(set(engine.rows) & set(names))


@pytest.mark.parametrize("threshold", [{"error_threshold": -1}, {"allowed_failed_percent": 10}])
def test_within_a_threshold(engine, threshold):
    """Failures within the threshold that was given are none of the run."""
    engine.inputs(40)
    engine.script("def run(mini_batch):\n    return [1 / (not mini_batch[0].endswith('03'))]\n")
    result = engine.run(run_max_try=2, **threshold)
    assert (result["failed"], result["failed_mini_batches"], result["retries"]) == (1, 1, 1)
    assert not engine.part.exists()


def test_in_this_process(engine):
    """With 0 processes the script runs in the very process of the master."""
    names = engine.inputs(4)
    engine.script("""
        import os, threading
        from entry_script_helper import config
        def init():
            config().info("%s", os.getpid())
        def run(mini_batch, context):
            if context.minibatch_index == 2 and not context.retry_count:
                raise ValueError
            return [os.path.basename(path) for path in mini_batch]
    """)
    process = engine.launch(processes=0)
    result = engine.end(process)
    assert sorted(engine.rows) == names
    assert result["retries"] == 1
    assert f"|{process.pid}|" in engine.log("MainProcess.txt")


@pytest.mark.parametrize(
    ("code", "error", "exit_code"),
    [
        ("def run(mini_batch):\n    return mini_batch\ndef init():\n    1 / 0", "ZeroDivisionError: division by zero", 72),
        ("def run(mini_batch):\n    return mini_batch\ndef shutdown():\n    1 / 0", "ZeroDivisionError: division", 73),
        ("def run(mini_batch):\n    import sys; sys.exit()", "SystemExit", 74),
        ("run = None", "has no function run()", 2),
    ],
)  # fmt: skip
def test_failures_in_this_process(engine, code, error, exit_code):
    """With 0 processes failures are what they are with more."""
    engine.inputs(1)
    (engine.path / "score.py").write_text(code)
    result = engine.run(exit_code, processes=0)
    assert error in (result["error"] if exit_code == 2 else errors(result)[0])


def test_failure_that_can_not_be_written(engine):
    """A failure is told though its script closed the journal's descriptor."""
    engine.inputs(1)
    engine.script("""
        import os
        def run(mini_batch):
            for name in os.listdir("/proc/self/fd"):
                if os.path.realpath(f"/proc/self/fd/{name}").endswith(".journal"):
                    os.close(int(name))
            raise ValueError("all is closed")
    """)
    result = engine.run(74, processes=0, run_max_try=1)
    assert [error.partition(" (")[0] for error in errors(result)] == ["ValueError: all is closed"]


def test_worker_without_a_place(engine):
    """A process that can't write its journal says so."""
    engine.script("")
    program = (
        "import os; from entry_script_helper.simulator import worker; from entry_script_helper.simulator.settings "
        "import Settings; print(worker.arrive(Settings('score.py', (), 'rows', '.'), '/no/such', os.getpid()).error)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=engine.path, capture_output=True, text=True, check=True)
    assert done.stdout == (
        "the process can't write its journal: [Errno 2] No such file or directory: "
        f"'/no/such/MainProcess.{done.stdout.split('MainProcess.')[1].split('.')[0]}.journal'\n"
    )


def test_child_comes_out_of_a_call(monkeypatch, tmp_path):
    """A forked child that comes out of a call of the script ends there, as it came out."""
    ends = []
    monkeypatch.setattr(os, "_exit", ends.append)
    watch = worker._Watch(str(tmp_path / "log"), 60.0)
    watch._process = 1
    with watch:
        pass
    with pytest.raises(ValueError), watch:
        raise ValueError
    stacks().rest()
    assert ends == [0, 1]


def test_end_without_a_master(monkeypatch):
    """A worker process whose master is gone ends itself, with all that it has started."""
    killed = []
    parents = iter([4711, 4711, 1])
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    monkeypatch.setattr(os, "killpg", lambda *arguments: killed.append(arguments))
    monkeypatch.setattr(worker.time, "sleep", lambda seconds: None)
    worker._leave_after(4711)
    assert killed == [(os.getpid(), signal.SIGKILL)]


def test_slot_of_this_process():
    """This very process is a slot that runs a task at once, and does not die."""
    slot = pool.ThisProcess()
    assert (slot.result(slot.submit(max, 1, 2)), slot.name) == (2, "MainProcess")


def test_process_that_was_not_started():
    """A process that was made and not started, as where Ctrl-C comes between, is no trouble for what ends it."""
    slot = pool.Slot(1)
    slot._context.Process(target=print)
    slot.abandon()


def test_interrupt_in_this_process(engine):
    """With 0 processes Ctrl-C, or leaving the debugger, stops the run as well."""
    engine.inputs(2)
    engine.script("""
        import bdb
        def run(mini_batch):
            if mini_batch[0].endswith("1"):
                raise bdb.BdbQuit
            return mini_batch
    """)
    assert engine.run(130, processes=0)["error"].startswith("stopped by Ctrl-C after 1 of 2 mini-batches, which are")


def test_debugger(engine):
    """With pdb the debugger opens where the script raises; at the end of its input the run stops, as with q."""
    engine.inputs(1)
    engine.script("def run(mini_batch):\n    precious = 41\n    1 / 0\n")
    process = engine.launch(processes=0, pdb=True, run_max_try=1)
    assert engine.end(process)["error"].startswith("stopped by Ctrl-C")
    assert "-> 1 / 0" in engine.printed


def test_sample(engine):
    """A sample has a result file of its own, and leaves a whole run's, and what is kept of it, as they were."""
    names = engine.inputs(9)
    engine.script("def run(mini_batch):\n    return [1 / 0] if mini_batch[0].endswith('4') else ['whole']\n")
    engine.run(73, run_max_try=1)
    whole = engine.rows
    kept = sorted(os.listdir(engine.part))
    engine.script("")
    result = engine.run(first=3)
    assert (result["items"], result["mini_batches"], result["succeeded"]) == (3, 3, 3)
    engine.output, output = engine.path / "rows.txt.sample", engine.output
    assert sorted(engine.rows) == names[:3]
    engine.output = output
    result = engine.run(mini_batch=4)
    assert (engine.path / "rows.txt.sample").read_text() == "f0004\n"
    assert (engine.rows, sorted(os.listdir(engine.part))) == (whole, kept)
    assert not (engine.path / "rows.txt.sample.part").exists()
    assert engine.run(2, mini_batch=9)["error"] == "--mini-batch: there is none of index 9: give 0 to 8"
    engine.run(resume=True)
    assert sorted(engine.rows) == ["f0004", *["whole"] * 8]
