"""The command `logs`, as a real process: text, JSON, colours on a real terminal, pipes that close, bad input."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys

import pytest
from test_reading import TREE, write

COMMAND = [sys.executable, "-m", "entry_script_helper", "logs"]


@pytest.fixture
def tree(tmp_path):
    return write(tmp_path / "run")


def run(*arguments, code=0, **options):
    done = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, timeout=60, check=False, **options)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr.decode()


def on_a_terminal(*arguments, **variables):
    """Return what a terminal is given."""
    master, slave = pty.openpty()
    environ = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"} | variables
    with subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=slave, stderr=slave, env=environ) as process:
        os.close(slave)
        shown = b""
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:  # Linux: the other end is closed
                data = b""
            if not data:
                break
            shown += data
        assert process.wait(timeout=60) == 0
    os.close(master)
    return shown.replace(b"\r\n", b"\n")


def test_a_pipe_gets_the_records_as_they_are(tree):
    """Into a pipe go the records' own bytes, in order of time, and nothing else."""
    lines = run(tree).decode().splitlines()
    assert sorted(lines) == sorted(
        "".join(text for path, text in TREE.items() if "perf" not in path and "error" not in path).splitlines()
    )
    assert [line for line in lines if "|score|" in line][1] == lines[
        lines.index("\tTraceback (most recent call last):") - 1
    ]


def test_bytes_stay_as_they_are(tmp_path):
    """Bytes that are no UTF-8, tabs and other control characters come through a pipe as they are."""
    data = b"2026-01-31 10:00:00,100|INFO|1|\xff\x01\t\xc3\xa9\r\n"
    (tmp_path / "a.txt").write_bytes(data)
    assert run(tmp_path / "a.txt") == data


HOSTILE = b"2026-01-31 10:00:00,100|INFO|1|\x1b[31mred\x1b]0;title\x07 \xc2\x9b2J \xff\x08 \xe2\x80\xae\n"


def test_no_escape_sequence_gets_through(tmp_path):
    """What a log holds never begins an escape sequence, on a terminal, with colours, or behind a pipe."""
    (tmp_path / "a.txt").write_bytes(HOSTILE)
    piped = run(tmp_path / "a.txt")
    assert piped == HOSTILE.replace(b"\x1b", b"\\x1b").replace(b"\xc2\x9b", b"\\x9b")
    assert run(tmp_path / "a.txt", "--label") == b"a.txt | " + piped
    safe = rb"2026-01-31 10:00:00,100|INFO|1|\x1b[31mred\x1b]0;title\x07 \x9b2J \xff\x08 \u202e" + b"\n"
    assert on_a_terminal(tmp_path / "a.txt", "--color", "never", "--no-label") == safe
    assert run(tmp_path / "a.txt", "--color", "always") == safe
    shown = on_a_terminal(tmp_path / "a.txt")
    assert re.sub(rb"\x1b\[\d+m", b"", shown) == b"a.txt | " + safe
    assert json.loads(run(tmp_path / "a.txt", "--json"))["message"].startswith("\x1b[31m")
    assert run(tmp_path / "a.txt", "--json").isascii()


def test_colours_and_labels(tree):
    """A terminal gets both; NO_COLOR, TERM=dumb and --color never leave colours out, --no-label the labels."""
    shown = on_a_terminal(tree, "--level", "warning").decode()
    assert re.findall(r"\x1b\[\d+m([^|\n]+?) +\| \x1b\[0m\x1b\[31m2026[^\n]*two\x1b\[0m\n", shown) == [
        "10.0.0.4 Process-1"
    ]
    assert shown.count("10.0.0.4 Process-1") == 3  # each line of a record
    assert "\x1b[33m" in shown
    for options in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert b"\x1b" not in on_a_terminal(tree, **options)
    assert b"\x1b" not in on_a_terminal(tree, "--color", "never")
    assert b"Process-1 " not in on_a_terminal(tree, "--no-label", "--grep", "one")
    assert run(tree, "--label", "--grep", "one|result").decode().splitlines() == [
        "10.0.0.4 Process-1 | " + TREE["logs/user/10.0.0.4/Process-1.txt"].splitlines()[0],
        "overview.txt       | " + TREE["logs/overview.txt"].splitlines()[0],
    ]


def test_many_labelled_lines(tmp_path):
    """A label is before each line of any number of records."""
    lines = [f"2026-01-31 10:00:00,{number % 1000:03}|INFO|1|x\n".encode() for number in range(1000)]
    (tmp_path / "a.txt").write_bytes(b"".join(lines))
    assert run(tmp_path / "a.txt", "--label") == b"".join(b"a.txt | " + line for line in lines)


def test_json(tree):
    """One object a line, with all that a record tells."""
    objects = [json.loads(line) for line in run(tree, "--json", "--level", "warning").splitlines()]
    assert objects[0] == {
        "time": "2026-01-31T10:00:01.000000Z",
        "level": "WARNING",
        "logger": "score",
        "message": "größe",
        "process": 12,
        "process_name": "Process-2",
        "node": "10.0.0.5",
        "thread": None,
        "function": "",
        "path": "logs/user/10.0.0.5/Process-2.jsonl",
        "offset": 0,
        "extras": {"minibatch_index": 3},
    }
    assert objects[1]["message"].endswith("ValueError: x")


def test_all_filters_have_options(tree):
    """Each filter of read() is an option of the command."""
    options = "--level error --logger sc* --process Process-1 --node 10.* --since 1h --until 2026-02-01 --grep tw --mini-batch 7"
    (tree / "logs/70_driver_log.txt").unlink()
    assert run(tree, *options.split()).decode().count("\n") == 3


def test_a_pipe_that_closes_is_no_failure(tree):
    """`| head -1` gets its line, and the command ends quietly, with exit code 0."""
    (tree / "logs/user/10.0.0.4/Process-3.txt").write_text("2026-01-31 10:00:00,000|INFO|1|x\n" * 300_000)
    with subprocess.Popen([*COMMAND, str(tree)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"2026-01-31 10:00:00,000|INFO|1|x\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 0


def test_a_full_disk_is_said(tree):
    """Output that can't be written is one line on standard error, and exit code 2."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*COMMAND, str(tree)], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 2
    assert (
        done.stderr.decode()
        == "entry-script-helper: error: standard output can't be written to: No space left on device\n"
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nix"], "nix: there is no such file or folder"),
        (["."], ".: no log is in it"),
        (["run", "--level", "loud"], "'loud' is no level"),
        (["run", "--since", "now"], "'now' is no time"),
        (["run", "--grep", "("], "'(' is no regular expression"),
        (["run", "--color", "red"], "argument --color"),
        ([], "PATH"),
    ],
)
def test_bad_input(tmp_path, arguments, complaint):
    """Bad input is one line, and exit code 2."""
    if "run" in arguments:
        write(tmp_path / "run")
    said = run(*arguments, code=2, cwd=tmp_path)
    assert complaint in said
    assert said.count("\n") == 1


def test_what_cannot_be_read_is_said_once(tree):
    """NULs at the end of a file are one line on standard error; the rest is shown."""
    with open(tree / "logs/overview.txt", "ab") as file:
        file.truncate(1 << 20)
    done = subprocess.run([*COMMAND, str(tree)], capture_output=True, timeout=60, check=True)
    assert done.stderr.decode().count("\n") == 1
    assert "NUL bytes" in done.stderr.decode()
    assert b"\0" not in done.stdout


def test_help():
    """The help has an example of each use."""
    said = run("--help").decode()
    assert "--mini-batch" in said
    assert "less -R" in said
