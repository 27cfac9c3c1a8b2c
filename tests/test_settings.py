"""What a run can be asked for: every option is read or refused by one line, whoever gives it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from entry_script_helper.errors import UsageError
from entry_script_helper.simulator import options, settings, values


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "score.py").write_text("")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("x\n1\n")
    return lambda **given: settings.checked(**{"script": "score.py", "input": "in", **given})


def test_defaults(make, tmp_path):
    """What is not given is as in the service; all paths are absolute."""
    made = make()
    assert made == settings.Settings(
        script=str(tmp_path / "score.py"),
        input=(str(tmp_path / "in"),),
        output=str(tmp_path / "parallel_run_step.txt"),
        working_dir=str(tmp_path),
        processes=os.cpu_count(),
    )
    assert (made.mini_batch_size, made.run_max_try, made.run_invocation_timeout) == (10, 3, 60)
    assert make(input_format="csv").mini_batch_size == 1024**2


def test_everything(make, tmp_path):
    """Every option can be given as text, as a number or as Python's own values."""
    made = make(
        script=Path("score.py"),
        input=["in/*.csv", Path("in")],
        input_format="CSV",
        delimiter="tab",
        partition_keys='["a", "b"]',
        partition_format="{a}/{b}.csv",
        mini_batch_size="10 KB",
        processes="0",
        output_action="Summary_Only",
        output="out/",
        append_row_file_name="rows.txt",
        working_dir="work",
        arguments=["--x", 1],
        environment_variables={"A": "b"},
        error_threshold="-1",
        allowed_failed_count=3,
        allowed_failed_percent="2.5",
        mini_batch_error_threshold=4,
        max_retries=1,
        run_invocation_timeout="0.5",
        logging_level="debug",
        resource_monitor_interval=0,
        first=7,
        pdb=True,
        mini_batch=None,
    )
    assert made == settings.Settings(
        script=str(tmp_path / "score.py"),
        input=(str(tmp_path / "in" / "*.csv"), str(tmp_path / "in")),
        input_format="csv",
        delimiter="\t",
        partition_keys=("a", "b"),
        partition_format="{a}/{b}.csv",
        mini_batch_size=10240,
        processes=0,
        output_action="summary_only",
        output=str(tmp_path / "out" / "rows.txt"),
        append_row_file_name="rows.txt",
        working_dir=str(tmp_path / "work"),
        arguments=("--x", "1"),
        environment_variables=(("A", "b"),),
        error_threshold=-1,
        allowed_failed_count=3,
        allowed_failed_percent=2.5,
        mini_batch_error_threshold=4,
        run_max_try=2,
        run_invocation_timeout=0.5,
        logging_level="DEBUG",
        resource_monitor_interval=0,
        first=7,
        pdb=True,
    )


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"processes": "x"}, "processes is x: give a whole number, 0 to 1024"),
        ({"processes": 1.5}, "processes is 1.5: give a whole number"),
        ({"processes": True}, "processes is True: give a whole number"),
        ({"processes": "1e3"}, "processes is 1e3: give a whole number"),
        ({"processes": float("nan")}, "processes is nan: give a whole number"),
        ({"processes": "٣"}, "processes is ٣: give a whole number"),
        ({"run_max_try": 0}, "run_max_try is 0: give a whole number, 1 to 1000"),
        ({"max_retries": -1}, "max_retries is -1: give a whole number, 0 or more"),
        ({"error_threshold": -2}, "error_threshold is -2: give a whole number, -1 or more"),
        ({"allowed_failed_percent": 101}, "allowed_failed_percent is 101: give a number from 0 to 100"),
        ({"allowed_failed_percent": "half"}, "allowed_failed_percent is half: give a number from 0 to 100"),
        ({"run_invocation_timeout": 0}, "run_invocation_timeout is 0: give seconds, more than 0"),
        ({"run_invocation_timeout": "-1"}, "run_invocation_timeout is -1: give seconds, more than 0"),
        ({"resource_monitor_interval": -1}, "resource_monitor_interval is -1: give seconds, 0 or more"),
        (
            {"mini_batch_size": 0},
            "mini_batch_size is 0: give a number of files, 1 or more, or for tables a size such as",
        ),
        ({"mini_batch_size": "1tb"}, "mini_batch_size is 1tb: give a number of files"),
        ({"mini_batch_size": True}, "mini_batch_size is True: give a number of files"),
        (
            {"mini_batch_size": "1MB"},
            "mini_batch_size is 1mb, but files are counted: give a number, or input_format csv,",
        ),
        ({"output_action": "print"}, "output_action is print: give append_row or summary_only"),
        ({"logging_level": "LOUD"}, "logging_level is LOUD: give DEBUG, INFO, WARNING, ERROR or CRITICAL"),
        ({"partition_keys": "a,,b"}, "partition_keys is a,,b: give names of columns with commas between them"),
        ({"partition_keys": "[1"}, "partition_keys is [1: give names of columns"),
        ({"partition_keys": ["a", "a"]}, "partition_keys is ['a', 'a']: give names of columns"),
        ({"partition_keys": 3}, "partition_keys is 3: give names of columns"),
        ({"partition_format": "{a}"}, "partition_format says where the keys are: give partition_keys as well"),
        ({"partition_format": ""}, "partition_format is : give some text"),
        ({"delimiter": ";"}, "delimiter is for CSV: give input_format csv, or leave it out"),
        ({"delimiter": ";;", "input_format": "csv"}, "delimiter is ;;: give one character, such as ; or \\t"),
        ({"append_row_file_name": "a/b"}, "append_row_file_name is a/b: give a file's name without a directory"),
        ({"append_row_file_name": ".."}, "append_row_file_name is ..: give a file's name without a directory"),
        ({"input": "a\0b"}, "input is a\0b: give some text"),
        ({"input": ()}, "input is (): give the path of a directory or a file, or a pattern such as 'data/*.csv'"),
        ({"input": None}, "input is missing: give the directory or the files to score"),
        (
            {"input": "gone"},
            "input: gone does not exist: give the directory that holds the files to score, a file, or a",
        ),
        ({"input": "in/*.txt"}, "input: in/*.txt does not exist"),
        (
            {"output": "/dev/null"},
            "the result file /dev/null is a directory or a device: give output the path of a file",
        ),
        ({"output": "dir"}, "dir/parallel_run_step.txt is a directory or a device"),
        ({"script": "in"}, "the entry script in is a directory: give the path of a Python file that defines run()"),
        ({"script": "gone.py"}, "the entry script gone.py does not exist: give the path of a Python file"),
        ({"first": 1, "mini_batch": 0}, "first and mini_batch exclude each other: give one of them"),
        ({"resume": True, "first": 1}, "resume and first exclude each other: give one of them"),
        ({"resume": "yes"}, "resume is yes: give True or False"),
        ({"pdb": True, "processes": 2}, "pdb needs the script in this very process: leave processes out"),
        ({"mini_bach_size": 3}, "there is no option mini_bach_size: did you mean mini_batch_size?"),
        ({"x": 3}, "there is no option x: leave it out"),
    ],
)
def test_clear_lines(make, tmp_path, given, text):
    """What can't be meant is one line that names the option, its value and what to give."""
    (tmp_path / "dir" / "parallel_run_step.txt").mkdir(parents=True)
    with pytest.raises(UsageError) as caught:
        make(**given)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_options_are_called_as_they_were_given(make):
    """The line calls an option what it is called where it was given."""
    with pytest.raises(UsageError, match=r"^--run-max-try is 0: "):
        make(run_max_try=0, called=lambda name: f"--{name.replace('_', '-')}")


