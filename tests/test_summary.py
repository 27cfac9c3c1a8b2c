"""What a summary says of real runs: of the simulator, with real processes that fail, hang and die."""

from __future__ import annotations

import functools
import os
import signal
import textwrap

import pytest
from test_simulator import Simulation

from entry_script_helper.errors import UsageError
from entry_script_helper.logtree.findings.summarising import summarise

LOGGING = """
import logging, os, sys, time
from entry_script_helper import EntryScriptHelper, guard
log = logging.getLogger("score")
def init():
    EntryScriptHelper().config("score")
def number(path):
    return int(os.path.basename(path))
"""


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


class Run(Simulation):
    """A run of the simulator, and the summary of its logs."""

    def summary(self, code, *arguments, files=8, returncode=73, **options):
        self.script(LOGGING + textwrap.dedent(code))
        self.inputs(*map(str, range(files)))
        quiet = ("--quiet", "--resource-monitor-interval", "0")
        self.simulate(
            "--processes", "2", "--mini-batch-size", "1", *quiet, *arguments, returncode=returncode, **options
        )
        return self.again()

    def again(self):
        return summarise(self.path)


def test_one_item_fails(run):
    """One failing item of many: the exception is the first cause, told by four files and counted once for each try."""
    summary = run.summary("""
        @guard
        def run(mini_batch):
            try:
                if number(mini_batch[0]) == 3:
                    raise ValueError("seven")
            except ValueError:
                log.exception("item failed")
                raise
            return mini_batch
    """)
    assert summary.failed
    (problem,) = summary.problems
    assert summary.first_cause == problem
    assert (problem.kind, problem.title, problem.count) == ("exception", "ValueError: seven", 3)
    assert (problem.outcome, problem.mini_batches, problem.mini_batch_count) == ("given up", ("3",), 1)
    assert problem.place.startswith("score.py:")
    assert problem.place.endswith(" in run")
    assert problem.traceback.startswith("Traceback (most recent call last):\n")
    assert problem.traceback.count("ValueError: seven") == 1
    assert problem.items == (run.path_of("3"),)
    assert problem.nodes == ("10.0.0.4",)
    progress = summary.progress
    assert (progress.items, progress.succeeded_items, progress.exit_code) == (8, 7, 73)
    assert (progress.mini_batches, progress.succeeded_mini_batches, progress.failed_mini_batches) == (8, 7, 1)
    assert summary.retries == 2
    assert summary.to_open[0].path == f"logs/user/10.0.0.4/{problem.process_name}.txt"


def test_all_fail(run):
    """Where all fail, in whatever files and with whatever numbers, it is one problem."""
    summary = run.summary(
        """
        def run(mini_batch):
            raise ValueError(f"bad item {number(mini_batch[0])} in {mini_batch[0]}")
        """,
        "--run-max-try",
        "1",
        returncode=74,
    )
    (problem,) = summary.problems
    assert (problem.count, problem.mini_batch_count, problem.outcome) == (8, 8, "given up")
    assert problem.mini_batches == tuple("01234567")
    assert summary.progress.exit_code == 74


def test_init_fails(run):
    """A module that is missing is the first cause, though all else that the logs say is that no process could start."""
    summary = run.summary("import a_missing_module", returncode=72, files=2)
    (problem,) = summary.problems
    assert (problem.kind, problem.title) == ("init failure", "ModuleNotFoundError: No module named 'a_missing_module'")
    assert (problem.count, problem.processes) == (6, 6)
    assert summary.progress.processed_mini_batches == 0


def test_a_timeout(run):
    """A timeout tells where the script hung, by the stacks that were written before the process was killed."""
    summary = run.summary(
        """
        def download(path):
            time.sleep(1000)
        def run(mini_batch):
            if number(mini_batch[0]) == 2:
                download(mini_batch[0])
            return mini_batch
        """,
        "--run-invocation-timeout",
        "2",
        "--run-max-try",
        "1",
        files=4,
        returncode=71,
    )
    (problem,) = summary.problems
    assert (problem.kind, problem.count, problem.mini_batches) == ("timeout", 1, ("2",))
    assert [place.split(" in ")[1] for place in problem.stack] == ["download", "run"]
    assert problem.title == "run() did not end within 2 s (run_invocation_timeout)"
    assert summary.timeouts == 1


