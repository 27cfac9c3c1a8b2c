"""The errors of one process as a JSON file for programs to read: how many there were, the first and the last.

It stands beside the process's log, ``<process name>.<process id>.error.json``, and is replaced as a whole, so that
who reads it never finds half of it. A process that failed a million times still leaves one small file, and one that
took a dead process's name leaves that one's file alone.
"""

from __future__ import annotations

import contextlib
import os
import threading

from entry_script_helper import lastresort
from entry_script_helper.jsontext import encode, readable
from entry_script_helper.processstate import only

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entry_script_helper.redaction import Redactor

ENDING = ".error.json"

LONGEST_TEXT = 64 * 1024
"""Characters of one text in the file; of a longer one the middle is left out."""

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_MODE = 0o640
_MOST_CANDIDATES = 20


class Errors:
    """The error files of this process: one beside each log that it writes."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._files: dict[str, _ErrorFile] = {}

    def add(self, log: str, entry: dict[object, object], redactor: Redactor | None) -> str | None:
        """Add one error to the file beside a log.

        Args:
            log: The log's path.
            entry: What is to be known of the error; its keys and values may be anything.
            redactor: Replaces secrets, or None to leave them.

        Returns:
            The file's path; None where it could not be written, which is said once on stderr.
        """
        shown = {key: _shown(value, redactor) if isinstance(value, str) else value for key, value in entry.items()}
        text = encode(shown, redactor)
        with self._lock:
            if log not in self._files:
                self._files[log] = _ErrorFile(_free_path(log))
            file = self._files[log]
            try:
                file.add(text)
            except OSError as error:
                lastresort.say_once(("error file", log), f"{file.path} can't be written: {readable(error)}")
                return None
            return file.path

    def forget_parent(self) -> None:
        """In a forked child: the files are the parent's."""
        self._lock = threading.RLock()
        self._files = {}


class _ErrorFile:
    """One file, and what it is to hold when it is written again."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._count = 0
        self._first = ""

    def add(self, text: str) -> None:
        self._count += 1
        self._first = self._first or text
        _replace(self.path, f'{{"count": {self._count}, "first": {self._first}, "last": {text}}}\n'.encode())


def errors() -> Errors:
    """Return this process's error files, the same for all loads of this package."""
    return only("errors", Errors, lambda mine: os.register_at_fork(after_in_child=mine.forget_parent))


def cut(text: str) -> str:
    """Return a text of at most about `LONGEST_TEXT` characters: its start and its end, where it is longer."""
    left_out = len(text) - LONGEST_TEXT
    if left_out <= 0:
        return text
    half = LONGEST_TEXT // 2
    return f"{text[:half]}\n... {left_out} characters left out ...\n{text[-half:]}"


def _shown(text: str, redactor: Redactor | None) -> str:
    # In this order: of a secret that was cut in two, the second half would look like any text.
    return cut(redactor(text) if redactor else text)


def _free_path(log: str) -> str:
    """Return the path for a process whose log this is, past a file that an earlier process of this id has left."""
    stem = os.path.splitext(log)[0]
    identity = f".{os.getpid()}"
    stem = stem if stem.endswith(identity) else stem + identity
    candidates = [stem + ENDING, *[f"{stem}.{number}{ENDING}" for number in range(2, _MOST_CANDIDATES)]]
    return next((path for path in candidates if not os.path.lexists(path)), candidates[-1])


def _replace(path: str, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.tmp"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)  # of a process of this id that was killed within the lines below
    descriptor = os.open(temporary, _FLAGS, _MODE)
    try:
        try:
            while data:  # a write may take only a part
                data = data[os.write(descriptor, data) :]
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