def test_output(make, tmp_path):
    """The result file is where it is asked for: a file, or in a directory, through links."""
    assert make(append_row_file_name="b.txt").output == str(tmp_path / "b.txt")
    assert make(output="in").output == str(tmp_path / "in" / "parallel_run_step.txt")
    assert make(output="rows").output == str(tmp_path / "rows")
    (tmp_path / "link").symlink_to("in/rows")
    assert make(output="link").output == str(tmp_path / "in" / "rows")


def test_current_directory_is_gone(make, tmp_path, monkeypatch):
    """Where the current directory is gone, the line says so."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(UsageError, match="the current directory is gone: change to one that exists"):
        make(script=tmp_path / "score.py", input=tmp_path / "in")


def test_own_paths(make, tmp_path):
    """What a run makes itself is known, so that it is not taken for input."""
    own = make(output="rows").own_paths
    assert {os.path.relpath(path, tmp_path) for path in own} >= {
        *("logs", "rows", "rows.part", "rows.part.old", "rows.sample", "rows.sample.part"),
    }


@pytest.mark.parametrize(("read", "in_bytes"), [(10, 10), ("1kb", 1024), ("2mb", 2 * 1024**2), ("3gb", 3 * 1024**3)])
def test_sizes(read, in_bytes):
    """Sizes are multiples of 1,024, as in the service."""
    assert values.size(read) == read
    assert values.in_bytes(read) == in_bytes


def test_arguments_of_the_driver():
    """The service's predefined arguments are taken out of the script's own, and those of its driver alone are dropped."""
    arguments = (
        "--client_sdk_version 1.62 --scoring_module_name score.py --mini_batch_size 5 --error_threshold 10 "
        "--output_action append_row --logging_level DEBUG --run_invocation_timeout 120 --run_max_try 3 "
        "--create_snapshot_at_runtime True --allowed-failed-count=7 --process_count_per_node 2 --model m --output out "
        "--input_fds_0 inp --input_ds_1 tab --input2 x --timeout 9 --processes 4 rest"
    )
    found, own = options.split(arguments.split(), "here")
    assert found == {
        "mini_batch_size": 5,
        "error_threshold": 10,
        "output_action": "append_row",
        "logging_level": "DEBUG",
        "run_invocation_timeout": 120,
        "run_max_try": 3,
        "allowed_failed_count": 7,
        "processes": 2,
    }
    assert own == ["--model", "m", "--output", "out", "--timeout", "9", "--processes", "4", "rest"]
    with pytest.raises(UsageError, match="here: --run_max_try has no value: give one"):
        options.split(["--run_max_try"], "here")


def test_retries_beyond_the_first():
    """v2's retries are one less than v1's tries, which win where both are given."""
    assert options.canonical({"max_retries": 0}) == {"run_max_try": 1}
    assert options.canonical({"max_retries": 5, "run_max_try": 2}) == {"run_max_try": 2}
