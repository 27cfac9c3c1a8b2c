"""Which problem is the first cause: the earliest error that others follow from, not the loudest.

An error that made the run fail comes before one that did not: one for which a mini-batch was given up, or for which no
process could be started, before one whose mini-batches succeeded in a later try, and that before one that the script
itself dealt with. Among equals, the earliest is the cause. What the job itself says in the end ("the run failed",
``SystemExit: 42``, a threshold) is a cause only where nothing else is told.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from entry_script_helper.logtree.findings import problems
from entry_script_helper.logtree.findings.summary import FAILED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from entry_script_helper.logtree.findings.problems import Problem
    from entry_script_helper.logtree.findings.summary import Progress

INIT_FAILED = 72
"""The service's exit code where init() failed."""

_ONLY_SAID = (
    "this is only what the job says in the end; the cause is in files of the run that are not here: its whole logs/ is "
    "needed"
)

_FATAL, _LIKELY, _LOGGED, _TRIED_AGAIN, _HANDLED, _SAID = range(6)
_OUTCOMES = {problems.GIVEN_UP: _FATAL, problems.TRIED_AGAIN: _TRIED_AGAIN, problems.HANDLED: _HANDLED}


def ordered(found: Iterable[Problem], progress: Progress) -> list[Problem]:
    """Return problems in the order of what matters: the first cause first.

    What the job itself says in the end is given to the first cause, where there is one.

    Args:
        found: The problems of one run.
        progress: What became of the run.
    """
    every = sorted(found, key=lambda one: (_rank(one, progress), one.first is None, one.first, -one.count))
    causes = [problem for problem in every if problem.kind != problems.STOPPED]
    said = sum(problem.count for problem in every[len(causes) :])
    if not causes:
        return [dataclasses.replace(problem, hint=_ONLY_SAID) for problem in every]
    return [dataclasses.replace(causes[0], reports=causes[0].reports + said), *causes[1:]]


def _rank(problem: Problem, progress: Progress) -> int:
    if problem.kind == problems.STOPPED:
        return _SAID
    if problem.kind == problems.INIT and _nothing_was_done(progress):
        return _FATAL
    if problem.outcome:
        return _OUTCOMES[problem.outcome]
    if problem.kind == problems.INIT and progress.state != FAILED:
        return _TRIED_AGAIN
    return _LOGGED if problem.kind == problems.ERROR else _LIKELY


def _nothing_was_done(progress: Progress) -> bool:
    return progress.exit_code == INIT_FAILED or not progress.processed_mini_batches
