"""On disk, per process: which mini-batch was started, and which rows of which file belong to which finished one.

A worker process has two files of its own, to which only it writes: ``<name>.rows`` with the rows of its mini-batches,
one after the other, and ``<name>.journal`` with a line for each start and each end. A mini-batch has succeeded when
its line says so, and that is written after its rows, so that a process may be killed at any moment. What was written
has reached the kernel: it outlives the process, though not the machine's power.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import json
import os

from entry_script_helper.naming import safe_component
from entry_script_helper.simulator.attempt import FAILED, SUCCEEDED, Attempt
from entry_script_helper.simulator.failures import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

JOURNAL, ROWS = ".journal", ".rows"

_STARTED, _DONE, _FAILED = b"started", b"done", b"failed"

# One append each, never through a link.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclasses.dataclass(frozen=True)
class Start:
    """A mini-batch that a process has started, and not ended."""

    index: int
    number: int
    total: int
    start1: float
    start2: float


@dataclasses.dataclass(frozen=True)
class Done:
    """A mini-batch that has succeeded, and where its rows are."""

    attempt: Attempt
    offset: int
    length: int


class Writer:
    """The two files of one worker process.

    Args:
        folder: The directory of the run's journals.
        process: The process's name; another process of that name, before this one, has files of its own.
        pid: The process's id; None for this very process, and another's where that is on another machine.

    Raises:
        OSError: They can't be made, or (any method) not be written. Nothing half is left then.
    """

    def __init__(self, folder: str, process: str, pid: int | None = None) -> None:
        pid = os.getpid() if pid is None else pid
        self.path, descriptor = _create(os.path.join(folder, f"{safe_component(process)}.{pid}"))
        self._journal = _Appender(descriptor)
        try:
            self._rows = _Appender(os.open(rows_of(self.path), _FLAGS, 0o640))
            self._journal.append(b"process %d %b\n" % (pid, json.dumps(process).encode("ascii")))
        except OSError:
            self._journal.close()
            raise

    @property
    def position(self) -> int:
        """The journal's length in bytes: what a reader that knows all before it may skip."""
        return self._journal.size

    def started(self, start: Start) -> None:
        """Say that a mini-batch is about to be tried."""
        self._journal.append(
            b"started %d %d %d %.6f %.6f\n" % (start.index, start.number, start.total, start.start1, start.start2)
        )

    def ended(self, attempt: Attempt, rows: bytes = b"") -> None:
        """Commit a mini-batch's rows, or say why it failed."""
        if attempt.status != SUCCEEDED:
            self._journal.append(b"%b %b\n" % (_FAILED, json.dumps(dataclasses.asdict(attempt)).encode("ascii")))
            return
        offset = self._rows.size
        self._rows.append(rows)
        try:
            self._journal.append(_done_line(attempt, offset, len(rows)))
        except OSError:
            self._rows.cut(offset)
            raise

    def commit(self, attempt: Attempt, rows: bytes = b"") -> Attempt:
        """Do what `ended` does, and return the try: it has failed where its rows can't be written."""
        try:
            self.ended(attempt, rows)
        except OSError as error:
            if attempt.status == SUCCEEDED:  # else its failure reaches the master all the same, as what this returns
                failure = Failure(f"the rows can't be written: {error}; free some space, or give --output another file")
                return dataclasses.replace(attempt, status=FAILED, succeeded=0, failure=failure)
        return attempt

    def close(self) -> None:
        """Close both files."""
        self._journal.close()
        self._rows.close()


def _done_line(attempt: Attempt, offset: int, length: int) -> bytes:
    return b"done %d %d %d %d %d %d %.6f %.6f %.6f %.6f\n" % (
        attempt.index,
        attempt.number,
        attempt.total,
        attempt.succeeded,
        offset,
        length,
        attempt.start1,
        attempt.end1,
        attempt.start2,
        attempt.end2,
    )


class _Appender:
    """A file of this process alone, to which whole pieces are appended or nothing."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = 0

    def append(self, piece: bytes) -> None:
        written = 0
        try:
            while written < len(piece):  # a disk that fills up takes only a part
                written += os.write(self._descriptor, memoryview(piece)[written:] if written else piece)
        except OSError:
            self.cut(self.size)
            raise
        self.size += written

    def cut(self, size: int) -> None:
        with contextlib.suppress(OSError):  # the file is gone or closed: then nothing half is left either
            os.ftruncate(self._descriptor, size)
        self.size = size

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._descriptor)


def _create(stem: str) -> tuple[str, int]:
    """Make a new journal: a process id comes back sooner or later, in containers soon."""
    names = itertools.chain([stem], (f"{stem}.{again}" for again in itertools.count(1)))
    while True:
        path = next(names) + JOURNAL
        with contextlib.suppress(FileExistsError):
            return path, os.open(path, _FLAGS, 0o640)


def rows_of(path: str) -> str:
    """Return the path of the rows to which a journal belongs."""
    return path[: -len(JOURNAL)] + ROWS


def read(path: str, position: int = 0) -> Iterator[Start | Done | Attempt]:
    """Yield what a journal says from a position on: starts, successes as `Done`, failures as `Attempt`.

    A line that has no end was being written when its process was killed: it does not count.
    """
    with open(path, "rb") as file:
        process = file.readline()
        if not process.endswith(b"\n"):
            return
        _, pid, name = process.split(b" ", 2)
        parse = functools.partial(_parsed, process=json.loads(name), pid=int(pid))
        file.seek(max(position, len(process)))
        for line in file:
            if line.endswith(b"\n"):
                yield parse(line)


def _parsed(line: bytes, process: str, pid: int) -> Start | Done | Attempt:
    kind, _, text = line.rstrip(b"\n").partition(b" ")
    if kind == _FAILED:
        fields = json.loads(text)
        return Attempt(**{**fields, "failure": Failure(**fields["failure"])})
    words = text.split(b" ")
    if kind == _STARTED:
        index, number, total = map(int, words[:3])
        return Start(index, number, total, *map(float, words[3:]))
    index, number, total, succeeded, offset, length = map(int, words[:6])
    start1, end1, start2, end2 = map(float, words[6:])
    attempt = Attempt(index, number, process, pid, SUCCEEDED, total, succeeded, start1, end1, start2, end2)
    return Done(attempt, offset, length)


def ranges(path: str) -> Iterator[tuple[int, int, int]]:
    """Yield, of the mini-batches that have succeeded: index, and where their rows begin and end."""
    with open(path, "rb") as file:
        for line in file:
            if line.startswith(_DONE) and line.endswith(b"\n"):
                _, index, _, _, _, offset, length, _ = line.split(b" ", 7)
                yield int(index), int(offset), int(offset) + int(length)


def paths(folder: str) -> list[str]:
    """Return the journals of a run."""
    return sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(JOURNAL))
