"""`logs --follow`, as a real process beside real writers."""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import signal
import subprocess
import sys
import threading

import pytest
from logtreebits import Bytes

from entry_script_helper.logtree import layouts
from entry_script_helper.logtree.complaints import Complaints
from entry_script_helper.logtree.files.sources import Sources
from entry_script_helper.logtree.layouts import LogFile
from entry_script_helper.logtree.selection import follow as follow_module
from entry_script_helper.logtree.stream import merge

COMMAND = [sys.executable, "-m", "entry_script_helper", "logs", "--follow"]
LINE = "2026-01-31 10:00:00,{:03}|INFO|1|{}\n"


class Following:
    """The command, and the lines that it shows."""

    def __init__(self, *arguments):
        # These tests may themselves run where Ctrl-C is ignored, in the background; a child would inherit that.
        restored = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=restored,  # noqa: PLW1509
        )
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))

    def next(self, count=1):
        return [self._lines.get(timeout=60).split("|")[-1] for _ in range(count)]

    def end(self):
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()
        self.process.stderr.close()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(timeout=60) == 130
        assert self._lines.empty()
        return self.process.stderr.read()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "logs" / "user" / "10.0.0.4"
    folder.mkdir(parents=True)
    (folder / "Process-1.txt").write_text(LINE.format(1, "a"))
    return folder


@pytest.fixture
def follow(tmp_path):
    started = []

    def start(*arguments):
        started.append(Following(tmp_path, *arguments))
        return started[-1]

    yield start
    for following in started:
        following.end()


def append(file, text):
    with open(file, "a", encoding="utf-8") as opened:
        opened.write(text)


def test_what_is_added_and_what_appears(folder, follow):
    """What is added to files is shown, and files and folders that appear later are too; Ctrl-C ends it with 130."""
    following = follow()
    assert following.next() == ["a"]
    append(folder / "Process-1.txt", LINE.format(2, "b"))
    assert following.next() == ["b"]
    append(folder / "Process-2.txt", LINE.format(3, "c"))
    assert following.next() == ["c"]
    other = folder.parent / "10.0.0.5"
    other.mkdir()
    append(other / "Process-1.txt", LINE.format(4, "d"))
    assert following.next() == ["d"]
    assert following.stop() == "entry-script-helper: stopped by Ctrl-C\n"


def steps(folder, *changes):
    """Return what a follower shows when these changes are made, one between two looks each."""
    heard = Complaints()
    files = [LogFile(entry, layouts.place(entry.path), entry.path) for entry in Sources([folder], heard).all()]
    left = iter(changes)

    def pause(seconds):
        assert seconds >= follow_module.PAUSE
        try:
            next(left)()
        except StopIteration:
            raise KeyboardInterrupt from None

    follower = follow_module.Follower(
        files, list, lambda file: merge.Stream(file.entry, heard, merge.everything), pause=pause
    )
    shown = []
    with contextlib.suppress(KeyboardInterrupt):
        for items in follower.run():
            shown += items
    assert heard.lines == []
    return [item.partition("|1|")[2] for item in shown]


def nothing():
    pass


def test_a_record_is_never_broken(folder):
    """A record that is written in parts is shown when it is whole; what others write meanwhile is shown before it."""
    first, other = folder / "Process-1.txt", folder / "Process-2.txt"
    other.write_text("")
    shown = steps(
        folder,
        nothing,
        lambda: append(first, LINE.format(2, "be")[:-1]),
        lambda: append(other, LINE.format(3, "other")),
        *[nothing] * (follow_module.PATIENCE - 3),
        lambda: append(first, "gin\n"),
        lambda: append(first, "\tmore\n"),
        nothing,
    )
    assert shown == ["a", "other", "begin\n\tmore"]


def test_a_last_line_waits_only_so_long(folder):
    """A last line without its newline is shown when nothing was added to it for PATIENCE looks, not before."""
    cut = LINE.format(2, "cut")[:-1]
    waits = [nothing] * follow_module.PATIENCE
    assert steps(folder, lambda: append(folder / "Process-1.txt", cut), *waits) == ["a", "cut"]
    (folder / "Process-1.txt").write_text(cut)
    assert steps(folder, *waits[1:]) == []


def test_files_that_cannot_be_looked_at(folder):
    """A file that goes away between two looks, or between a look and a reading, ends nothing."""
    first, other = folder / "Process-1.txt", folder / "Process-2.txt"
    other.write_text(LINE.format(3, "b"))
    assert steps(
        folder, nothing, first.unlink, nothing, lambda: append(other, LINE.format(5, "c")), nothing, nothing
    ) == [
        "a",
        "b",
        "c",
    ]


def test_a_look_that_fails_shows_nothing(folder):
    """A file that can't be read between two looks is looked at again."""
    entry = Bytes(LINE.format(1, "a").encode())
    file = LogFile(entry, layouts.place(entry.path), entry.path)
    heard = Complaints()

    def stop(_seconds):
        entry.error = OSError("gone")
        if entry.reads > 20:
            raise KeyboardInterrupt

    follower = follow_module.Follower(
        [file, file._replace(path="unwanted")],
        list,
        lambda file: None if file.path == "unwanted" else merge.Stream(file.entry, heard, merge.everything),
        pause=stop,
    )
    shown = []
    entry.reads = 18
    with contextlib.suppress(KeyboardInterrupt):
        for items in follower.run():
            shown += items
    assert shown == []


def test_a_last_line_without_a_newline_is_shown_after_a_while(folder, follow):
    """What a killed process left as a last line is shown, too."""
    following = follow()
    append(folder / "Process-1.txt", LINE.format(2, "cut")[:-1])
    assert following.next(2) == ["a", "cut"]
    following.stop()


def test_files_that_are_emptied_replaced_renamed_removed(folder, follow):
    """A file that was emptied or replaced is shown from its beginning, a renamed one goes on, a removed one ends."""
    file = folder / "Process-1.txt"
    append(file, LINE.format(1, "a2"))
    following = follow()
    assert following.next(2) == ["a", "a2"]
    file.write_text(LINE.format(2, "emptied"))
    assert following.next() == ["emptied"]
    (folder / "new").write_text(LINE.format(3, "replaced") + LINE.format(3, "replaced2"))
    os.replace(folder / "new", file)
    assert following.next(2) == ["replaced", "replaced2"]
    os.rename(file, folder / "Process-9.txt")
    append(folder / "Process-9.txt", LINE.format(4, "renamed"))
    assert following.next() == ["renamed"]
    file.write_text(LINE.format(5, "back"))
    assert following.next() == ["back"]
    os.remove(file)
    append(folder / "Process-9.txt", LINE.format(6, "still"))
    assert following.next() == ["still"]
    following.stop()


def test_filters_and_json(folder, follow):
    """Filters hold for what comes, too, in JSON as well."""
    following = follow("--grep", "yes", "--json")
    append(folder / "Process-1.txt", LINE.format(2, "no") + LINE.format(3, "yes"))
    assert '"message": "yes"' in following.next()[0]
    following.stop()


def test_it_ends_when_nobody_reads(folder, follow, tmp_path):
    """It ends quietly when its output is closed, also while nothing is written."""
    process = subprocess.Popen([*COMMAND, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline().endswith(b"a\n")
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()
