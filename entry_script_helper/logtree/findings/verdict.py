"""A summary as text: the verdict first, then the first cause, then the rest, on one screen."""

from __future__ import annotations

import textwrap
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from entry_script_helper.logtree.complaints import printable
from entry_script_helper.logtree.findings import problems
from entry_script_helper.logtree.findings.summary import FAILED, RUNNING, SUCCEEDED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entry_script_helper.logtree.findings.problems import Problem
    from entry_script_helper.logtree.findings.summary import Summary

NARROWEST = 40
"""Columns that are always used."""
_MOST_PROBLEMS = 8
_MOST_WARNINGS = 3
_MOST_STRAGGLERS = 5
_MOST_NUMBERS = 8
_MOST_ITEMS = 3
_LONGEST_TRACEBACK = 24
"""Lines of a traceback that are shown: its beginning and its end."""
_STALE = 300.0
"""Seconds without a line after which a run may have been killed: it says how far it is once a minute."""
_HIGH = 80.0
"""Percent of a node's memory from which on a peak is told."""

MEANINGS = {
    71: "the time was over",
    72: "init() failed",
    73: "some items failed",
    74: "all items failed",
}
"""What the service's exit codes mean."""

_STYLES = {"bad": "\x1b[1;31m", "good": "\x1b[1;32m", "strong": "\x1b[1m", "weak": "\x1b[2m", "": ""}
_PLAIN = "\x1b[0m"


def lines(
    summary: Summary, width: int | None = None, *, colours: bool = False, now: datetime | None = None
) -> list[str]:
    """Return a summary as lines of text, without what could steer a terminal.

    Args:
        summary: What is known of a run.
        width: Columns to fold to; None to leave lines as long as they are, for programs.
        colours: Whether to emphasise with escape sequences, for a terminal.
        now: What time it is, for a run that is still going.
    """
    told = _Text(width, colours=colours)
    told.line(_verdict(summary), "good" if summary.state == SUCCEEDED else "bad" if summary.failed else "strong")
    for line in _below(summary, now or datetime.now(timezone.utc)):
        told.line(line)
    first = summary.first_cause
    if first is not None:
        told.line(f"first cause: {_error(first)}{_counts(first)}", "strong")
        _details(told, first)
        for line in _shortened(first.traceback):
            told.line(f"    {line}", "weak", is_cut=True)
    others = summary.problems[1:] if first is not None else summary.problems
    if others:
        told.line("other problems:" if first is not None else "problems that did not make it fail:", "strong")
    for problem in others[:_MOST_PROBLEMS]:
        told.line(f"- {_error(problem)}{_counts(problem)}", indent="  ")
        _details(told, problem)
    rest = sum(problem.count for problem in others[_MOST_PROBLEMS:]) + summary.other_problems
    if rest:
        told.line(f"- and {rest:,} more, of other kinds (--json has {len(summary.problems):,} kinds)", indent="  ")
    for line in _slow_and_large(summary):
        told.line(line, indent="  ")
    _warnings(told, summary)
    for number, file in enumerate(summary.to_open):
        told.line(f"{'open:' if not number else '     '} {file.path}  ({file.why})", indent="        ")
    return told.found


class _Text:
    """Lines as they are made safe, folded and coloured."""

    def __init__(self, width: int | None, *, colours: bool) -> None:
        self.found: list[str] = []
        self._width = None if width is None else max(width, NARROWEST)
        self._colours = colours

    def line(self, text: str, style: str = "", *, indent: str = "    ", is_cut: bool = False) -> None:
        """Add a line, folded with its further lines indented, or cut at the width."""
        safe = printable(text)
        if self._width is None:
            parts = [safe]
        elif is_cut:
            parts = [safe if len(safe) <= self._width else f"{safe[: self._width - 3]}..."]
        else:
            parts = textwrap.wrap(safe, self._width, subsequent_indent=indent, break_on_hyphens=False) or [""]
        begin = _STYLES[style] if self._colours else ""
        self.found += [f"{begin}{part}{_PLAIN}" if begin else part for part in parts]