@pytest.mark.parametrize(
    ("death", "reason"),
    [("os._exit(3)", "exit code 3"), ("os.kill(os.getpid(), 9)", "killed by signal 9 (Killed)")],
)
def test_a_death(run, death, reason):
    """A process that dies is one problem, with the mini-batch that it was at."""
    summary = run.summary(
        f"""
        def run(mini_batch):
            if number(mini_batch[0]) == 2:
                {death}
            return mini_batch
        """,
        "--run-max-try",
        "2",
        files=4,
    )
    (problem,) = summary.problems
    assert (problem.kind, problem.count, problem.mini_batches) == ("death", 2, ("2",))
    assert problem.title == f"the worker process died: {reason}"
    assert summary.deaths == 2


def test_a_crash(run):
    """A crash in native code tells the place that the stacks show."""
    summary = run.summary(
        """
        import ctypes
        def crash():
            ctypes.string_at(0)
        @guard
        def run(mini_batch):
            crash()
        """,
        "--run-max-try",
        "1",
        files=1,
        returncode=74,
    )
    (problem,) = summary.problems
    assert problem.kind == "death"
    assert "signal 11" in problem.title
    assert [place.split(" in ")[1] for place in problem.stack] == ["crash", "run"]
    assert "Segmentation fault" in problem.traceback


def test_death_at_the_start(run):
    """A process that dies in init() is told too, though no mini-batch was tried."""
    summary = run.summary("def init():\n    os._exit(9)\ndef run(mini_batch):\n    pass\n", returncode=72, files=1)
    assert summary.deaths == 6
    assert summary.first_cause.kind in {"death", "init failure"}
    assert "exit code 9" in summary.first_cause.title


def test_memory(run):
    """A MemoryError is an exception like others."""
    summary = run.summary(
        """
        import resource
        def run(mini_batch):
            resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31))
            return bytearray(1 << 33)
        """,
        "--run-max-try",
        "1",
        files=2,
        returncode=74,
    )
    assert summary.first_cause.title == "MemoryError"
    assert summary.first_cause.count == 2


@pytest.mark.parametrize("guard", ["@guard", ""])
def test_a_wrong_return(run, guard):
    """A value of the wrong type is a problem of its own, counted once though @guard warns of it as well."""
    summary = run.summary(f"{guard}\ndef run(mini_batch):\n    log.info('x')\n", files=2, returncode=74)
    (problem,) = summary.problems
    assert problem.kind == "wrong return"
    assert problem.title.startswith("run() returned None, but it must return a list")
    assert (problem.count, problem.mini_batch_count, problem.outcome) == (6, 2, "given up")


@pytest.mark.parametrize("guard", ["@guard", ""])
def test_too_few_results(run, guard):
    """Too few results are a problem too: their items count as failed though the mini-batch succeeded."""
    summary = run.summary(
        f"{guard}\ndef run(mini_batch):\n    return mini_batch[:1]\n", "--mini-batch-size", "2", files=4
    )
    (problem,) = summary.problems
    assert problem.kind == "wrong return"
    assert problem.title.startswith("run() returned 1 item for a mini-batch of 2 items")
    assert (problem.count, problem.mini_batch_count) == (2, 2)
    assert (summary.progress.succeeded_items, summary.progress.failed_mini_batches) == (2, 0)


def test_a_threshold(run):
    """Where a threshold stopped the run, the verdict says which, and the cause is still the exception."""
    summary = run.summary(
        "def run(mini_batch):\n    raise ValueError('seven')\n",
        *("--error-threshold", "1", "--run-max-try", "1"),
        returncode=74,
    )
    assert summary.progress.reason == "2 failed items, more than the error_threshold of 1"
    assert summary.first_cause.title == "ValueError: seven"


def test_retries_that_succeed(run):
    """What succeeds when tried again does not make a run fail, and is told as such."""
    summary = run.summary(
        """
        def run(mini_batch, context):
            if number(mini_batch[0]) == 3 and context.retry_count == 0:
                raise ConnectionError("gone")
            return mini_batch
        """,
        returncode=0,
    )
    assert not summary.failed
    assert (summary.state, summary.retries, summary.first_cause) == ("succeeded", 1, None)
    (problem,) = summary.problems
    assert (problem.title, problem.outcome, problem.count) == ("ConnectionError: gone", "tried again", 1)


