"""The command ``entry-script-helper``: its words on a terminal, and what it says to bad input."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import subprocess
import sys

import pytest

import entry_script_helper
from entry_script_helper import cli

GOOD_SCRIPT = "def run(mini_batch):\n    return mini_batch\n"


def command(*arguments, cwd, code="from entry_script_helper.cli import main; sys.exit(main())", returncode=0):
    """Run the command in a process; return what it printed and said."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}", *arguments],
        cwd=cwd,
        env=dict(os.environ, AZ_BATCHAI_WORKER_IP="10.0.0.4"),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == returncode, (done.stdout, done.stderr)
    return done.stdout, done.stderr


@pytest.fixture
def place(tmp_path):
    """A directory with a good script and one input file."""
    (tmp_path / "score.py").write_text(GOOD_SCRIPT)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("x")
    return tmp_path


def test_where(tmp_path):
    """`where` prints each field with its value and the reason for it."""
    printed, said = command("where", cwd=tmp_path)
    lines = dict(line.split(maxsplit=1) for line in printed.splitlines())
    assert list(lines) == list(entry_script_helper.where()._fields)
    assert lines["platform"] == "local  (no variable of an Azure ML runtime is set)"
    assert lines["run_id"] == "-  (AZUREML_RUN_ID is not set)"
    assert lines["node"] == "10.0.0.4  (AZ_BATCHAI_WORKER_IP is set)"
    assert said == ""


def test_where_json(tmp_path):
    """`where --json` prints the same as one JSON object."""
    printed, _ = command("where", "--json", cwd=tmp_path)
    fields = json.loads(printed)
    assert fields["node"] == {"value": "10.0.0.4", "why": "AZ_BATCHAI_WORKER_IP is set"}
    assert fields["run_id"]["value"] is None
    assert fields["working_dir"]["value"] == str(tmp_path)


def test_where_is_light(tmp_path):
    """`where` imports neither pebble nor tqdm nor structlog."""
    code = "from entry_script_helper.cli import main; main(); print(*{'pebble', 'tqdm', 'structlog'} & {*sys.modules})"
    printed, _ = command("where", "--json", cwd=tmp_path, code=code)
    assert printed.splitlines()[1:] == [""]


def test_where_on_a_terminal_of_few_characters(tmp_path):
    """A path that the terminal's encoding can't say is printed with escapes."""
    directory = tmp_path / "日本"
    directory.mkdir()
    code = "sys.stdout.reconfigure(encoding='ascii'); from entry_script_helper.cli import main; sys.exit(main())"
    printed, _ = command("where", cwd=directory, code=code)
    assert r"\u65e5\u672c" in printed


def test_nobody_reads(place):
    """Where nobody reads the verdict any more, the exit code still tells it, and nothing is complained of."""
    reader, writer = os.pipe()
    os.close(reader)
    code = "import sys; from entry_script_helper.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "score.py", "--input", "in", "--processes", "1"],
        cwd=place,
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=100,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_version_and_help(tmp_path):
    """`--version` and `--help` answer, and the help names the exit codes."""
    printed, _ = command("--version", cwd=tmp_path)
    assert printed == f"entry-script-helper {entry_script_helper.__version__}\n"
    printed, _ = command("--help", cwd=tmp_path)
    assert "where" in printed
    printed, _ = command("run", "--help", cwd=tmp_path)
    assert printed.startswith("usage: entry-script-helper run SCRIPT --input PATH [options]")
    assert "exit code: 0 all went well" in printed


