"""What a process logged during each try that is on the page: some lines of each, and how many more there are."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import NamedTuple

from entry_script_helper.logtree.report.recordchoice import OTHERS, class_of, text_of
from entry_script_helper.logtree.report.visible import cut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from entry_script_helper.logtree.activity.tries import Try
    from entry_script_helper.logtree.report.trychoice import ChosenTry
    from entry_script_helper.logtree.stream.records import Record

_MOST_LINES = (10, 6, 3)
"""Lines that a try has, by its rank."""

LONGEST_LINE = 1_500
_COARSE = 0.001
"""Seconds by which a record's time, cut to milliseconds, may lie before the try in which it was written."""


class Line(NamedTuple):
    """A record as a try shows it."""

    time: float
    level: str
    text: str
    is_severe: bool


class TryLines:
    """Takes all records, one after the other, and keeps some of each try.

    Args:
        chosen: The tries, by their start.
    """

    def __init__(self, chosen: Iterable[ChosenTry]) -> None:
        self._by_process: dict[tuple[str, int | str], tuple[list[float], list[_Lines]]] = {}
        self._lines: dict[int, _Lines] = {}
        for each in chosen:
            attempt = each.attempt
            if attempt.start is None:
                continue
            lines = self._lines[each.place] = _Lines(attempt, _MOST_LINES[each.rank])
            for name in (attempt.process, attempt.process_name):
                if name:
                    starts, all_lines = self._by_process.setdefault((attempt.node, name), ([], []))
                    starts.append(attempt.start - _COARSE)
                    all_lines.append(lines)

    def add(self, record: Record) -> None:
        """Look at one record."""
        if record.time is None:
            return
        found = self._by_process.get((record.node, record.process or "")) or self._by_process.get(
            (record.node, record.process_name)
        )
        if found:
            time = record.time.timestamp()
            place = bisect_right(found[0], time) - 1
            if place >= 0 and time <= found[1][place].end:
                found[1][place].add(record, time)

    def of(self, place: int) -> tuple[list[Line], int]:
        """Return the lines of a try, by its place, and how many there were in all."""
        lines = self._lines.get(place)
        return (sorted(lines.kept), lines.count) if lines else ([], 0)


class _Lines:
    """The lines of one try."""

    def __init__(self, attempt: Try, most: int) -> None:
        self.end = math.inf if attempt.end is None else attempt.end + _COARSE
        self.kept: list[Line] = []
        self.count = 0
        self._most = most

    def add(self, record: Record, time: float) -> None:
        """Keep a line: the first ones and the last one, and of these those that are severe before all others."""
        self.count += 1
        if len(self.kept) < self._most:
            self.kept.append(_line(record, time))
            return
        mild = [place for place, line in enumerate(self.kept) if not line.is_severe]
        if mild:
            del self.kept[mild[-1]]
            self.kept.append(_line(record, time))


def _line(record: Record, time: float) -> Line:
    return Line(time, record.level, cut(text_of(record), LONGEST_LINE), class_of(record) != OTHERS)