def test_the_cause_and_what_was_tried_again(run):
    """An error whose mini-batches succeeded later is not the cause, though it came first and more often."""
    summary = run.summary(
        """
        def run(mini_batch, context):
            if context.retry_count == 0:
                raise ConnectionError("gone")
            if number(mini_batch[0]) == 5:
                raise ValueError("seven")
            return mini_batch
        """,
        "--processes",
        "1",
    )
    assert [(problem.title, problem.count, problem.outcome) for problem in summary.problems] == [
        ("ValueError: seven", 2, "given up"),
        ("ConnectionError: gone", 8, "tried again"),
    ]


def test_handled_errors(run):
    """What a script logs and deals with is told after what failed."""
    summary = run.summary("""
        def run(mini_batch):
            if number(mini_batch[0]) < 4:
                try:
                    raise KeyError(mini_batch[0])
                except KeyError:
                    log.exception("went on")
            if number(mini_batch[0]) == 7:
                raise ValueError("seven")
            return mini_batch
    """)
    assert [(problem.title[:8], problem.count, problem.outcome) for problem in summary.problems] == [
        ("ValueErr", 3, "given up"),
        ("KeyError", 4, "handled"),
    ]


def test_success(run):
    """A run that went well has no cause, no problem and nothing to open."""
    summary = run.summary("def run(mini_batch):\n    return mini_batch\n", returncode=0)
    assert (summary.state, summary.failed, summary.problems, summary.to_open) == ("succeeded", False, (), ())
    assert (summary.progress.items, summary.progress.succeeded_items, summary.progress.exit_code) == (8, 8, None)
    assert summary.nodes == ("10.0.0.4",)


def test_the_last_of_several_runs(run):
    """Of several runs in one tree the last is summarised; how many there were before is told."""
    failing = "def run(mini_batch):\n    raise ValueError('seven')\n"
    run.summary(failing, returncode=74)
    summary = run.summary("def run(mini_batch):\n    return mini_batch\n", returncode=0)
    assert (summary.state, summary.problems, summary.earlier_runs) == ("succeeded", (), 1)
    summary = run.summary(failing.replace("seven", "eight"), returncode=74)
    assert [problem.title for problem in summary.problems] == ["ValueError: eight"]
    assert (summary.problems[0].count, summary.earlier_runs) == (24, 2)


def test_a_run_that_goes_on_and_is_stopped(run):
    """A run that is still going says how far it is; one that was stopped by Ctrl-C has failed, and says so."""
    run.script(
        LOGGING
        + """
def run(mini_batch):
    if number(mini_batch[0]) == 1:
        print("here", flush=True)
        time.sleep(1000)
    return mini_batch
"""
    )
    run.inputs("0", "1", "2")
    restored = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    process = run.launch(*("--processes", "1", "--mini-batch-size", "1"), start_new_session=True, preexec_fn=restored)
    try:
        run.first_print(process)
        summary = run.again()
        assert (summary.state, summary.failed, summary.first_cause) == ("running", False, None)
        assert summary.progress.mini_batches == 3
        assert summary.progress.started is not None
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        process.kill()
    summary = run.again()
    assert (summary.state, summary.problems) == ("failed", ())
    assert summary.progress.reason.startswith("stopped by Ctrl-C after 1 of 3 mini-batches")


def test_a_killed_master(run):
    """A run whose master was killed is told as one that goes on: its logs have no end."""
    run.script("import time\ndef run(mini_batch):\n    print('here', flush=True)\n    time.sleep(1000)\n")
    run.inputs("0")
    process = run.launch("--processes", "1", start_new_session=True)
    run.first_print(process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert run.again().state == "running"


def test_no_log(tmp_path):
    """A path without a log is refused with a sentence."""
    with pytest.raises(UsageError, match="no log is in it"):
        summarise(tmp_path)
    with pytest.raises(UsageError, match="no such file"):
        summarise(tmp_path / "missing")
