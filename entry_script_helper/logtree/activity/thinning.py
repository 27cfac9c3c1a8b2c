"""Much as little: a long series as few points, a long list as some of its members, with counts of what was left out."""

from __future__ import annotations

import math
from typing import Generic, NamedTuple, TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Member = TypeVar("Member")

_NARROWEST = 1.0
"""Seconds of a bin, to begin with."""


class Point(NamedTuple):
    """A value and when it was measured."""

    time: float
    """Seconds since the epoch."""
    value: float


class Series:
    """Values over time, of which each bin's lowest and highest are kept: no peak is lost, however long the series.

    The bins start a second wide and become twice as wide whenever there are too many. So the memory is bounded without
    knowing when the series ends, and a clock that jumps costs one more bin, not all those between.

    Args:
        most_bins: How many bins are kept, at least 2. There are at most twice as many points.
    """

    def __init__(self, most_bins: int) -> None:
        self._most = max(2, most_bins)
        self._width = _NARROWEST
        self._bins: dict[int, tuple[Point, Point]] = {}
        self.count = 0
        """Values that were added."""
        self.peak: Point | None = None
        """The highest of them, the first such."""

    def add(self, time: float, value: float) -> None:
        """Add a value; one that is no finite number, or whose time is none, is passed over."""
        if not (math.isfinite(time) and math.isfinite(value)):
            return
        self.count += 1
        point = Point(time, value)
        if self.peak is None or value > self.peak.value:
            self.peak = point
        _widen(self._bins, math.floor(time / self._width), point, point)
        while len(self._bins) > self._most:
            self._width *= 2
            merged: dict[int, tuple[Point, Point]] = {}
            for number, (low, high) in self._bins.items():
                _widen(merged, number // 2, low, high)
            self._bins = merged

    def points(self) -> list[Point]:
        """Return the lowest and the highest value of each bin, in order of time."""
        return sorted({point for extremes in self._bins.values() for point in extremes})


def _widen(bins: dict[int, tuple[Point, Point]], number: int, low: Point, high: Point) -> None:
    """Let a bin hold these too."""
    if number in bins:
        lowest, highest = bins[number]
        low = low if low.value < lowest.value else lowest
        high = high if high.value > highest.value else highest
    bins[number] = (low, high)


class Spread(Generic[Member]):
    """Members of a list of unknown length, spread evenly over it: every one, then every 2nd, every 4th and so on.

    Args:
        most: How many are kept, at least 2.
        heaviest: What they may weigh together; where they weigh more, fewer are kept.
        weigh: Tells what one weighs; without it, each weighs nothing.
    """

    def __init__(self, most: int, heaviest: float = math.inf, weigh: Callable[[Member], float] | None = None) -> None:
        self._most, self._heaviest = max(2, most), heaviest
        self._weigh = weigh or _nothing
        self._kept: list[Member] = []
        self._weight = 0.0
        self.step = 1
        """One of so many is kept."""
        self.count = 0
        """Members that there were."""

    def add(self, member: Member) -> None:
        """Add one."""
        if self.count % self.step == 0:
            self._kept.append(member)
            self._weight += self._weigh(member)
        self.count += 1
        while len(self._kept) > self._most or (self._weight > self._heaviest and len(self._kept) > 1):
            del self._kept[1::2]
            self.step *= 2
            self._weight = sum(map(self._weigh, self._kept))

    def __iter__(self) -> Iterator[Member]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)


def _nothing(_member: object) -> float:
    return 0.0
