"""A problem of a run: errors of one signature, counted, with where and when they were."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

INIT, EXCEPTION, TIMEOUT, DEATH = "init failure", "exception", "timeout", "death"
WRONG_RETURN, SHUTDOWN, STOPPED, ERROR, WARNING = "wrong return", "shutdown failure", "stopped", "error", "warning"
"""Kinds of problems. ``error`` and ``warning`` are records without an exception; ``stopped`` is what only the run's
own last lines tell, where no cause of it was found."""

GIVEN_UP, TRIED_AGAIN, HANDLED, UNKNOWN = "given up", "tried again", "handled", ""
"""What came of the tries that a problem ended: at least one mini-batch was given up; all succeeded in a later try;
no try failed with it; not told."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """Errors of one signature."""

    kind: str
    """One of the kinds above."""
    title: str
    """The first error in a line: ``ValueError: seven``."""
    place: str
    """Where in the user's own code: ``score.py:12 in run``; empty where that is not known."""
    count: int
    """How often it happened: an error that several files tell is one."""
    signature: str = ""
    """What makes two errors the same, see `signatures`."""
    root: str = ""
    """Where it was raised while another was handled, the first of these: ``KeyError: 'x' (score.py:15 in run)``."""
    outcome: str = UNKNOWN
    """One of those above."""
    first: datetime | None = None
    """When it happened first, in UTC."""
    last: datetime | None = None
    node: str = ""
    """Of the first: the node, and so on."""
    process_name: str = ""
    process: int | None = None
    """Of the first: the process's id."""
    processes: int = 0
    """In how many processes."""
    process_names: tuple[str, ...] = ()
    """The first 20 of their names."""
    nodes: tuple[str, ...] = ()
    """The first 20 of the nodes."""
    mini_batches: tuple[str, ...] = ()
    """The first 20 mini-batches that it hit, in the order of their numbers."""
    mini_batch_count: int = 0
    """How many mini-batches it hit, as far as is told."""
    items: tuple[str, ...] = ()
    """Items of the mini-batches that it hit, as far as error files name them: the first 20."""
    traceback: str = ""
    """The first's traceback, or the stacks that it has left."""
    stack: tuple[str, ...] = ()
    """Of a timeout or crash: the innermost places in the user's own code, the innermost first."""
    reports: int = 0
    """Records that only report it: the master's lines, the job's own last error."""
    hint: str = ""
    """What else was seen that may explain it, in a sentence."""
    path: str = ""
    """The file that tells most of the first, relative to the tree's root."""
    offset: int | None = None
    """Where it does, in bytes."""
