"""What could not be read: one line for a file and a kind of trouble, a bound for all of them, safe for a terminal."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from entry_script_helper.jsontext import MISLEADING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_LINES = 10
"""Lines of one kind of trouble that are said; the others of that kind are counted."""


UNREADABLE = "can't be read"
UNREADABLE_FOLDER = "a folder that can't be read"
GONE = "was removed while it was read"
REPLACED = "was replaced by another file while it was read; the rest of it is not shown"
SHRANK = "became shorter while it was read; the rest of it is not shown"
NO_FILE = "no file (but a FIFO, socket or device), so it is not opened"
LINK = "a link that leads out of the tree, so it is not followed; give what it leads to as another PATH"
DAMAGED = "damaged in the archive; what can be read of it is shown"
ENCRYPTED = "encrypted, so it can't be read; unpack the archive, and give the folder"
UNKNOWN_PACKING = "packed in a way that is not read; unpack the archive, and give the folder"
UNSAFE_NAME = "a name that leads out of the archive, so it is not read"
TOO_LARGE = "unpacks to far more than it is packed, so its end is not read"
"""Kinds of trouble, each the end of a sentence that begins with the file."""


class ReadError(OSError):
    """A file can't be read on, for a reason of ours.

    Args:
        trouble: The kind of trouble, as `Complaints.add` takes it.
        detail: What more there is to say.
    """

    def __init__(self, trouble: str, detail: str = "") -> None:
        super().__init__(f"{trouble}: {detail}" if detail else trouble)
        self.trouble, self.detail = trouble, detail


class Complaints:
    """Collects what was wrong with a tree, and says it.

    Args:
        say: Called with each line at once, and by `close` with the lines that count the rest; without it the lines are
            only collected. A line is plain text: no control character is in it, whatever a file is called.
    """

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._say = say or _say_nothing
        self._said: list[str] = []
        self._files: dict[str, set[str]] = {}
        self._is_closed = False

    def add(self, path: str, trouble: str, detail: str = "") -> None:
        """Complain about a file, once for each kind of trouble.

        Args:
            path: The file, as a user knows it.
            trouble: The kind of trouble, as the end of a sentence that begins with a path: "can't be read". What is
                the same for many files is counted by it.
            detail: What more there is to say of this file.
        """
        files = self._files.setdefault(trouble, set())
        if path in files:
            return
        files.add(path)
        if len(files) <= MOST_LINES:
            line = printable(f"{path}: {trouble}{f': {detail}' if detail else ''}")
            self._said.append(line)
            self._say(line)

    def failed(self, path: str, error: OSError) -> None:
        """Complain about a file that an `Entry` could not read."""
        if isinstance(error, ReadError):
            self.add(path, error.trouble, error.detail)
        elif isinstance(error, FileNotFoundError):
            self.add(path, GONE)
        else:
            self.add(path, UNREADABLE, error.strerror or str(error))

    def close(self) -> None:
        """Say how many more there were, once."""
        if not self._is_closed:
            self._is_closed = True
            for line in self._rest():
                self._say(line)

    @property
    def lines(self) -> list[str]:
        """Return all that there is to say, so far: the lines, and those that count the rest."""
        return [*self._said, *self._rest()]

    def _rest(self) -> list[str]:
        counts = {trouble: len(files) - MOST_LINES for trouble, files in self._files.items()}
        return [printable(f"and {count:,} more: {trouble}") for trouble, count in counts.items() if count > 0]


def printable(text: str) -> str:
    r"""Return *text* on one line, with all that a terminal could take for a command written out: ``\x1b``."""
    return text if text.isprintable() else _control().sub(_escape, text)


@functools.cache
def _control() -> re.Pattern[str]:
    return re.compile(f"[\x00-\x1f{MISLEADING}]")


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 - what two digits can say


def _say_nothing(_line: str) -> None:
    pass
