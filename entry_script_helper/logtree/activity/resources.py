"""What nodes and processes used, by the performance tables of any era: curves of bounded length, and peaks."""

from __future__ import annotations

import math
import re
from datetime import datetime, timezone
from typing import NamedTuple

from entry_script_helper.logtree import layouts
from entry_script_helper.logtree.activity.thinning import Series
from entry_script_helper.logtree.files import tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from entry_script_helper.logtree.activity.thinning import Point
    from entry_script_helper.logtree.complaints import Complaints
    from entry_script_helper.logtree.layouts import Entry, Place

MOST_BINS = 300
"""Bins of a curve, unless asked otherwise: more than a screen has room for is not seen."""

_UNITS = {"b": 1 / 1024**2, "bytes": 1 / 1024**2, "kb": 1 / 1024, "mb": 1.0, "gb": 1024.0, "tb": 1024.0**2}


class Usage(NamedTuple):
    """What one node, or one process, used."""

    path: str
    """The table that tells it."""
    node: str
    process: int | None
    """The process's id; None for the node as a whole."""
    process_name: str
    """The process's name, where the table's path tells it."""
    processor: Series
    """Percent: of all processors for a node; of one for a process, so that it can be more than 100."""
    memory: Series
    """Resident memory, megabytes of 1,048,576 bytes."""
    memory_percent: Series
    """The same as a part of the node's memory, as the table has it or as its totals tell."""
    memory_total: float | None
    """The node's memory, megabytes, where the table tells it."""

    @property
    def is_node(self) -> bool:
        """Tell whether this is a node as a whole."""
        return self.process is None and not self.process_name

    @property
    def memory_peak(self) -> Point | None:
        """Return the most memory that it had, megabytes, and when."""
        return self.memory.peak


def usages(
    tree: Iterable[tuple[Entry, Place]], complaints: Complaints, most_bins: int = MOST_BINS, since: float = -math.inf
) -> Iterator[Usage]:
    """Yield what each performance table tells, table by table; those that tell nothing are left out.

    Args:
        tree: The files of a tree with what they are; those of other kinds are passed over.
        complaints: Told what can't be read, or is no table.
        most_bins: How long the curves may be; 2 where only the peaks are wanted.
        since: Rows of times before this one, in seconds since the epoch, are passed over.
    """
    for entry, place in tree:
        if place.kind in (layouts.NODE_RESOURCES, layouts.PROCESS_RESOURCES):
            found = usage(entry, place, complaints, most_bins, since)
            if found.processor.count or found.memory.count or found.memory_percent.count:
                yield found


def limits(found: Iterable[Usage]) -> dict[str, float]:
    """Return each node's memory in megabytes, where a table tells it."""
    return {each.node: each.memory_total for each in found if each.memory_total}


def usage(
    entry: Entry, place: Place, complaints: Complaints, most_bins: int = MOST_BINS, since: float = -math.inf
) -> Usage:
    """Read one table. Rows that are no row of it are passed over."""
    processor, memory, percent = Series(most_bins), Series(most_bins), Series(most_bins)
    total = None
    columns = _Columns([])
    for heading, row in tables.cells(entry, complaints):
        if heading is not columns.heading:
            columns = _Columns(heading)
        moment = columns.time(row)
        if moment is None or not moment >= since:
            continue
        processor.add(moment, columns.number(row, "processor"))
        used, of = columns.number(row, "memory"), columns.number(row, "total")
        memory.add(moment, used)
        total = of if of > 0 else total
        share = columns.number(row, "percent")
        percent.add(moment, 100 * used / total if math.isnan(share) and total else share)
    return Usage(entry.path, place.node, place.process, place.process_name, processor, memory, percent, total)


class _Columns:
    """Where a table has what, found by its heading, and the values of a row."""

    def __init__(self, heading: Sequence[str]) -> None:
        self.heading = heading
        self._places: dict[str, int] = {}
        self._factors: dict[str, float] = {}
        for place, name in enumerate(heading):
            quantity = _quantity(name.lower())
            if quantity and quantity not in self._places:
                self._places[quantity] = place
                self._factors[quantity] = _factor(name.lower()) if quantity in ("memory", "total") else 1.0

    def time(self, row: Sequence[str]) -> float | None:
        """Return a row's time in seconds since the epoch, or None where it has none."""
        return _moment(self._text(row, "time"))

    def number(self, row: Sequence[str], quantity: str) -> float:
        """Return a value of a row, in megabytes or percent; not a number where it has none."""
        try:
            return float(self._text(row, quantity).rstrip("% ")) * self._factors.get(quantity, 1.0)
        except ValueError:
            return float("nan")

    def _text(self, row: Sequence[str], quantity: str) -> str:
        place = self._places.get(quantity, len(row))
        return row[place] if place < len(row) else ""


def _quantity(name: str) -> str:
    """Return what a column holds of what is wanted here, by its name in small letters, or nothing."""
    is_percent = "percent" in name or "%" in name
    if "cpu" in name or "processor" in name:
        return "processor" if is_percent or "usage" in name else ""
    if "mem" in name or "rss" in name:
        if is_percent:
            return "percent"
        if "total" in name:
            return "total"
        return "memory" if "used" in name or "rss" in name or "usage" in name else ""
    return "time" if "time" in name or name.strip() in ("date", "utc") else ""


def _factor(name: str) -> float:
    """Return how many megabytes one of a column's unit has; megabytes where its name has no unit."""
    found = re.search(r"(?:\(|_|\b)(bytes|[kmgt]?b)\b", name)
    return _UNITS.get(found.group(1), 1.0) if found else 1.0


def _moment(text: str) -> float | None:
    """Return a time, as a date or as seconds since the epoch, in the latter; None where it is none."""
    found = re.match(r"\s*(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?", text)
    try:
        if not found:
            return float(text)
        whole = datetime(*map(int, found.groups()[:6]), tzinfo=timezone.utc)  # type: ignore[misc,arg-type]
    except ValueError:
        return None
    return whole.timestamp() + float(f"0.{found.group(7) or 0}")
