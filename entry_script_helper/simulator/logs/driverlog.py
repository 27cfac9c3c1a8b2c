"""70_driver_log.txt: what worker processes print, also in C code and subprocesses, and every stack and traceback."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys

from entry_script_helper import lastresort, logfile
from entry_script_helper.jsontext import readable
from entry_script_helper.simulator.logs.lines import LineFile
from entry_script_helper.simulator.shown import safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TAIL = 256 * 1024
"""Bytes at a log's end in which a dead process's stacks are looked for."""

_STACKS = re.compile(
    rb"^(?:Timeout \(|Fatal Python error: )[^\n]*\n(?:(?:Thread |Current thread |Stack |Extension |  )[^\n]*\n?|\n)*",
    re.MULTILINE,
)
"""What `faulthandler` writes."""


def redirect(path: str) -> bool:
    """Let everything that this process and its children print go to the driver's log, as whole lines where they can.

    The descriptors 1 and 2 lead there, so that prints of C code and of subprocesses go there too. Python's own
    streams write each line at once, in UTF-8; they never raise for a full disk, and no character is refused.

    Returns:
        False where the file can't be opened, which is said once: all stays as it was.
    """
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor, _ = logfile.open_regular_file(path)
    except OSError as error:
        lastresort.say_once(("log", path), f"can't write {path}: {readable(error)}; what is printed stays where it was")
        return False
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed, or none
            stream.flush()
    for number in (1, 2):
        os.dup2(descriptor, number)
    os.close(descriptor)
    sys.stdout, sys.stderr = _stream(1), _stream(2)
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]
    return True


def _stream(descriptor: int) -> io.TextIOWrapper:
    raw = _Patient(descriptor, "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", newline="\n", line_buffering=True
    )


class _Patient(io.FileIO):
    """A file whose write never fails: a script must not fail at its work because a print can't be kept."""

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        """Write what can be written, and drop what can't."""
        try:
            return super().write(data) or len(data)
        except OSError:
            return len(data)


class DriverLog:
    """The driver's log as the master writes to it: tracebacks of what failed, stacks of what hung or crashed.

    Args:
        path: Where it is.
    """

    def __init__(self, path: str) -> None:
        self._file = LineFile(path, claimed=False)

    def traceback(self, headline: str, traceback: str) -> None:
        """Append a traceback below a line that says whose it is."""
        self._file.write(f"{headline}\n{traceback.rstrip()}", "ERROR")

    def stacks(self, headline: str, log: str, begin: int = 0) -> bool:
        """Append the last stacks that a process which is gone has left in its own log.

        Args:
            headline: A line that says whose they are.
            log: That process's log.
            begin: The log's size when the process began: what stands before is another's.

        Returns:
            Whether there were any.
        """
        found = last_stacks(log, begin)
        if found:
            self._file.write(f"{headline}\n{found.rstrip()}", "ERROR")
        return bool(found)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def last_stacks(log: str, begin: int = 0) -> str:
    """Return the last stacks of all threads in a log, or empty text; a log that can't be read has none."""
    try:
        with open(log, "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - _TAIL, begin))
            tail = file.read(_TAIL)
    except OSError:
        return ""
    found = _STACKS.findall(tail)
    return safe(found[-1].decode("utf-8", "backslashreplace")) if found else ""
