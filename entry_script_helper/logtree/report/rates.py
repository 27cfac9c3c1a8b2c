"""Throughput: how many mini-batches and items came to their end in each stretch of time."""

from __future__ import annotations

import math
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entry_script_helper.logtree.activity.tries import Try

_NARROWEST = 0.5
"""Seconds of a stretch, to begin with."""


class Rate(NamedTuple):
    """What came to its end in a stretch of time, per second."""

    time: float
    """The stretch's middle, seconds since the epoch."""
    mini_batches: float
    items: float


class Rates:
    """Takes tries, one after the other, in any order. The stretches become twice as long when there are too many.

    Args:
        most: How many stretches may have something in them, at least 2.
    """

    def __init__(self, most: int = 150) -> None:
        self._most = max(2, most)
        self._ended: dict[int, tuple[int, int]] = {}
        self.width = _NARROWEST
        """Seconds of a stretch."""

    def add(self, attempt: Try) -> None:
        """Count a try, where it succeeded."""
        if attempt.status != "succeeded" or attempt.end is None or not math.isfinite(attempt.end):
            return
        _count(self._ended, math.floor(attempt.end / self.width), 1, attempt.succeeded or 0)
        while len(self._ended) > self._most:
            self.width *= 2
            merged: dict[int, tuple[int, int]] = {}
            for number, (mini_batches, items) in self._ended.items():
                _count(merged, number // 2, mini_batches, items)
            self._ended = merged

    def rates(self) -> list[Rate]:
        """Return the rates in order of time; a gap has a zero at each of its ends."""
        numbers = set(self._ended) | {near for number in self._ended for near in (number - 1, number + 1)}
        return [self._rate(number) for number in sorted(numbers)]

    def _rate(self, number: int) -> Rate:
        mini_batches, items = self._ended.get(number, (0, 0))
        return Rate((number + 0.5) * self.width, mini_batches / self.width, items / self.width)


def _count(ended: dict[int, tuple[int, int]], number: int, mini_batches: int, items: int) -> None:
    before = ended.get(number, (0, 0))
    ended[number] = (before[0] + mini_batches, before[1] + items)
