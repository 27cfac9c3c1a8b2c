"""Records as they come: of files that grow, are emptied, renamed or replaced, and of files that appear.

Files are looked at again and again (polled): that works on every file system, network drives and mounted cloud stores
among them. A record is shown when it is whole: when its last line has its newline and nothing more was written to the
file since the last look. Records are merged by time among those that have come since the last look.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, TypeVar

from entry_script_helper.logtree.stream import merge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from entry_script_helper.logtree.layouts import LogFile


PAUSE = 0.25
"""Seconds between two looks, at least."""
LISTING_PAUSE = 1.0
"""Seconds between two looks for new files, at least."""
SHARE = 10
"""Looking takes at most one part in so many of the time: with many files there are fewer looks."""
PATIENCE = 20
"""Looks for which a last line without its newline waits for the rest of it."""

Item = TypeVar("Item")


class _Followed(Generic[Item]):
    """A file and how far it has been shown."""

    __slots__ = ("file", "identity", "is_lost", "looks", "size", "stream")

    def __init__(self, file: LogFile, stream: merge.Stream[Item]) -> None:
        self.file, self.stream = file, stream
        self.size = -1
        """How large it was at the last look."""
        self.looks = 0
        """How many looks ago it grew."""
        self.is_lost = False
        """Whether it isn't there any more, is another file, or has been emptied."""
        self.identity = _identity(file)

    def look(self) -> bool:
        """Tell whether there may be something to show: what was added, or what has waited long enough."""
        if self.is_lost:
            return False
        try:
            size = self.file.entry.size()
        except OSError:
            self.is_lost = True
            return False
        self.looks = 0 if size != self.size else min(self.looks + 1, PATIENCE)
        self.size = size
        self.is_lost = size < self.stream.blocks.offset or self.stream.blocks.has_failed
        if self.is_lost or size == self.stream.blocks.offset or self.looks not in (0, 1, PATIENCE):
            return False
        self.stream.is_final = self.looks == PATIENCE or (self.looks == 1 and self._ends_a_line(size))
        return True

    def move(self, file: LogFile) -> None:
        """Go on where the file is now."""
        self.file = file
        self.stream.blocks.entry = file.entry
        self.is_lost = self.stream.blocks.has_failed = False

    def _ends_a_line(self, size: int) -> bool:
        try:
            return self.file.entry.read(size - 1, 1) == b"\n"
        except OSError:
            return False


class Follower(Generic[Item]):
    """Follows files.

    Args:
        files: Those that there are.
        appeared: Returns those that have appeared since it was last called.
        stream: Makes a file's stream; None where nothing of it is wanted.
        pause: Called with the seconds to wait between two looks.
    """

    def __init__(
        self,
        files: Iterable[LogFile],
        appeared: Callable[[], list[LogFile]],
        stream: Callable[[LogFile], merge.Stream[Item] | None],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._appeared, self._stream, self._pause = appeared, stream, pause
        self._followed: list[_Followed[Item]] = []
        self._next_listing = 0.0
        self._vacant: list[LogFile] = []
        """Where files were: what appears there is read from its beginning."""
        self._add(files)

    def run(self) -> Iterator[list[Item]]:
        """Yield items, some at a time, for ever; an empty list where there is nothing new."""
        while True:
            begin = time.monotonic()
            if begin >= self._next_listing:
                self._list()
            ready = [followed for followed in self._followed if followed.look()]
            looked = time.monotonic() - begin
            for followed in ready:
                followed.stream.is_done = False
            yield from merge.merged([followed.stream for followed in ready])
            yield []
            self._pause(max(PAUSE, SHARE * looked))

    def _list(self) -> None:
        begin = time.monotonic()
        appeared = self._appeared()
        for lost in [followed for followed in self._followed if followed.is_lost]:
            self._vacant.append(lost.file._replace(entry=lost.file.entry.again()))
            moved = next((file for file in appeared if lost.identity and _identity(file) == lost.identity), None)
            if moved:
                appeared.remove(moved)
                lost.move(moved)
            else:
                self._followed.remove(lost)
        appeared += [file for file in self._vacant if _identity(file)]
        self._vacant = [file for file in self._vacant if file not in appeared]
        self._add(appeared)
        end = time.monotonic()
        self._next_listing = end + max(LISTING_PAUSE, SHARE * (end - begin))

    def _add(self, files: Iterable[LogFile]) -> None:
        for file in files:
            stream = self._stream(file)
            if stream:
                self._followed.append(_Followed(file, stream))


def _identity(file: LogFile) -> object:
    """Return what a file keeps when it is renamed; None where there is none."""
    try:
        return file.entry.identity()
    except OSError:
        return None
