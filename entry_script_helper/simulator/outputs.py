"""The result file, put together from the rows in the journals: each succeeded mini-batch's exactly once.

Until then an earlier run's file stands, and nobody ever reads half a file: it is written beside and renamed.
"""

from __future__ import annotations

import contextlib
import os

from entry_script_helper.errors import EntryScriptHelperError
from entry_script_helper.simulator import journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE = 1 << 20
"""Bytes that are copied at once."""


class OutputError(EntryScriptHelperError, OSError):
    """The result file can't be written."""


def refusal(path: str, error: OSError, remedy: str = "free some space, or give --output another file") -> OutputError:
    """Return the error for a result file (or what belongs to it) that can't be written."""
    return OutputError(f"the result file {path} can't be written: {error}; {remedy}")


def gather(folder: str, succeeded: bytearray, target: str) -> None:
    """Write the result file.

    Args:
        folder: The directory of the run's journals.
        succeeded: For each mini-batch, by its index, whether its rows belong into the file. Where two journals
            hold one, as where a process outlived a killed run for a moment, the first counts.
        target: The result file.

    Raises:
        OutputError: It can't be written, or rows are no longer where they were; *target* is as it was then.
    """
    gathering = os.path.join(folder, "gathering")
    wanted = bytearray(succeeded)
    try:
        with open(gathering, "wb", buffering=0) as file:
            for path in journal.paths(folder):
                for start, end in _joined(_ranges(path, wanted)):
                    _copy(journal.rows_of(path), start, end, file.fileno())
        os.replace(gathering, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.remove(gathering)  # it may be what fills the disk
        remedy = f"what succeeded is kept in {folder}: free some space, and --resume goes on with it"
        raise refusal(target, error, remedy) from error


def _ranges(path: str, wanted: bytearray) -> Iterator[tuple[int, int]]:
    """Yield where the wanted rows are in one process's file, and want them no more."""
    for index, start, end in journal.ranges(path):
        if wanted[index]:
            wanted[index] = False
            yield start, end


def _joined(ranges: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the ranges, those that follow on each other as one."""
    begin = finish = 0
    for start, end in ranges:
        if start != finish:
            yield begin, finish
            begin = start
        finish = end
    yield begin, finish


def _copy(source: str, start: int, end: int, target: int) -> None:
    if start == end:
        return
    with open(source, "rb", buffering=0) as file:
        file.seek(start)
        while start < end:
            piece = file.read(min(_PIECE, end - start))
            if not piece:
                raise OSError(None, f"{source} is shorter than it was")
            start += len(piece)
            while piece:  # a write may take only a part
                piece = piece[os.write(target, piece) :]
