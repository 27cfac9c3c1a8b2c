"""What was gathered as plain values for the page's scripts: bounded, and with no text that a screen could mistake."""

from __future__ import annotations

import math
from typing import NamedTuple

from entry_script_helper.logtree.report.embedding import embedded
from entry_script_helper.logtree.report.recordchoice import LONGEST, class_of, text_of
from entry_script_helper.logtree.report.trylines import LONGEST_LINE
from entry_script_helper.logtree.report.visible import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from entry_script_helper.logtree.activity.resources import Usage
    from entry_script_helper.logtree.activity.thinning import Point, Series
    from entry_script_helper.logtree.report.gathering import Gathered
    from entry_script_helper.logtree.report.trychoice import ChosenTry
    from entry_script_helper.logtree.report.trylines import Line, TryLines
    from entry_script_helper.logtree.stream.records import Record

_LONGEST_NAME, _LONGEST_ERROR = 120, 200
_LINES_SIZE = 1_500_000
"""Bytes of log lines of tries, of all together."""

_EARLIEST, _LATEST = -62135596800.0, 253402300799.0
"""Seconds from the epoch to the years 1 and 9999: times beyond them are none that a calendar has."""


class _Names(NamedTuple):
    """Texts that stand in many rows, once each."""

    processes: dict[tuple[str, str, int | None], int]
    texts: dict[str, int]

    def process(self, node: str, name: str, process: int | None) -> int:
        """Return the number of a process."""
        return self.processes.setdefault((node, name, process), len(self.processes))

    def text(self, text: str) -> int:
        """Return the number of a text."""
        return self.texts.setdefault(visible(text, _LONGEST_NAME), len(self.texts))

    def values(self) -> dict[str, Any]:
        """Return them in the order of their numbers."""
        processes = [
            {"node": visible(node, _LONGEST_NAME), "name": visible(name, _LONGEST_NAME), "pid": process}
            for node, name, process in self.processes
        ]
        return {"processes": processes, "texts": list(self.texts)}


def page_data(gathered: Gathered) -> dict[str, Any]:
    """Return the page's data, see docs/reference/report.md for what is kept of what there was."""
    names = _Names({}, {})
    chosen = gathered.tries.kept()
    process_names = {(each.attempt.node, each.attempt.process): each.attempt.process_name for each in chosen}
    return {
        "tries": _tries(chosen, gathered.lines, names),
        "tryCounts": gathered.tries.counts,
        "rates": _rates(gathered),
        "resources": _resources(gathered, process_names),
        "records": _records(gathered.records.kept(), names),
        "recordCounts": gathered.records.counts(),
        **names.values(),
    }


def _tries(chosen: list[ChosenTry], lines: TryLines, names: _Names) -> list[list[Any]]:
    kept_lines = _lines(chosen, lines)
    return [
        [
            visible(each.attempt.mini_batch, _LONGEST_NAME),
            each.attempt.number,
            names.process(each.attempt.node, each.attempt.process_name, each.attempt.process),
            visible(each.attempt.status, _LONGEST_NAME),
            time_of(each.attempt.start),
            time_of(each.attempt.end),
            each.attempt.total,
            each.attempt.succeeded,
            visible(each.attempt.error, _LONGEST_ERROR),
            *kept_lines.get(each.place, ([], 0)),
        ]
        for each in chosen
    ]


def _lines(chosen: list[ChosenTry], lines: TryLines) -> dict[int, tuple[list[list[Any]], int]]:
    """Return each try's lines and how many more there are: first of those that did not succeed, as far as they fit."""
    found, left = {}, _LINES_SIZE
    for each in sorted(chosen):
        kept, count = lines.of(each.place)
        rows = [_line(line) for line in kept]
        size = len(embedded(rows))
        if size > left:
            rows = []
        else:
            left -= size
        found[each.place] = (rows, count - len(rows))
    return found


def _line(line: Line) -> list[Any]:
    return [time_of(line.time), visible(line.level, _LONGEST_NAME), visible(line.text, LONGEST_LINE)]


def _rates(gathered: Gathered) -> dict[str, Any]:
    rates = [rate for rate in gathered.rates.rates() if time_of(rate.time) is not None]
    return {
        "width": gathered.rates.width,
        "times": [time_of(rate.time) for rate in rates],
        "miniBatches": [_short(rate.mini_batches) for rate in rates],
        "items": [_short(rate.items) for rate in rates],
    }


def _resources(gathered: Gathered, names: dict[tuple[str, int | None], str]) -> dict[str, Any]:
    usages = gathered.usages
    return {
        "nodes": [_usage(usage, "") for usage in usages.kept_nodes()],
        "processes": [
            _usage(usage, usage.process_name or names.get((usage.node, usage.process), ""))
            for usage in usages.kept_processes()
        ],
        "nodeCount": usages.nodes,
        "processCount": usages.processes,
    }


def _usage(usage: Usage, name: str) -> dict[str, Any]:
    memory = usage.memory if usage.memory.count else usage.memory_percent
    return {
        "node": visible(usage.node, _LONGEST_NAME),
        "name": visible(name, _LONGEST_NAME),
        "pid": usage.process,
        "limit": usage.memory_total and _short(usage.memory_total),
        "unit": "MB" if usage.memory.count else "%",
        "memory": _curve(memory),
        "processor": _curve(usage.processor),
        "memoryPeak": _peak(memory),
        "percentPeak": _peak(usage.memory_percent),
        "processorPeak": _peak(usage.processor),
        "measurements": max(memory.count, usage.processor.count),
    }


def _curve(series: Series) -> list[list[float]]:
    """Return a curve's times and values."""
    points = [point for point in series.points() if time_of(point.time) is not None]
    return [[round(point.time, 1) for point in points], [_short(point.value) for point in points]]


def _peak(series: Series) -> list[float | None] | None:
    peak: Point | None = series.peak
    return peak and [time_of(peak.time), _short(peak.value)]


def _records(records: Iterable[Record], names: _Names) -> list[list[Any]]:
    return [
        [
            time_of(record.time.timestamp() if record.time else None),
            names.text(record.level),
            names.process(record.node, record.process_name, record.process),
            visible(text_of(record), LONGEST[class_of(record)]),
            names.text(record.logger),
            names.text(record.path),
            record.offset,
        ]
        for record in records
    ]


def time_of(time: float | None) -> float | None:
    """Return a time that a calendar has, to milliseconds, or None."""
    return None if time is None or not _EARLIEST <= time <= _LATEST else round(time, 3)


def _short(value: float) -> float:
    """Return a value with as many digits as a chart can show."""
    return float(f"{value:.4g}") if math.isfinite(value) else 0.0
