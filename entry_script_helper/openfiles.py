"""The log files that this process has open, and the handlers that write to them.

There is one such object in a process, and it outlives a reload of this package. A forked child forgets all of it and
opens files of its own.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref

from entry_script_helper import lastresort
from entry_script_helper.logfile import LogFile
from entry_script_helper.processstate import only

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Cut(Protocol):
        """When the next file begins: `cutting.Cut`, which is loaded only where it is asked for."""

        def file(self, path: str, report: Callable[[str], bytes]) -> LogFile:
            """Return the files that stand for a path, as one."""

    class Writer(Protocol):
        """What writes to the files: our handlers."""

        def flush(self) -> None:
            """Try to write what waits."""

        def end(self) -> None:
            """Write what was only counted."""

        def forget_parent(self) -> None:
            """Give up what is the parent's, in a forked child."""

    _Key = tuple[str, bool, "Cut | None"]


class OpenFiles:
    """Hands out one `LogFile` a path, and closes it while no handler uses it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.process_id = os.getpid()
        self.handlers: weakref.WeakSet[Writer] = weakref.WeakSet()
        self._is_exiting = False
        self._files: dict[_Key, LogFile] = {}
        self._users: dict[_Key, set[int]] = {}

    def attach(
        self, user: object, path: str, *, claimed: bool, report: Callable[[str], bytes], cut: Cut | None = None
    ) -> LogFile:
        """Return the file for *path*, the same for all who ask alike, and give back the one that *user* had before."""
        with self.lock:
            key = (path, claimed, cut)
            file = self._files.get(key)
            if file is None:
                file = cut.file(path, report) if cut else LogFile(path, claimed=claimed, report=report)
                self._files[key] = file
            self._users.setdefault(key, set()).add(id(user))
            self._release(user, but=key)
            return file

    def detach(self, user: object) -> None:
        """Close the file of *user* unless somebody else uses it too.

        Not at the end of the process, which closes all of them: there are late records, of destructors and of
        functions that run at exit, and by then a path may not be opened again.
        """
        if not self._is_exiting:
            with self.lock:
                self._release(user)

    def _release(self, user: object, but: _Key | None = None) -> None:
        for key, users in list(self._users.items()):
            if key != but:
                users.discard(id(user))
            if not users:
                del self._users[key]
                self._files[key].close()  # kept: a thread may be writing to it still

    def path_in_use(self, path: str, cut: Cut | None = None) -> str | None:
        """Return the path of the file that stands for *path*, or None where none is open."""
        file = self._files.get((path, True, cut))
        return file.path if file and file.in_use else None

    def exit(self) -> None:
        """At the end of the process: try a last time to write what waits."""
        self._is_exiting = True
        for handler in list(self.handlers):
            handler.end()
            handler.flush()
        for file in list(self._files.values()):
            left = file.drain()
            if left:
                lastresort.show(f"entry_script_helper: not in {file.wanted}, but above, on stderr: {left} record(s)")

    def forget_parent(self) -> None:
        """In a forked child: all that is open is the parent's, and a lock may be held by a thread that is not here."""
        self.lock = threading.RLock()
        self.process_id = os.getpid()
        for file in self._files.values():
            file.abandon()
        self._files.clear()
        self._users.clear()
        for handler in list(self.handlers):
            handler.forget_parent()


def open_files() -> OpenFiles:
    """Return this process's open files."""
    return only("open_files", OpenFiles, _begin)


def _begin(files: OpenFiles) -> None:
    os.register_at_fork(after_in_child=files.forget_parent)
    atexit.register(files.exit)
