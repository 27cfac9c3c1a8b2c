"""What a page is made of: a tree's tries, records and resources, each read once and thinned while it is read."""

from __future__ import annotations

from typing import NamedTuple

from entry_script_helper.logtree.report.rates import Rates
from entry_script_helper.logtree.report.recordchoice import RecordChoice
from entry_script_helper.logtree.report.trychoice import TryChoice
from entry_script_helper.logtree.report.trylines import TryLines
from entry_script_helper.logtree.report.usagechoice import UsageChoice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from entry_script_helper.logtree.activity.resources import Usage
    from entry_script_helper.logtree.activity.tries import Try
    from entry_script_helper.logtree.stream.records import Record


class Gathered(NamedTuple):
    """What is on a page, beside the summary."""

    tries: TryChoice
    lines: TryLines
    """What was logged during these."""
    rates: Rates
    records: RecordChoice
    usages: UsageChoice
    earlier: int
    """Tries and records of earlier runs in the same files, which are left out."""


def gather(
    tries: Iterable[Try], records: Iterable[Record], usages: Iterable[Usage], since: float | None = None
) -> Gathered:
    """Read all tries, then all records, then all resources; the memory that is needed does not grow with them.

    Args:
        tries: Of any order.
        records: In order of time.
        usages: Of any order.
        since: When the run began of which the page is, where earlier ones wrote to the same files.
    """
    begin = float("-inf") if since is None else since
    earlier = 0
    chosen, rates = TryChoice(), Rates()
    for attempt in tries:
        if (attempt.end or attempt.start or begin) < begin:
            earlier += 1
        else:
            chosen.add(attempt)
            rates.add(attempt)
    choice, lines = RecordChoice(), TryLines(chosen.kept())
    for record in records:
        if since is not None and record.time is not None and record.time.timestamp() < begin:
            earlier += 1
        else:
            choice.add(record)
            lines.add(record)
    used = UsageChoice()
    for usage in usages:
        used.add(usage)
    return Gathered(chosen, lines, rates, choice, used, earlier)
