"""Mini-batches, processes and nodes far slower than the others. Memory: eight bytes a mini-batch."""

from __future__ import annotations

import heapq
from array import array
from statistics import median
from typing import TYPE_CHECKING

from entry_script_helper.logtree.activity.tryreading import SUCCEEDED
from entry_script_helper.logtree.findings.summary import Straggler

if TYPE_CHECKING:
    from entry_script_helper.logtree.activity.tries import Try

TIMES_THE_MEDIAN = 5
"""How much slower than the median a mini-batch is that is told."""
TIMES_FOR_PLACES = 2
"""The same for the median of a process or a node."""
LEAST_SECONDS = 1.0
"""Seconds by which it is slower at least: what takes a few milliseconds is never told."""
FEWEST = 5
"""Mini-batches that there are at least, of all and of each process or node that is told."""
MOST = 5
"""Stragglers of a kind that are told, the slowest first."""

_MOST_PLACES = 5000


class Stragglers:
    """Takes tries that succeeded, and tells what was far slower than the others."""

    def __init__(self) -> None:
        self._all = array("d")
        self._places: dict[tuple[str, str], array[float]] = {}
        self._slowest: list[tuple[float, int, Try]] = []

    def add(self, one: Try) -> None:
        """Take a try, of whatever status."""
        seconds = one.seconds
        if one.status != SUCCEEDED or seconds is None or seconds < 0:
            return
        self._all.append(seconds)
        for key in ("process", f"{one.process_name} on {one.node}"), ("node", one.node):
            if key in self._places or len(self._places) < _MOST_PLACES:
                self._places.setdefault(key, array("d")).append(seconds)
        entry = (seconds, -len(self._all), one)
        if len(self._slowest) < MOST:
            heapq.heappush(self._slowest, entry)
        else:
            heapq.heappushpop(self._slowest, entry)

    def found(self) -> tuple[Straggler, ...]:
        """Return what is far slower: mini-batches, then processes, then nodes, the slowest of each first."""
        if len(self._all) < FEWEST:
            return ()
        middle = median(self._all)
        mini_batches = [
            Straggler("mini-batch", one.mini_batch, seconds, middle, one.node, one.process_name)
            for seconds, _, one in sorted(self._slowest, reverse=True)
            if _is_far(seconds, middle, TIMES_THE_MEDIAN)
        ]
        places = [
            Straggler(what, name, median(times), middle)
            for (what, name), times in self._places.items()
            if len(times) >= FEWEST and _is_far(median(times), middle, TIMES_FOR_PLACES)
        ]
        places.sort(key=lambda straggler: -straggler.seconds)
        processes = [straggler for straggler in places if straggler.what == "process"][:MOST]
        nodes = [straggler for straggler in places if straggler.what == "node"][:MOST]
        return (*mini_batches, *processes, *nodes)


def _is_far(seconds: float, middle: float, times: float) -> bool:
    return seconds > times * middle and seconds - middle >= LEAST_SECONDS
