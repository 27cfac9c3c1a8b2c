"""A file of lines ``time|level|process id|message``: each whole, in the kernel's hands at once, without secrets."""

from __future__ import annotations

import os
import time

from entry_script_helper import lastresort
from entry_script_helper.jsontext import readable
from entry_script_helper.openfiles import open_files
from entry_script_helper.simulator.shown import safe

FORMAT = "%(asctime)s|%(levelname)s|%(process)d|%(message)s"
"""The line, as `logging.Formatter` would take it; the time is UTC, as in the helper's own files."""


LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class LineFile:
    """One such file, appended to.

    What can't be written (a full disk) waits in bounds, and is written when it can be; that is said once on stderr.

    Args:
        path: Where it is.
        claimed: Whether to take ``<name>.<process id>.txt`` in its place where another live process holds it.
        level: The lowest level that is written.
    """

    def __init__(self, path: str, *, claimed: bool = True, level: str = "DEBUG") -> None:
        self._level = LEVELS.index(level)
        self._file = open_files().attach(self, path, claimed=claimed, report=_report)

    @property
    def path(self) -> str:
        """Return the path of the file in use."""
        return self._file.path

    def write(self, message: str, level: str = "INFO") -> None:
        """Append a line; further lines of the message are indented, and secrets in it are replaced."""
        if LEVELS.index(level) >= self._level:
            self.write_safe(safe(message).replace("\n", "\n\t"), level)

    def write_safe(self, message: str, level: str = "INFO") -> None:
        """Append a line, of whatever level, whose message is known to be one and without secrets."""
        line = f"{stamp(time.time())}|{level}|{os.getpid()}|{message}\n"
        if not self._file.write(line.encode("utf-8", "backslashreplace")):
            text = f"can't write {self._file.wanted}: {readable(self._file.trouble)}; its lines wait until that works"
            lastresort.say_once(("log", self._file.wanted), text)

    def close(self) -> None:
        """Write what waits, if that is possible, and close the file."""
        open_files().detach(self)


_second: list[tuple[int, str]] = [(0, "")]


def stamp(now: float) -> str:
    """Return a time, in seconds since the epoch, as the helper's own files have it; a second's text is made once."""
    whole = int(now)
    second, text = _second[0]
    if second != whole:
        text = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(whole))
        _second[0] = (whole, text)
    return f"{text},{int((now - whole) * 1000):03d}"


def _report(text: str) -> bytes:
    return f"{stamp(time.time())}|WARNING|{os.getpid()}|{text}\n".encode()
