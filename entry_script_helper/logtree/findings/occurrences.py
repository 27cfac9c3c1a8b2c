"""How often an error happened that several files tell: by the log, by `@guard`, by the driver's log, by error files.

Each of these is a channel, and a channel tells each occurrence once. Two sightings of the same signature in the same
process are the same occurrence where different channels tell them within `WINDOW` seconds: the first of one channel
goes with the first of the other, and so on.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

WINDOW = 5.0
"""Seconds: a master may tell of a failure that much later than its process."""

MOST_TIMES = 2000
"""Times that are kept of one channel in one process; of more only the number is."""


class Occurrences:
    """The sightings of one signature in one process."""

    __slots__ = ("_channels", "_without_time")

    def __init__(self) -> None:
        self._channels: dict[str, tuple[array[float], list[int]]] = {}
        self._without_time: dict[str, int] = {}

    def add(self, channel: str, time: float | None) -> None:
        """Add a sighting.

        Args:
            channel: Who tells it.
            time: Seconds since the epoch; None where that is not told.
        """
        if time is None:
            self._without_time[channel] = self._without_time.get(channel, 0) + 1
            return
        times, more = self._channels.setdefault(channel, (array("d"), [0]))
        if len(times) < MOST_TIMES:
            times.append(time)
        else:
            more[0] += 1

    def merge(self, other: Occurrences) -> None:
        """Add the sightings of another, which has turned out to be of the same process."""
        for channel, (times, more) in other._channels.items():
            kept, further = self._channels.setdefault(channel, (array("d"), [0]))
            kept.extend(times)
            further[0] += more[0]
        for channel, number in other._without_time.items():
            self._without_time[channel] = self._without_time.get(channel, 0) + number

    def last_within(self, begin: float, end: float) -> float:
        """Return when it was sighted last from *begin* to *end*; minus infinity where it was not."""
        fitting = (time for times, _ in self._channels.values() for time in times if begin <= time <= end)
        return max(fitting, default=float("-inf"))

    @property
    def count(self) -> int:
        """Return how often it happened."""
        timed = merged(times for times, _ in self._channels.values())
        timed += max((more[0] for _, more in self._channels.values()), default=0)
        return max(timed, max(self._without_time.values(), default=0))


def merged(channels: Iterable[Iterable[float]]) -> int:
    """Return how many occurrences several channels tell, each by its times in seconds since the epoch."""
    sightings = sorted((time, number) for number, times in enumerate(channels) for time in times)
    begun: list[float] = []
    next_one: dict[int, int] = {}
    for time, channel in sightings:
        fitting = max(next_one.get(channel, 0), bisect_left(begun, time - WINDOW))
        if fitting == len(begun):
            begun.append(time)
        next_one[channel] = fitting + 1
    return len(begun)
