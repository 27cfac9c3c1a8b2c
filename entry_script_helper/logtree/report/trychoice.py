"""Which tries are on the page: those that did not succeed, the slowest, and some of all others."""

from __future__ import annotations

import heapq
from typing import NamedTuple

from entry_script_helper.logtree.report.choice import Choice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entry_script_helper.logtree.activity.tries import Try

_SLOWEST = 300
SUCCEEDED = "succeeded"


class ChosenTry(NamedTuple):
    """A try that is on the page."""

    rank: int
    """0 for what did not succeed, 1 for the slowest, 2 for the others: the order in which they get log lines."""
    place: int
    """Its place among all tries, as they were read."""
    attempt: Try


class TryChoice:
    """Takes all tries, one after the other, and keeps some thousands."""

    def __init__(self) -> None:
        self._failed: Choice[ChosenTry] = Choice(500, 1_000, 200)
        self._others: Choice[ChosenTry] = Choice(100, 2_000, 100)
        self._slowest: list[tuple[float, int, Try]] = []
        self.counts: dict[str, int] = {}
        """How many tries there were, by status."""
        self.count = 0

    def add(self, attempt: Try) -> None:
        """Look at one try."""
        self.counts[attempt.status] = self.counts.get(attempt.status, 0) + 1
        if attempt.status != SUCCEEDED:
            self._failed.add(ChosenTry(0, self.count, attempt))
        else:
            self._others.add(ChosenTry(2, self.count, attempt))
            heapq.heappush(self._slowest, (attempt.seconds or 0.0, -self.count, attempt))
            if len(self._slowest) > _SLOWEST:
                heapq.heappop(self._slowest)
        self.count += 1

    def kept(self) -> list[ChosenTry]:
        """Return the tries that are kept, by their start; those whose start is not told come last."""
        slowest = [ChosenTry(1, -place, attempt) for _, place, attempt in self._slowest]
        chosen = {each.place: each for each in [*self._others.kept(), *slowest, *self._failed.kept()]}
        return sorted(chosen.values(), key=_start)


def _start(chosen: ChosenTry) -> tuple[bool, float, int]:
    start = chosen.attempt.start
    return (start is None, start or 0.0, chosen.place)