def test_python_m(place):
    """`python -m entry_script_helper` is the same command."""
    done = subprocess.run(
        [sys.executable, "-m", "entry_script_helper", "run", "score.py", "--input=in", "--processes=1"],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert done.stdout.startswith("succeeded: 1 of 1 item, ")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "the following arguments are required: COMMAND; `entry-script-helper --help` shows"),
        (["walk"], "argument COMMAND: invalid choice: 'walk'"),
        (["where", "--jsno"], "unrecognized arguments: --jsno; `entry-script-helper --help` shows"),
        (["where", "--", "x"], "unrecognized arguments: -- x; `entry-script-helper --help` shows"),
        (["run"], "the entry script is missing: give the path of a Python file that defines run(), or a job"),
        (["run", "score.py", "--input", "in", "--processes", "x"], "--processes is x: give a whole number, 0 to 1024"),
        (
            ["run", "score.py", "--input"],
            "argument --input/--input-data: expected one argument; `entry-script-helper run",
        ),
        (["run", "score.py"], "--input is missing: give the directory or the files to score"),
        (["run", "score.py", "--step", "x"], "--step names a step of a job: give the job's file by --job"),
        (
            ["run", "score.py", "--input", "in", "--mini-batch-size=-1"],
            "--mini-batch-size is -1: give a number of files, 1 or more, or",
        ),
        (
            ["run", "gone.py", "--input", "in"],
            "the entry script gone.py does not exist: give the path of a Python file",
        ),
        (["run", "in", "--input", "in"], "the entry script in is a directory: give the path of a Python file"),
        (
            ["run", "score.py", "--input", "gone"],
            "--input: gone does not exist: give the directory that holds the files",
        ),
        (
            ["run", "score.py", "--input", "empty"],
            "--input: there are no files below {place}/empty: give the directory",
        ),
        (["run", "no_run.py", "--input", "in"], "the entry script {place}/no_run.py has no function run(): define"),
        (
            ["run", "score.py", "--input", "in", "--output", "/proc"],
            "the result file /proc/parallel_run_step.txt can't be written",
        ),
        (["run", "score.py", "--input", "in", "--output", "/dev/null"], "the result file /dev/null is a directory or"),
        (["run", "score.py", "--input", "in", "--output", "score.py/x"], "the result file {place}/score.py/x can't be"),
        (["run", "score.py", "--inptu", "in", "--input", "in"], "unknown option --inptu: did you mean --input? (if it"),
        (
            ["run", "score.py", "--input", "in", "--mini_bach_size=5"],
            "unknown option --mini_bach_size: did you mean --mini-batch-size?",
        ),
    ],
)
def test_bad_input(place, arguments, line):
    """Bad input is answered by one line that says what was wrong and what to give, with exit code 2."""
    (place / "empty").mkdir()
    (place / "no_run.py").write_text("run = None\n")
    printed, said = command(*arguments, cwd=place, returncode=2)
    assert printed == ""
    assert said.startswith("entry-script-helper: error: ")
    assert said.count("\n") == 1
    assert line.format(place=place) in said


@pytest.mark.parametrize("package", ["pebble", "tqdm"])
def test_missing_package(place, package):
    """Where a package of the simulator is missing, the line says which extra brings it."""
    code = f"sys.modules['{package}'] = None; from entry_script_helper.cli import main; sys.exit(main())"
    _, said = command("run", "score.py", "--input", "in", cwd=place, code=code, returncode=2)
    assert said == (
        f"entry-script-helper: error: entry-script-helper run needs {package}, which can't be imported: "
        f"pip install 'entry-script-helper[simulator]' (or {package} alone)\n"
    )


def test_in_process():
    """`main` takes arguments and returns the exit code, also where the streams are no files."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert cli.main(["where", "--json"]) == 0
    assert json.loads(printed.getvalue())["platform"]["value"] == "local"


def test_import_of_the_main_module():
    """Importing the main module runs no command: tools and worker processes do that."""
    assert importlib.import_module("entry_script_helper.__main__").main is cli.main


def test_default_of_processes(place):
    """Without --processes there is one for each processor."""
    printed, _ = command("run", "score.py", "--input", "in", cwd=place)
    count = os.cpu_count() or 1
    assert f", {count} process{'es' if count > 1 else ''}, " in printed


def test_our_own_bugs_have_a_traceback(place):
    """What is no error of the input is not made to look like one: it comes with its traceback."""
    code = "from entry_script_helper.cli import main; main([1])"
    _, said = command(cwd=place, code=code, returncode=1)
    assert said.startswith("Traceback (most recent call last):")
