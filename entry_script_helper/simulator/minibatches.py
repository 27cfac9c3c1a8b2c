"""The input cut into mini-batches: files by count; and what every kind of mini-batch is."""

from __future__ import annotations

import dataclasses
import glob
import itertools
import os
from array import array

from entry_script_helper.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Protocol

    class MiniBatch(Protocol):
        """A part of the input, as it is sent to a worker process: small, and it can be pickled."""

        @property
        def index(self) -> int:
            """Its number in the run, counted from 0."""

        @property
        def items(self) -> int:
            """How many it has; 0 where only loading it would tell."""

        @property
        def dataset(self) -> Any:  # noqa: ANN401 - what context.dataset is in run()
            """Its place in the input: the files that it is from."""

        @property
        def partition_key_value(self) -> dict[str, Any] | None:
            """The values that its items share, where the input is cut by partition keys."""

        def load(self) -> Any:  # noqa: ANN401 - a list of paths, or a pandas DataFrame
            """Return what run() is called with. This may read, and raise whatever reading raises."""

    class Input(Protocol):
        """All mini-batches of a run, in the master: they are made when they are asked for."""

        @property
        def mini_batches(self) -> int:
            """How many there are."""

        @property
        def items(self) -> int | None:
            """How many items they have in all; None where only reading them would tell."""

        @property
        def digest(self) -> str:
            """A text that is another for another listing: a run is resumed on the same one only."""

        def mini_batch(self, index: int) -> MiniBatch:
            """Return one of them."""


_BLOCK = 10_000
"""Names that are taken into the listing at once."""

_BYTE_CODE = "__pycache__"
"""The directory that Python makes beside the entry script, which may lie in the midst of the input."""


@dataclasses.dataclass(frozen=True)
class FileMiniBatch:
    """Some of the input's files, by absolute path."""

    index: int
    files: list[str]
    partition_key_value: dict[str, Any] | None = None

    @property
    def items(self) -> int:
        """How many files it has."""
        return len(self.files)

    @property
    def dataset(self) -> list[str]:
        """The paths."""
        return self.files

    def load(self) -> list[str]:
        """Return the paths."""
        return self.files


class FileInput:
    """Files, always in the same order, cut by count.

    A million names take as much memory as their bytes and 8 bytes each, a tenth of what objects would take.

    Args:
        inputs: Absolute paths of directories (all files below them) and files, or globs of these.
        size: Files in a mini-batch; the last may have fewer.
        without: Absolute paths that are not part of the input, wherever they lie: what the run itself makes.

    Raises:
        UsageError: There are no files, or a directory can't be read.
    """

    def __init__(self, inputs: tuple[str, ...], size: int, without: Iterable[str] = ()) -> None:
        self._size = size
        self._paths = bytearray()
        self._ends = array("Q")
        without = frozenset(without)
        for path in itertools.chain.from_iterable(map(_expanded, inputs)):
            if os.path.isdir(path):
                self._add_directory(path, without)
            elif path not in without:
                self._add("", [path])
        self.items = len(self._ends)
        if not self.items:
            below = " or ".join(inputs)
            raise UsageError(f"--input: there are no files below {below}: give the directory that holds those to score")
        self.mini_batches = -(-self.items // size)

    @property
    def digest(self) -> str:
        """A digest of all paths, in their order."""
        from hashlib import sha256  # noqa: PLC0415 - heavy, and not needed to import this

        return sha256(self._paths).hexdigest()

    def mini_batch(self, index: int) -> FileMiniBatch:
        """Return the mini-batch of this index."""
        first = index * self._size
        last = min(first + self._size, self.items) - 1
        start = self._ends[first - 1] if first else 0
        block = bytes(self._paths[start : self._ends[last] - 1])
        return FileMiniBatch(index, [os.fsdecode(path) for path in block.split(b"\0")])

    def _add_directory(self, directory: str, without: frozenset[str]) -> None:
        """Add the files below a directory, sorted by name in each. Linked files count, linked directories don't."""
        names, directories = _scan(directory, without)
        for is_directory, group in itertools.groupby(names, directories.__contains__):
            if is_directory:
                for name in group:
                    self._add_directory(os.path.join(directory, name), without)
            else:
                for block in iter(lambda files=group: list(itertools.islice(files, _BLOCK)), []):  # type: ignore[misc]
                    self._add(os.path.join(directory, ""), block)

    def _add(self, prefix: str, names: list[str]) -> None:
        encoded = [os.fsencode(prefix + name) for name in names]
        ends = itertools.accumulate((len(path) + 1 for path in encoded), initial=len(self._paths))
        self._ends.extend(itertools.islice(ends, 1, None))
        self._paths += b"\0".join(encoded) + b"\0"


def _expanded(path: str) -> Iterable[str]:
    return [path] if os.path.exists(path) else sorted(glob.iglob(path, recursive=True))


def _scan(directory: str, without: frozenset[str]) -> tuple[list[str], set[str]]:
    """Return the sorted names of what counts in a directory, and which of them are directories."""
    names, directories = [], set()
    try:
        with os.scandir(directory) as scan:
            for entry in scan:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name == _BYTE_CODE:
                        continue
                    directories.add(entry.name)
                elif not entry.is_file():
                    continue
                names.append(entry.name)
    except OSError as error:
        raise UsageError(f"--input: {directory} can't be read: {error.strerror}; give a directory that can") from error
    ours = {os.path.basename(path) for path in without if os.path.dirname(path) == directory}
    return sorted(name for name in names if name not in ours) if ours else sorted(names), directories


def chosen(count: int, first: int | None, mini_batch: int | None) -> range:
    """Return the indexes of the mini-batches that a run is to try: all, the first few, or one.

    Raises:
        UsageError: There is no mini-batch of that index.
    """
    if mini_batch is not None:
        if mini_batch >= count:
            raise UsageError(f"--mini-batch: there is none of index {mini_batch}: give 0 to {count - 1}")
        return range(mini_batch, mini_batch + 1)
    return range(count if first is None else min(first, count))
