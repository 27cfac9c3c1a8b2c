"""The input: the files below a directory, always in the same order, cut into mini-batches by count."""

from __future__ import annotations

import dataclasses
import itertools
import os

from entry_script_helper.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclasses.dataclass(frozen=True)
class MiniBatch:
    """Some of the input's files, by absolute path, and their number in the run, counted from 0."""

    index: int
    files: list[str]


def count_files(input_dir: str) -> int:
    """Return how many files there are to score.

    Raises:
        UsageError: There are none, or a directory can't be read.
    """
    count = sum(1 for _ in _files(input_dir))
    if not count:
        raise UsageError(f"--input: there are no files below {input_dir}: give the directory that holds those to score")
    return count


def cut(input_dir: str, size: int) -> Iterator[MiniBatch]:
    """Yield the mini-batches of *size* files each (the last may have fewer), reading ahead no further than asked.

    Raises:
        UsageError: A directory can't be read.
    """
    files = _files(os.path.abspath(input_dir))
    batches = iter(lambda: list(itertools.islice(files, size)), [])
    return (MiniBatch(index, batch) for index, batch in enumerate(batches))


def _files(directory: str) -> Iterator[str]:
    """Yield the files, sorted by name in each directory. Linked files count, linked directories don't: cycles."""
    try:
        with os.scandir(directory) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"--input: {directory} can't be read: {error.strerror}; give a directory that can") from error
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path)
        elif entry.is_file():
            yield entry.path
