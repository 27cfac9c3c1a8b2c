"""`simulate()`: the simulator in a user's own test, which it leaves as it was."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from entry_script_helper import UsageError
from entry_script_helper.simulator import Result, simulate

SCRIPT = """
import os, sys
from entry_script_helper import config

def init():
    config("score").info("init")

def run(mini_batch):
    print("printed by run")
    os.environ["FROM_THE_SCRIPT"] = "1"
    sys.path.append("/from/the/script")
    return [f"{os.path.basename(path)} {os.environ.get('COLOUR')} {'--flag' in sys.argv}" for path in mini_batch]
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A directory, the current one, with a script and three files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "score.py").write_text(SCRIPT)
    (tmp_path / "in").mkdir()
    for name in "abc":
        (tmp_path / "in" / name).write_text(name)
    return tmp_path


def state():
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]
    return (
        os.getcwd(),
        list(sys.path),
        list(sys.argv),
        dict(os.environ),
        handlers,
        set(sys.modules) & {"score", "helper"},
    )


@pytest.mark.parametrize("processes", [0, 2])
def test_simulate(place, processes, capfd):
    """It runs the script as the command does, shows nothing, returns the result, and leaves this process as it was."""
    before = state()
    for _ in range(2):
        result = simulate(
            "score.py",
            "in",
            mini_batch_size=2,
            processes=processes,
            arguments=["--flag"],
            environment_variables={"COLOUR": "red"},
        )
        assert isinstance(result, Result)
        assert result.failed == 0
        assert (result.items, result.succeeded, result.mini_batches, result.exit_code) == (3, 3, 2, 0)
        assert sorted(result.rows()) == ["a red True", "b red True", "c red True"]
        assert result.output == str(place / "parallel_run_step.txt")
        assert result.log_dir == str(place / "logs")
        assert state() == before
    printed, said = capfd.readouterr()
    assert said == ""
    assert printed == ("printed by run\n" * 4 if processes == 0 else "")
    assert logging.getLogger("score").handlers == []


def test_result_in_an_assertion(place):
    """What pytest shows of a failed assertion is the verdict, with the first error."""
    (place / "score.py").write_text("def run(mini_batch):\n    raise ValueError('no')\n")
    result = simulate("score.py", "in", run_max_try=1)
    with pytest.raises(AssertionError, match=r"first error: ValueError: no \(score\.py:2 in run, mini-batch 0"):
        assert result.failed == 0
    assert (result.failed, result.exit_code, result.failed_mini_batches) == (3, 74, 1)
    assert result.first_failure.traceback.startswith("Traceback")


def test_init_fails(place):
    """Where init() fails, all items have failed: an assertion on `failed` can't pass."""
    (place / "score.py").write_text("def init():\n    1 / 0\ndef run(mini_batch):\n    return mini_batch\n")
    result = simulate("score.py", "in", processes=1, run_max_try=1)
    assert (result.failed, result.succeeded, result.exit_code) == (3, 0, 72)
    assert result.first_failure.error == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"script": "gone.py"}, "the entry script gone.py does not exist"),
        ({"inputs": "gone"}, "inputs: gone does not exist: give the directory"),
        ({"inputs": None}, "inputs is missing: give the directory or the files to score"),
        ({"mini_batch_size": "many"}, "mini_batch_size is many: give a number of files"),
        ({"step": "x"}, "step names a step of a job: give the job's file by job"),
        ({"script": None}, "the entry script is missing: give the path of a Python file that defines run(), or a job"),
        ({"job": "gone.yml"}, "gone.yml can't be read: No such file or directory"),
        ({"mini_batch": 7}, "there is none of index 7"),
    ],
)
def test_mistakes(place, given, text):
    """A user's mistake raises UsageError, whose text says what to give instead, and nothing has been made."""
    with pytest.raises(UsageError) as caught:
        simulate(**{"script": "score.py", "inputs": "in", **given})
    assert text in str(caught.value)
    assert not (place / "parallel_run_step.txt").exists()


@pytest.mark.parametrize("processes", [0, 1])
def test_no_entry_script(place, processes):
    """A file without run() raises UsageError."""
    (place / "score.py").write_text("run = 1\n")
    with pytest.raises(UsageError, match=r"has no function run\(\)"):
        simulate("score.py", "in", processes=processes)


@pytest.mark.parametrize("processes", [0, 1])
def test_from_a_thread(place, processes):
    """It works in a thread that is not the main one."""
    found = []
    thread = threading.Thread(target=lambda: found.append(simulate("score.py", "in", processes=processes)))
    thread.start()
    thread.join(timeout=60)
    assert [result.succeeded for result in found] == [3]


def test_scripts_of_the_same_name(place):
    """In this very process each run has its own script and its own modules, though their names are the same."""
    for text in ("one", "two"):
        folder = place / text
        folder.mkdir()
        (folder / "helper.py").write_text(f"TEXT = {text!r}\n")
        (folder / "score.py").write_text("import helper\ndef run(mini_batch):\n    return [helper.TEXT]\n")
        result = simulate(folder / "score.py", ["in/a"], processes=0, working_dir=folder)
        assert result.rows() == [text]
        assert result.log_dir == str(folder / "logs")
    assert not {"helper", "score"} & set(sys.modules)


