"""Files cut by time or by size: the cut is in a file's name from the start, since a file is never renamed.

A record goes whole to the file of the moment in which it is written. A process that starts anew goes on in the last
file of the period, if that has room.
"""

from __future__ import annotations

import os
from collections import namedtuple
from time import gmtime, time

from entry_script_helper import logfile
from entry_script_helper.errors import UsageError
from entry_script_helper.jsontext import readable
from entry_script_helper.logfile import LogFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SECONDS = {"hour": 3600, "day": 86400}
# Fields of a UTC time in a name: year, month, day and perhaps hour, so that names sort by time.
_FIELDS = {"hour": 4, "day": 3}

MOST_PARTS = 9999
"""Files of one process in one period; the last of them is not cut any more, so that names go on sorting by time."""

_DIGITS = 4


class Cut(namedtuple("Cut", ["when", "max_bytes"])):  # noqa: PYI024 - environment.Choice says why
    """When the next file begins.

    Attributes:
        when: ``"hour"`` or ``"day"``.
        max_bytes: The bytes that a file may reach, or None; one record that is longer than that has a file of its own.
    """

    __slots__ = ()

    when: str
    max_bytes: int | None

    def file(self, path: str, report: Callable[[str], bytes]) -> CutFile:
        """Return the files that stand for *path*, as one.

        Args:
            path: The path that one file would have that is never cut.
            report: As `LogFile` takes it.
        """
        return CutFile(path, self, report)

    def free_path(self, path: str) -> str:
        """Return the path that a claim of *path* would get now, making nothing."""
        label = self.period(time())[2]
        lasts = (self.name(base, label, self.last_part(base, label)) for base in logfile.candidates(path))
        found = logfile.first_free(lasts)
        if found is None:
            return self.name(path, label, 1)
        if self.max_bytes and os.path.lexists(found) and os.lstat(found).st_size >= self.max_bytes:
            stem, _, ending = found.rpartition(".")
            number = min(int(stem[-_DIGITS:]) + 1, MOST_PARTS)
            return f"{stem[:-_DIGITS]}{number:0{_DIGITS}}.{ending}"
        return found

    def period(self, now: float) -> tuple[float, float, str]:
        """Return the period that a time is in: when it starts, when the next one does, and its name."""
        since = now - now % _SECONDS[self.when]
        fields = gmtime(since)[: _FIELDS[self.when]]
        return since, since + _SECONDS[self.when], "".join([f"{field:02}" for field in fields])

    def name(self, base: str, label: str, number: int) -> str:
        """Return the path of one file.

        Args:
            base: The path of one that is never cut.
            label: The period's name.
            number: Which one of that period.
        """
        stem, ending = os.path.splitext(base)
        part = f".{number:0{_DIGITS}}" if self.max_bytes else ""
        return f"{stem}.{label}{part}{ending}"

    def last_part(self, base: str, label: str) -> int:
        """Return the number of the last file of a period that is there, or else of the first.

        Raises:
            OSError: The directory can't be read.
        """
        if not self.max_bytes:
            return 1
        stem, ending = os.path.splitext(base)
        directory, start = os.path.split(f"{stem}.{label}.")
        try:
            found = os.listdir(directory)
        except FileNotFoundError:
            return 1
        numbers = [
            name[len(start) : -len(ending)] for name in found if name.startswith(start) and name.endswith(ending)
        ]
        return max([int(number) for number in numbers if len(number) == _DIGITS and number.isdecimal()], default=1)


def chosen(max_bytes: object, when: object) -> Cut:
    """Return when files are cut, as `EntryScriptHelper.config` was asked.

    Args:
        max_bytes: A whole number above 0, or None.
        when: ``"hour"`` or ``"day"``; None for ``"day"``.

    Raises:
        UsageError: One of them can't be meant.
    """
    if when is None:
        when = "day"
    if not isinstance(when, str) or when not in _SECONDS:
        raise UsageError(f'when: {readable(when)} is no time to cut files at; use "hour", "day" or None')
    if max_bytes is not None and (type(max_bytes) is not int or max_bytes < 1):
        raise UsageError(f"max_bytes: {readable(max_bytes)} is no size of a file; use a whole number above 0, or None")
    return Cut(when, max_bytes)


class CutFile(LogFile):
    """The files of this process, one after the other: a `LogFile` whose path changes with the time or the size.

    Once this process had to take a name with its process id it keeps to that: or else two processes of one name would
    swap their names at each cut.

    Args:
        path: The path that one file would have that is never cut.
        cut: When the next one begins.
        report: As `LogFile` takes it.
    """

    def __init__(self, path: str, cut: Cut, report: Callable[[str], bytes]) -> None:
        super().__init__(path, claimed=True, report=report)
        self._cut = cut
        self._uncut = path
        self._base = 0
        self._since = self._until = 0.0
        self._number = self._next_number = 0
        self._coming = 0

    def _append(self, data: bytes, written: int = 0) -> bool:
        self._coming = len(data)
        return super()._append(data, written)

    def _is_open(self) -> bool:
        # Nothing but a record makes a new file.
        is_due = self._coming and not self._since <= time() < self._until
        is_open = not is_due and super()._is_open()
        # In a burst neither path nor size nor period are looked at: where they may change soon, there is no burst.
        if is_due or self._cut.max_bytes or self.looked_at + 2 * logfile.PAUSE > self._until:
            self._streak = 0
        return is_open and self._has_room(self._size_at_look)

    def _claim_and_open(self) -> None:
        self._next_number = 0
        super()._claim_and_open()
        while not self._has_room(os.fstat(self.descriptor).st_size):
            # Held until here, so that no other process of this name can take what comes next.
            self._next_number = self._number + 1
            super()._claim_and_open()

    def _candidates(self) -> Iterator[str]:
        self._since, self._until, label = self._cut.period(time())
        start, number = self._base, self._next_number
        for index, base in enumerate(logfile.candidates(self._uncut)):
            if index >= start:
                self._base = index
                self._number = number or self._cut.last_part(base, label)
                self.wanted = self._cut.name(base, label, self._number)
                yield self.wanted
                number = 0
        self._base = 0

    def _has_room(self, size: int) -> bool:
        most = self._cut.max_bytes
        return not most or not size or size + self._coming <= most or self._number >= MOST_PARTS
