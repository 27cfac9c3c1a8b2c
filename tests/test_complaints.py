"""What could not be read is said once a file and kind of trouble, in bounds, safe for a terminal."""

from __future__ import annotations

import errno

import pytest

from entry_script_helper.logtree import complaints
from entry_script_helper.logtree.complaints import Complaints, ReadError, printable


def test_a_line_for_a_file_and_a_kind_of_trouble():
    """However often something is wrong with a file, it is said once for each kind of trouble, when it is first seen."""
    said = []
    found = Complaints(said.append)
    for number in range(3):
        found.add("a.txt", complaints.UNREADABLE, f"for the {number}th time")
        found.add("a.txt", complaints.DAMAGED)
    assert said == ["a.txt: can't be read: for the 0th time", f"a.txt: {complaints.DAMAGED}"]
    assert found.lines == said
    found.close()
    assert found.lines == said


def test_the_lines_are_bounded():
    """Of a kind of trouble ten files are named; the others are counted, once, at the end."""
    said = []
    found = Complaints(said.append)
    for number in range(1250):
        found.add(f"{number}.txt", complaints.GONE)
    found.add("other.txt", complaints.LINK)
    assert len(said) == complaints.MOST_LINES + 1
    assert found.lines == [*said, f"and 1,240 more: {complaints.GONE}"]
    found.close()
    found.close()
    assert said[-1] == f"and 1,240 more: {complaints.GONE}"
    assert len(said) == complaints.MOST_LINES + 2


def test_without_a_listener_they_are_only_collected(capsys):
    """Complaints that nobody listens to are kept, and printed nowhere."""
    found = Complaints()
    found.add("a.txt", complaints.GONE)
    found.close()
    assert found.lines == [f"a.txt: {complaints.GONE}"]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ReadError(complaints.SHRANK), f"a: {complaints.SHRANK}"),
        (ReadError(complaints.DAMAGED, "at 12"), f"a: {complaints.DAMAGED}: at 12"),
        (FileNotFoundError(errno.ENOENT, "No such file"), f"a: {complaints.GONE}"),
        (PermissionError(errno.EACCES, "Permission denied"), "a: can't be read: Permission denied"),
        (OSError("something"), "a: can't be read: something"),
    ],
)
def test_an_error_is_a_line(error, line):
    """Each error with which a file can't be read has a line that says what happened."""
    found = Complaints()
    found.failed("a", error)
    assert found.lines == [line]


def test_an_error_says_its_trouble():
    """The text of our own error is the trouble, with what more there is to say."""
    assert str(ReadError("is gone")) == "is gone"
    assert str(ReadError("is gone", "since noon")) == "is gone: since noon"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("logs/Prozeß 1.txt", "logs/Prozeß 1.txt"),
        ("a\x1b[2Jb\x07\n", "a\\x1b[2Jb\\x07\\x0a"),
        ("\x9b31m\x7f", "\\x9b31m\\x7f"),
        ("\u202etxt.\u2028", "\\u202etxt.\\u2028"),
        ("\udcff", "\\udcff"),
        ("a\xa0b", "a\xa0b"),
    ],
)
def test_no_command_reaches_a_terminal(text, shown):
    """Control characters, marks that turn the direction of writing and bytes that are no text are written out."""
    assert printable(text) == shown
    found = Complaints()
    found.add(text, "bad", text)
    assert found.lines == [f"{shown}: bad: {shown}"]