def _verdict(summary: Summary) -> str:
    progress = summary.progress
    if summary.state == FAILED:
        code = progress.exit_code
        parts = [
            _of(progress.succeeded_items, progress.items, "item", "succeeded"),
            _of(progress.failed_mini_batches, progress.mini_batches, "mini-batch", "failed"),
            f"exit code {code}" + (f" ({MEANINGS[code]})" if code in MEANINGS else "") if code is not None else "",
        ]
        return f"FAILED: {'; '.join(filter(None, parts))}".removesuffix(": ")
    if summary.state == SUCCEEDED:
        parts = [
            _of(progress.succeeded_items, progress.items, "item", ""),
            _of(progress.succeeded_mini_batches, progress.mini_batches, "mini-batch", ""),
            _number(summary.retries, "retry", "retries") if summary.retries else "",
            f"{duration(progress.seconds)}" if progress.seconds is not None else "",
        ]
        return f"succeeded: {', '.join(filter(None, parts))}".removesuffix(": ")
    if summary.state == RUNNING:
        parts = [
            _of(progress.processed_mini_batches, progress.mini_batches, "mini-batch", "processed"),
            f"{progress.failed_mini_batches:,} of them failed" if progress.failed_mini_batches else "",
            _number(summary.retries, "retry", "retries") if summary.retries else "",
        ]
        return f"still running: {', '.join(filter(None, parts))}".removesuffix(": ")
    count = sum(problem.count for problem in summary.problems) + summary.other_problems
    kinds = len(summary.problems)
    what = f"{_number(count, 'error')} of {_number(kinds, 'kind')}" if count else "no error"
    return f"what the logs tell: {what}; whether the run as a whole failed is not in these files"


def _below(summary: Summary, now: datetime) -> Iterator[str]:
    progress = summary.progress
    if progress.reason:
        yield f"reason: {progress.reason}"
    if summary.state == RUNNING:
        yield _pace(summary, now)
    if summary.earlier_runs:
        yield (
            f"this is the last of {summary.earlier_runs + 1} runs in these files, begun "
            f"{_clock(progress.started)}: what is older is left out"
        )


def _pace(summary: Summary, now: datetime) -> str:
    progress = summary.progress
    passed = f"{duration(progress.seconds)} passed" if progress.seconds is not None else ""
    left = f"about {duration(progress.remaining_seconds)} left" if progress.remaining_seconds is not None else ""
    pace = ", ".join(filter(None, (passed, left)))
    if progress.last is None:
        return pace or "how far it is was not told"
    silent = (now - progress.last).total_seconds()
    told = f"by its last line, {_clock(progress.last)}, {_age(silent)} ago"
    killed = ": nothing was written since, so it may have been killed" if silent > _STALE else ""
    return f"{pace}{', ' if pace else ''}{told}{killed}"


def _error(problem: Problem) -> str:
    kinds = {problems.EXCEPTION: "", problems.ERROR: "", problems.STOPPED: "", problems.WARNING: ""}
    kind = kinds.get(problem.kind, f"{problem.kind}: ")
    place = f" ({problem.place})" if problem.place else ""
    root = f", which came of {problem.root}" if problem.root else ""
    return f"{kind}{problem.title}{place}{root}"


def _counts(problem: Problem) -> str:
    where = _number(problem.processes, "process", "processes")
    nodes = f" on {_number(len(problem.nodes), 'node')}" if problem.nodes else ""
    return f", {'once' if problem.count == 1 else f'{problem.count:,} times'} in {where}{nodes}"


