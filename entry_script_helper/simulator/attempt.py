"""One try at one mini-batch: the plain values that worker, journal, logs and verdict share."""

from __future__ import annotations

import dataclasses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entry_script_helper.simulator.failures import Failure

SUCCEEDED, FAILED, TIMEOUT, DIED = "succeeded", "failed", "timeout", "died"
"""How a try ends: run() returned; it raised or returned a wrong type; its time was over; its process died."""


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One try at one mini-batch, ended. It holds nothing of the script's own, so it can always be pickled."""

    index: int
    """The mini-batch's number in the run, counted from 0."""
    number: int
    """Which try this was, counted from 1."""
    process: str
    """The worker process's name, such as ``Process-1``, which names its log files."""
    pid: int
    status: str
    """One of `SUCCEEDED`, `FAILED`, `TIMEOUT`, `DIED`."""
    total: int
    """Items in the mini-batch."""
    succeeded: int
    """Items that succeeded: those that run() returned, at most *total*."""
    start1: float
    """Wall-clock time at its start, seconds since the epoch (the article's name; so with the three below)."""
    end1: float
    start2: float
    """Processor time of the worker process at its start, seconds."""
    end2: float
    failure: Failure | None = None
    """Why it did not succeed, or not with all of its items."""
    note: str = ""
    """What run() returned beyond its items, in a sentence."""

    @property
    def seconds(self) -> float:
        """Return how long the try took by the clock on the wall."""
        return self.end1 - self.start1

    @property
    def error(self) -> str:
        """Return the failure's one line, empty where all is well."""
        return self.failure.error if self.failure is not None else ""
