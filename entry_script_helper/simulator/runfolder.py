"""The directory beside the result file in which a run's journals lie, and what may be done with one that is there.

It is there from a run's start until the run has succeeded, or nothing in it has. What a run has left is gone on with
(``resume``), or moved aside by the next run. A lock on it keeps two runs from one result file.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil

from entry_script_helper.errors import UsageError
from entry_script_helper.simulator import journal
from entry_script_helper.simulator.outputs import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

ENDING, OLD = ".part", ".part.old"
_HEADER = "run.json"


class RunFolder:
    """The directory of one run, locked, as a context.

    Args:
        result_file: The run's result file: the directory's name is that with ``.part`` behind it.
        header: What must be the same for a run that goes on with this one: plain values for JSON.
        resume: Go on with the run that left the directory.
        keep: Whether what is in it is worth to be gone on with: not for a sample of the input.

    Raises:
        UsageError: Another run uses it; or it can't be resumed: there is none, or its header is another.
        OutputError: It can't be made or read.
    """

    def __init__(self, result_file: str, header: dict[str, Any], *, resume: bool, keep: bool = True) -> None:
        self.path = result_file + ENDING
        self.note = ""
        """What a user should know about the directory that was there, in one line."""
        self._result_file = result_file
        self._keep = keep
        self._lock = -1
        try:
            if resume:
                self._take_over(header)
            else:
                self._begin(header)
        except OSError as error:
            self._unlock()
            raise refusal(result_file, error) from error
        except UsageError:
            self._unlock()
            raise

    def __enter__(self) -> RunFolder:  # noqa: PYI034 - typing.Self is not in Python 3.9
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_stopped = kind is not None and issubclass(kind, KeyboardInterrupt)
        if not self._keep or not (is_stopped or self._holds_rows()):
            self.discard()
        self._unlock()

    def discard(self) -> None:
        """Remove it with all that is in it: the run has succeeded."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _begin(self, header: dict[str, Any]) -> None:
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        if self._lock_existing():
            self._move_aside()
            self._unlock()
        try:
            os.mkdir(self.path)
        except FileExistsError:
            raise self._in_use() from None  # another run was quicker
        self._lock_existing()
        temporary = os.path.join(self.path, f"{_HEADER}.new")
        with open(temporary, "w", encoding="ascii") as file:
            json.dump(header, file)
        os.replace(temporary, os.path.join(self.path, _HEADER))

    def _take_over(self, header: dict[str, Any]) -> None:
        if not self._lock_existing():
            raise UsageError(f"--resume: no run has left a {self.path} to go on with: leave --resume out")
        try:
            with open(os.path.join(self.path, _HEADER), encoding="ascii") as file:
                found = json.load(file)
        except (FileNotFoundError, ValueError):
            found = {}
        differing = [name for name in header if found.get(name) != header[name]]
        if differing:
            raise UsageError(
                f"--resume: the run that left {self.path} had another {' and '.join(differing)}: "
                "give the same as then, or leave --resume out to start afresh"
            )

    def _lock_existing(self) -> bool:
        """Lock the directory; return False where there is none."""
        try:
            self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._in_use() from None
        except OSError:
            pass  # a file system without locks
        return True

    def _in_use(self) -> UsageError:
        return UsageError(
            f"another run is writing {self._result_file}: wait for its end, or give --output another file"
        )

    def _move_aside(self) -> None:
        """Keep what an earlier run has left, if it holds any mini-batch's rows."""
        if not self._keep or not self._holds_rows():
            self.discard()
            return
        old = self._result_file + OLD
        shutil.rmtree(old, ignore_errors=True)
        os.rename(self.path, old)
        self.note = f"what an unfinished run had done is now in {old} (--resume would have gone on with it)"

    def _holds_rows(self) -> bool:
        """Tell whether a mini-batch's rows are in it: else there is nothing to go on with."""
        try:
            return any(map(_has_succeeded, journal.paths(self.path)))
        except FileNotFoundError:  # it has been discarded
            return False

    def _unlock(self) -> None:
        if self._lock >= 0:
            with contextlib.suppress(OSError):
                os.close(self._lock)
            self._lock = -1


def _has_succeeded(path: str) -> bool:
    return any(True for _ in journal.ranges(path))
