"""A summary as the page's first sections show it: texts that are safe to show, in bounds."""

from __future__ import annotations

import os
import shlex
from typing import NamedTuple

from entry_script_helper.logtree.report.visible import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import Any

    from entry_script_helper.logtree.findings.problems import Problem
    from entry_script_helper.logtree.findings.summary import Progress, Summary

MOST_PROBLEMS, MOST_WARNINGS = 40, 20
_LONGEST_TITLE, _LONGEST_NAME, _LONGEST_TRACEBACK = 500, 120, 6_000
_MOST_NAMES = 8
"""Names of mini-batches, processes and so on that a line lists."""

_HEADLINES = {
    "succeeded": "The run succeeded",
    "failed": "The run failed",
    "running": "The run has not ended yet",
}
_UNKNOWN = "The files do not tell how the run ended"


class Tile(NamedTuple):
    """A figure of the run."""

    name: str
    value: str
    more: str = ""


def view(summary: Summary, paths: Sequence[str | os.PathLike[str]] = (".",)) -> dict[str, Any]:
    """Return what the template needs of a summary.

    Args:
        summary: What a log tree tells of a run.
        paths: Where the tree is, as it was given: a command that is shown names it so.
    """
    given = [os.fspath(path) for path in paths]
    progress = summary.progress
    problems = [_problem(problem) for problem in summary.problems[:MOST_PROBLEMS]]
    return {
        "state": progress.state if progress.state in _HEADLINES else "unknown",
        "headline": _HEADLINES.get(progress.state, _UNKNOWN),
        "reason": visible(progress.reason, _LONGEST_TITLE),
        "cause": _problem(summary.first_cause) if summary.first_cause else None,
        "tiles": _tiles(summary),
        "began": _time(progress.started),
        "last": _time(progress.last),
        "exit_code": progress.exit_code,
        "problems": problems,
        "problems_left": len(summary.problems) - len(problems) + summary.other_problems,
        "warnings": [_problem(problem) for problem in summary.warnings[:MOST_WARNINGS]],
        "warnings_left": max(0, len(summary.warnings) - MOST_WARNINGS) + summary.other_warnings,
        "to_open": [
            (visible(each.path, _LONGEST_TITLE), visible(each.why, _LONGEST_TITLE)) for each in summary.to_open
        ],
        "stragglers": [
            f"{each.what} {visible(each.name, _LONGEST_NAME)}: {duration(each.seconds)}, where the median is "
            f"{duration(each.median)}"
            for each in summary.stragglers[:_MOST_NAMES]
        ],
        "earlier_runs": summary.earlier_runs,
        "complaints": [visible(line, _LONGEST_TITLE) for line in summary.complaints],
        "path": visible(summary.path, _LONGEST_TITLE),
        "paths": visible(" ".join(map(shlex.quote, given)), _LONGEST_TITLE),
        "name": visible(", ".join(os.path.basename(os.path.abspath(path)) or path for path in given), _LONGEST_TITLE),
    }


def duration(seconds: float | None) -> str:
    """Return a time span for people: ``0.25 s``, ``1:02:03``."""
    if seconds is None:
        return "unknown"
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _tiles(summary: Summary) -> list[Tile]:
    progress = summary.progress
    tiles = [
        _mini_batches(progress),
        _part("Items", progress.succeeded_items, progress.items, ""),
        Tile("Duration", duration(progress.seconds), _left(progress)) if progress.seconds is not None else None,
        Tile("Processes", f"{summary.processes:,}", _count(len(summary.nodes), "node")) if summary.processes else None,
        Tile("Tried again", f"{summary.retries:,}", _ended(summary)),
        Tile("Errors", f"{sum(each.count for each in summary.problems):,}", _kinds(summary)),
    ]
    if summary.peaks:
        peak = summary.peaks[0]
        tiles.append(Tile("Memory peak", f"{peak.percent:.0f} %", f"of node {visible(peak.node, _LONGEST_NAME)}"))
    return [tile for tile in tiles if tile]


def _mini_batches(progress: Progress) -> Tile | None:
    succeeded, processed, total = (
        progress.succeeded_mini_batches,
        progress.processed_mini_batches,
        progress.mini_batches,
    )
    if succeeded is None and processed is not None:
        return Tile("Mini-batches", f"{processed:,}", f"of {total:,} processed" if total is not None else "processed")
    return _part("Mini-batches", succeeded, total, _failed(progress))


def _part(name: str, succeeded: int | None, total: int | None, more: str) -> Tile | None:
    if succeeded is None:
        return Tile(name, f"{total:,}", "in all") if total is not None else None
    return Tile(name, f"{succeeded:,}", f"of {total:,} succeeded{more}" if total is not None else f"succeeded{more}")


def _failed(progress: Progress) -> str:
    return f", {progress.failed_mini_batches:,} failed" if progress.failed_mini_batches else ""


def _left(progress: Progress) -> str:
    if progress.remaining_seconds is None:
        return ""
    return f"about {duration(progress.remaining_seconds)} left"


def _ended(summary: Summary) -> str:
    return f"{_count(summary.timeouts, 'timeout')}, {_count(summary.deaths, 'death')}"


def _kinds(summary: Summary) -> str:
    kinds = _count(len(summary.problems) + summary.other_problems, "kind")
    return f"of {kinds}" if summary.problems else ""


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def _problem(problem: Problem) -> dict[str, Any]:
    mini_batches = max(problem.mini_batch_count, len(problem.mini_batches))
    return {
        "kind": visible(problem.kind, _LONGEST_NAME),
        "title": visible(problem.title or problem.kind, _LONGEST_TITLE),
        "place": visible(problem.place, _LONGEST_TITLE),
        "count": f"{problem.count:,}",
        "root": visible(problem.root, _LONGEST_TITLE),
        "outcome": visible(problem.outcome, _LONGEST_NAME),
        "first": _time(problem.first),
        "last": _time(problem.last) if problem.last != problem.first else "",
        "processes": _names(problem.process_names, problem.processes),
        "nodes": _names(problem.nodes, len(problem.nodes)),
        "mini_batches": _names(problem.mini_batches, mini_batches),
        "items": _names(problem.items, len(problem.items)),
        "traceback": visible(problem.traceback, _LONGEST_TRACEBACK),
        "hint": visible(problem.hint, _LONGEST_TITLE),
        "path": visible(problem.path, _LONGEST_TITLE),
    }


def _names(names: tuple[str, ...], count: int) -> str:
    """Return the first of some names, and how many more there are."""
    shown = [visible(name, _LONGEST_NAME) for name in names[:_MOST_NAMES]]
    left = max(count, len(names)) - len(shown)
    return ", ".join(shown) + (f" and {left:,} more" if left and shown else f"{left:,}" if left else "")


def _time(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}" if time else ""