def test_script_that_changes_everything(place):
    """What a script in this process does to it is undone: directory, path, arguments, variables and signals."""
    (place / "score.py").write_text(
        textwrap.dedent("""
            import os, signal, sys
            os.environ["COLOUR"] = "blue"
            os.environ.pop("TO_STAY", None)
            def run(mini_batch):
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                sys.argv = ["other"]
                os.chdir("/")
                return mini_batch
        """)
    )
    os.environ["TO_STAY"] = "1"
    try:
        before = state()
        assert simulate("score.py", "in", processes=0).failed == 0
        assert state() == before
    finally:
        del os.environ["TO_STAY"]


def test_directory_is_removed_meanwhile(place, monkeypatch):
    """Where the script removes the current directory, the run still returns."""
    (place / "here").mkdir()
    (place / "score.py").write_text(f"import os\ndef run(b):\n    os.rmdir({str(place / 'here')!r})\n    return b\n")
    monkeypatch.chdir(place / "here")
    assert simulate(place / "score.py", place / "in", processes=0, working_dir=place).failed == 0


def test_job(place):
    """A job's file gives the options, and the arguments win; its outputs have directories."""
    (place / "job.yml").write_text(
        textwrap.dedent("""
            type: parallel
            inputs:
              data: {type: uri_folder}
            input_data: ${{inputs.data}}
            mini_batch_size: 1
            max_concurrency_per_instance: 1
            environment_variables: {COLOUR: green}
            task:
              entry_script: score.py
              program_arguments: --flag --out ${{outputs.out}}
              append_row_to: ${{outputs.rows}}
        """)
    )
    result = simulate(job="job.yml", inputs="in", mini_batch_size=3)
    assert (result.mini_batches, result.processes) == (1, 1)
    assert sorted(result.rows()) == ["a green True", "b green True", "c green True"]
    assert (place / "outputs" / "out").is_dir()


def test_table(place):
    """A table is scored as DataFrames, whose rows are the items."""
    pytest.importorskip("pandas")
    (place / "data.csv").write_text("n,word\n1,a\n2,b\n3,c\n")
    (place / "score.py").write_text("def run(frame):\n    return frame.assign(twice=frame.n * 2)\n")
    result = simulate("score.py", "data.csv", input_format="csv", mini_batch_size=4, processes=1)
    assert (result.items, result.succeeded, result.failed, result.mini_batches) == (3, 3, 0, 3)
    assert sorted(result.rows()) == ["1 a 2", "2 b 4", "3 c 6"]


@pytest.mark.parametrize("input_format", ["files", "csv"])
def test_partition_keys(place, input_format):
    """The script's context has the values of the partition keys."""
    for store in ("x", "y"):
        (place / "data" / f"store={store}").mkdir(parents=True)
        (place / "data" / f"store={store}" / "1.csv").write_text("n\n1\n2\n")
    (place / "score.py").write_text(
        "def run(batch, context):\n    return [context.partition_key_value['store'] + str(len(batch))]\n"
    )
    result = simulate("score.py", "data", input_format=input_format, partition_keys="store", processes=1)
    assert sorted(result.rows()) == (["x1", "y1"] if input_format == "files" else ["x2", "y2"])


def test_own_logs_and_results_are_no_input(place):
    """Scoring the directory that the run works in scores neither its logs nor its results nor byte code, ever."""
    (place / "__pycache__").mkdir(exist_ok=True)
    (place / "__pycache__" / "score.cpython-311.pyc").touch()
    for _ in range(2):
        assert simulate("score.py", ".", processes=1).items == 4


def test_sample(place):
    """A part of the input is scored apart from whole runs, whose results stay."""
    simulate("score.py", "in", processes=1)
    sample = simulate("score.py", "in", processes=1, first=1, mini_batch_size=1)
    assert (sample.items, sample.succeeded, sample.mini_batches) == (1, 1, 1)
    assert sample.rows() == ["a None False"]
    assert sample.output == str(place / "parallel_run_step.txt.sample")
    assert len((place / "parallel_run_step.txt").read_text().splitlines()) == 3
    assert simulate("score.py", "in", processes=1, mini_batch=1, mini_batch_size=2).rows() == ["c None False"]


def test_script_without_a_guard(place):
    """A script that calls it at its top level, which worker processes import, is told what to do."""
    (place / "mine.py").write_text(
        "from entry_script_helper.simulator import simulate\n"
        "print(simulate('score.py', 'in', processes=1, run_max_try=1).exit_code)\n"
    )
    done = subprocess.run(
        [sys.executable, "mine.py"], cwd=place, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "72\n"
    assert "UsageError: simulate() is called where its worker processes import it: call it below `if" in done.stderr


def test_under_pytest(place):
    """A test of a user's own can call it, with pytest's capture and from a relative path."""
    (place / "test_score.py").write_text(
        textwrap.dedent("""
            from entry_script_helper.simulator import simulate

            def test_all(tmp_path):
                assert simulate("score.py", "in", working_dir=tmp_path).failed == 0

            def test_in_process(tmp_path, capsys):
                assert simulate("score.py", "in", working_dir=tmp_path, processes=0).failed == 0
                assert capsys.readouterr().out == "printed by run\\n"
        """)
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "2 passed" in done.stdout, done.stdout
    assert not (place / "logs").exists()


def test_import_is_light():
    """Importing the simulator loads no package but our own until something is run."""
    code = (
        "import sys, entry_script_helper.simulator;"
        "assert not {'pebble', 'tqdm', 'yaml', 'pandas'} & {*sys.modules}, sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