def _details(told: _Text, problem: Problem) -> None:
    name = problem.process_name or (f"process {problem.process}" if problem.process is not None else "")
    first = [
        f"first {_clock(problem.first)}" if problem.first else "",
        f"in {name}" if name else "",
        f"on {'node ' if problem.node.isdigit() else ''}{problem.node}" if problem.node else "",
    ]
    outcomes = {
        problems.TRIED_AGAIN: "tried again, which succeeded",
        problems.HANDLED: "no mini-batch failed with it",
    }
    parts = [
        " ".join(filter(None, first)),
        _mini_batches(problem),
        outcomes.get(problem.outcome, ""),
        _items(problem),
    ]
    if any(parts):
        told.line(f"    {'; '.join(filter(None, parts))}", indent="      ")
    if problem.stack:
        told.line(f"    it was in {', called from '.join(problem.stack)}", indent="      ")
    if problem.hint:
        told.line(f"    {problem.hint}", indent="      ")


def _mini_batches(problem: Problem) -> str:
    if not problem.mini_batches:
        return ""
    more = ", ..." if problem.mini_batch_count > _MOST_NUMBERS else ""
    numbers = ", ".join(problem.mini_batches[:_MOST_NUMBERS])
    if problem.mini_batch_count == 1:
        return f"mini-batch {numbers}"
    return f"{problem.mini_batch_count:,} mini-batches: {numbers}{more}"


def _items(problem: Problem) -> str:
    shown = ", ".join(problem.items[:_MOST_ITEMS])
    more = ", ..." if len(problem.items) > _MOST_ITEMS else ""
    return f"items among {shown}{more}" if shown else ""


def _slow_and_large(summary: Summary) -> Iterator[str]:
    for straggler in summary.stragglers[:_MOST_STRAGGLERS]:
        where = f" in {straggler.process_name} on {straggler.node}" if straggler.process_name else ""
        which = "took" if straggler.what == "mini-batch" else "takes, for a mini-batch,"
        yield (
            f"slow: {straggler.what} {straggler.name} {which} {_short(straggler.seconds)}{where}; "
            f"the median of all is {_short(straggler.median)}"
        )
    for peak in summary.peaks[:3]:
        if peak.percent >= _HIGH:
            at = f", {_clock(peak.time)}" if peak.time else ""
            yield f"memory: {peak.percent:.0f} % of node {peak.node or '?'} was used at most{at}"


def _warnings(told: _Text, summary: Summary) -> None:
    if summary.warnings:
        told.line("warnings:", "strong")
    for problem in summary.warnings[:_MOST_WARNINGS]:
        told.line(f"- {problem.title}{_counts(problem)}", indent="  ")
    rest = sum(problem.count for problem in summary.warnings[_MOST_WARNINGS:]) + summary.other_warnings
    if rest:
        told.line(f"- and {rest:,} more", indent="  ")


def _shortened(traceback: str) -> list[str]:
    """Return a traceback's lines; of one that is longer than a screen the middle is left out."""
    found = traceback.strip("\n").expandtabs(4).split("\n") if traceback else []
    if len(found) <= _LONGEST_TRACEBACK:
        return found
    end = _LONGEST_TRACEBACK // 2
    return [*found[: end // 2], f"... {len(found) - end - end // 2} lines ...", *found[-end:]]


def duration(seconds: float) -> str:
    """Return seconds as hours, minutes and seconds: ``1:02:03``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _age(seconds: float) -> str:
    days = int(seconds // 86400)
    return f"{days:,} days" if days > 1 else duration(max(seconds, 0))


def _short(seconds: float) -> str:
    if seconds >= 60:  # noqa: PLR2004 - a minute
        return duration(seconds)
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


def _clock(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _of(number: int | None, total: int | None, what: str, then: str) -> str:
    if number is None:
        return ""
    many = f"{what}es" if what.endswith("ch") else f"{what}s"
    all_of_them = number if total is None else total
    counted = f"{number:,}" if total is None else f"{number:,} of {total:,}"
    return f"{counted} {what if all_of_them == 1 else many} {then}".strip()


def _number(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
