"""The files to open next: three at most, and why each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entry_script_helper.logtree import layouts
from entry_script_helper.logtree.findings import problems
from entry_script_helper.logtree.findings.summary import SUCCEEDED, ToOpen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from entry_script_helper.logtree.findings.problems import Problem
    from entry_script_helper.logtree.findings.summary import Summary
    from entry_script_helper.logtree.layouts import Place

_MOST = 3


def files(summary: Summary, tree: Mapping[str, Place]) -> tuple[ToOpen, ...]:
    """Return the files that help most with what is wrong, the best first; none where all went well.

    Args:
        summary: What is known of the run.
        tree: The files of the tree by their paths, with what they are.
    """
    found: dict[str, str] = {}
    for path, why in _wanted(summary, tree):
        if path in tree:
            found.setdefault(path, why)
    return tuple(ToOpen(path, why) for path, why in list(found.items())[:_MOST])


def _wanted(summary: Summary, tree: Mapping[str, Place]) -> Iterator[tuple[str, str]]:
    if summary.state == SUCCEEDED and not summary.problems:
        return
    for number, problem in enumerate(summary.problems[:_MOST]):
        if number < _MOST - 1 or summary.problems[0].path == problem.path:
            yield problem.path, _why(problem, is_first=not number)
    if summary.problems:
        first = summary.problems[0]
        yield from _of_process(first, tree)
    for kind, why in _GENERAL.items():
        yield from ((path, why) for path, place in tree.items() if place.kind == kind)


def _why(problem: Problem, *, is_first: bool) -> str:
    what = {
        problems.TIMEOUT: "it tells of the timeout",
        problems.DEATH: "it tells what the process was at when it died",
    }
    if problem.traceback:
        return "the first cause with its traceback" if is_first else f"the next problem: {problem.title[:60]}"
    return what.get(
        problem.kind, "it tells of the first cause" if is_first else f"the next problem: {problem.title[:60]}"
    )


def _of_process(problem: Problem, tree: Mapping[str, Place]) -> Iterator[tuple[str, str]]:
    """Yield the logs of the process in which a problem was seen first."""
    kinds = {
        layouts.USER: f"what the script logged in {problem.process_name}, where it happened first",
        layouts.PRINTED: f"what {problem.process_name} printed",
        layouts.WORKER: f"the mini-batches that {problem.process_name} had",
    }
    for kind, why in kinds.items():
        for path, place in tree.items():
            is_its = place.process_name == problem.process_name and place.node in {problem.node, ""}
            if place.kind == kind and place.process_name and is_its:
                yield path, why


_GENERAL = {
    layouts.PRINTED: "what the processes printed, and their tracebacks",
    layouts.MASTER: "what the master saw, in order of time",
    layouts.OVERVIEW: "how far the run came, and its result",
}
"""Files that help with any run."""
