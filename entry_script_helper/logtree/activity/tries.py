"""Tries at mini-batches, as the logs of any era tell them."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Try:
    """One try at one mini-batch. What a log does not tell is empty or None."""

    mini_batch: str
    """The mini-batch's number or id, as the log has it."""
    number: int
    """Which try it was, counted from 1."""
    node: str
    process_name: str
    process: int | None
    """The process's id."""
    status: str
    """``succeeded``, ``failed``, ``timeout``, ``died``, or ``running`` where its end is not told."""
    total: int | None
    """Items in the mini-batch."""
    succeeded: int | None
    """Items that succeeded."""
    start: float | None
    """Wall-clock time at its start, seconds since the epoch."""
    end: float | None
    """The same at its end."""
    processor_seconds: float | None = None
    """Processor time that it took, seconds."""
    error: str = ""
    """The error in a line."""
    path: str = ""
    """The file that tells it, relative to the tree's root."""

    @property
    def seconds(self) -> float | None:
        """Return how long it took by the clock on the wall, where that is known."""
        return None if self.start is None or self.end is None else self.end - self.start
