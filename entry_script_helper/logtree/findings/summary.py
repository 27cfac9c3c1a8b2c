"""What a log tree tells of a run, as plain values."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from entry_script_helper.logtree.findings.problems import Problem

SUCCEEDED, FAILED, RUNNING, UNKNOWN = "succeeded", "failed", "running", "unknown"
"""What became of a run. ``running``: its logs have no end yet; ``unknown``: the files tell nothing of it as a whole."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a run is. What the files do not tell is None."""

    state: str
    """One of those above."""
    mini_batches: int | None = None
    succeeded_mini_batches: int | None = None
    failed_mini_batches: int | None = None
    processed_mini_batches: int | None = None
    """Those that have come to their end, well or not."""
    items: int | None = None
    succeeded_items: int | None = None
    started: datetime | None = None
    """When the run began, in UTC."""
    last: datetime | None = None
    """When the last line on its progress was written."""
    seconds: float | None = None
    """How long it took, or has taken by then."""
    remaining_seconds: float | None = None
    """How long it goes on about, of a run that is still going."""
    exit_code: int | None = None
    reason: str = ""
    """Why it was stopped, or which threshold it was beyond."""


@dataclasses.dataclass(frozen=True)
class Straggler:
    """A mini-batch, process or node far slower than the others."""

    what: str
    """``mini-batch``, ``process`` or ``node``."""
    name: str
    seconds: float
    """How long the mini-batch took, or the median of the process's or node's mini-batches."""
    median: float
    """The median of all mini-batches, seconds."""
    node: str = ""
    process_name: str = ""


@dataclasses.dataclass(frozen=True)
class Peak:
    """The most memory that a node used."""

    node: str
    percent: float
    """Of the node's memory."""
    time: datetime | None
    megabytes: float | None = None
    """Where the table tells it."""


@dataclasses.dataclass(frozen=True)
class ToOpen:
    """A file to open next."""

    path: str
    """Relative to the tree's root."""
    why: str
    """A sentence."""


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a log tree tells of a run: plain values, none of which changes."""

    path: str
    """What was summarised, as it was given."""
    progress: Progress
    problems: tuple[Problem, ...] = ()
    """Errors by signature, the first cause first, then those that mattered most."""
    warnings: tuple[Problem, ...] = ()
    """Warnings by signature, the most frequent first."""
    other_problems: int = 0
    """Errors beyond the signatures that are kept, counted only."""
    other_warnings: int = 0
    retries: int = 0
    """Tries beyond the first, of all mini-batches."""
    timeouts: int = 0
    """Tries that were ended because their time was over."""
    deaths: int = 0
    """Processes that were killed or crashed."""
    processes: int = 0
    nodes: tuple[str, ...] = ()
    stragglers: tuple[Straggler, ...] = ()
    peaks: tuple[Peak, ...] = ()
    """The most memory that each node used, the highest first."""
    to_open: tuple[ToOpen, ...] = ()
    """Three files at most, the one that helps most first."""
    earlier_runs: int = 0
    """Runs that wrote to the same files before: they are not summarised."""
    files: int = 0
    complaints: tuple[str, ...] = ()
    """What could not be read, a sentence each."""

    @property
    def state(self) -> str:
        """Return what became of the run."""
        return self.progress.state

    @property
    def failed(self) -> bool:
        """Return whether the run has failed."""
        return self.progress.state == FAILED

    @property
    def first_cause(self) -> Problem | None:
        """Return the earliest error that others follow from; None where nothing went wrong."""
        return self.problems[0] if self.problems and (self.failed or self.state != SUCCEEDED) else None
