"""Trees that change, or are of no reasonable size, while `logs`, `summary` and `report` read them."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest
import trees
from test_sources import open_to_all, quick_folder, without_rights  # noqa: F401 - a fixture

from entry_script_helper.logtree import complaints, read, report, summarise
from entry_script_helper.logtree.selection import filters, reading

CHANGED, OTHER = (f"{trees.USER_FOLDER}/Process-{number}.txt" for number in (1, 2))
COUNT = 20_000
TRACEBACK = ["Traceback (most recent call last):", '  File "score.py", line 3, in run', "ValueError: seven"]
FAILED = trees.line(0, "failed").replace("INFO", "ERROR")


def _shrink(path):
    os.truncate(path, 100)


def _empty(path):
    os.truncate(path, 0)


def _remove(path):
    path.unlink()


def _remove_folder(path):
    shutil.rmtree(path.parent)


def _replace(path):
    shutil.copyfile(path, path.with_suffix(".new"))
    path.with_suffix(".new").rename(path)


def _make_fifo(path):
    path.unlink()
    os.mkfifo(path)


def _make_folder(path):
    path.unlink()
    path.mkdir()


def _make_link(path):
    path.unlink()
    path.symlink_to("Process-2.txt")


def _forbid(path):
    path.chmod(0)


CHANGES = {
    _shrink: complaints.SHRANK,
    _empty: complaints.SHRANK,
    _remove: complaints.GONE,
    _remove_folder: complaints.GONE,
    _replace: complaints.REPLACED,
    _make_fifo: complaints.NO_FILE,
    _make_folder: complaints.NO_FILE,
    _make_link: f"{complaints.UNREADABLE}: Too many levels of symbolic links",
    _forbid: f"{complaints.UNREADABLE}: Permission denied",
}
"""What becomes of a file between two reads, and what is said of it."""


@pytest.fixture
def folder():
    """A tree with an error, then a NUL and 2 MB more, in one file, and another error in a file of another node."""
    found = Path(tempfile.mkdtemp(dir=open_to_all()))  # not pytest's own, which nobody else may enter
    found.chmod(0o755)
    lines = [trees.line(1, f"one {number}") for number in range(COUNT)]
    text = "\n".join([FAILED, *TRACEBACK, trees.line(0, "cut"), "\0", *lines, ""])
    trees.write(
        found, {CHANGED: text.encode(), OTHER.replace("0.4", "0.5"): [trees.line(2, "two"), FAILED, *TRACEBACK]}
    )
    trees.write(found, {OTHER.replace("0.4", "0.6"): [trees.line(3, "three")]})
    yield found
    shutil.rmtree(found)


def change_once(change, path):
    """Return a function that is told of complaints, and changes the file when it hears the first."""
    heard = []

    def hear(line):
        heard.append(line)
        if len(heard) == 1:
            with without_rights_given_back():
                change(path)

    return heard, hear


class without_rights_given_back:  # noqa: N801 - used as a function
    """Be root again for a moment, where one was: nobody may not change the file."""

    def __enter__(self):
        self._user = os.geteuid()
        os.seteuid(os.getuid())

    def __exit__(self, *_error):
        os.seteuid(self._user)


@pytest.mark.parametrize("change", CHANGES)
def test_logs_of_a_file_that_changes(change, folder):
    """What was read of a file before it changed is shown whole, the rest is one line; the other files are shown."""
    path = folder / CHANGED
    with without_rights(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        records = read(folder)
        first = next(records)
        with without_rights_given_back():
            change(path)
        texts = [first.message, *(record.message for record in records)]
    assert [str(each.message).partition(f"{path}: ")[2] for each in caught if "NUL" not in str(each.message)] == [
        CHANGES[change]
    ]
    ones = [text for text in texts if text.startswith("one ")]
    assert ones == [f"one {number}" for number in range(len(ones))]
    assert len(ones) < COUNT
    assert texts[-2:] == ["failed\n" + "\n".join(TRACEBACK), "three"]


def test_a_file_that_vanishes_before_it_is_read(folder):
    """A file that was there when the tree was listed, and is not when it is read, is one line."""
    found = complaints.Complaints()
    selection = reading.Selection([folder], found)
    (folder / CHANGED).unlink()
    records = [text for texts in selection.merged(filters.Filters(), reading.as_text) for text in texts]
    assert records == [trees.line(2, "two"), "\n".join([FAILED, *TRACEBACK]), trees.line(3, "three")]
    assert found.lines == [f"{folder / CHANGED}: {complaints.GONE}"]


@pytest.mark.parametrize("change", CHANGES)
def test_summary_of_a_file_that_changes(change, folder):
    """An error that was read before the file changed counts, the rest of the file is one line."""
    heard, hear = change_once(change, folder / CHANGED)
    with without_rights():
        summary = summarise(folder, say=hear)
    (problem,) = summary.problems
    assert (problem.title, problem.nodes) == ("ValueError: seven", ("10.0.0.4", "10.0.0.5"))
    assert [line.partition(f"{folder / CHANGED}: ")[2] for line in heard[1:]] == [CHANGES[change]]
    assert summary.complaints == tuple(heard)


@pytest.mark.parametrize("change", [_shrink, _remove, _replace, _forbid])
def test_report_of_a_file_that_changes(change, folder, tmp_path):
    """A page is drawn all the same, and each complaint is said once."""
    heard, hear = change_once(change, folder / CHANGED)
    output = tmp_path / "report.html"
    tmp_path.chmod(0o777)
    report.draw([folder], str(output), say=hear)
    assert "ValueError: seven" in output.read_text()
    assert len(set(heard)) == len(heard)
    assert (f"{folder / CHANGED}: {CHANGES[change]}" in heard) == (change is not _forbid or os.geteuid() != 0)


@pytest.mark.parametrize("command", ["logs", "summary"])
def test_very_many_empty_files(command, quick_folder):  # noqa: F811
    """100,000 empty files are passed over with few descriptors, and no more memory than their names need."""
    trees.empty_files(quick_folder)

    def bound():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        resource.setrlimit(resource.RLIMIT_DATA, (150 << 20, 150 << 20))

    arguments = [sys.executable, "-m", "entry_script_helper", command, str(quick_folder)]
    done = subprocess.run(arguments, capture_output=True, timeout=300, check=False, preexec_fn=bound)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"what the logs tell: no error" if command == "summary" else b"")


@pytest.mark.parametrize("command", ["logs", "summary"])
@pytest.mark.parametrize("hole", [True, False])
def test_a_line_of_any_length(command, hole, quick_folder):  # noqa: F811
    """A line of 200 MB, of NULs or of text, is one complaint and takes little memory; what follows it is read."""
    size = 200 << 20
    trees.huge_line(quick_folder, size)
    if not hole:
        with open(quick_folder / CHANGED, "r+b") as file:
            file.seek(100)
            file.writelines(b"x" * (1 << 20) for _ in range(size // (1 << 20) - 1))
    with open(quick_folder / CHANGED, "a") as file:
        file.write("\n".join([FAILED, *TRACEBACK, ""]))

    def bound():
        resource.setrlimit(resource.RLIMIT_DATA, (60 << 20, 60 << 20))

    arguments = [sys.executable, "-m", "entry_script_helper", command, str(quick_folder)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(arguments, **pipes, preexec_fn=bound) as process:  # noqa: PLW1509 - there is one thread
        last = b""
        for line in process.stdout:
            last = line[-100:]
            if b"ValueError: seven" in last:
                break
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(timeout=120) == 0
    assert b"ValueError: seven" in last
    assert said.count(b"\n") == (1 if hole else 2)
