"""master.txt: the orchestrator's view: what was created, how it goes on, what is tried again, which processes go."""

from __future__ import annotations

import time

from entry_script_helper.simulator.logs.lines import LineFile
from entry_script_helper.simulator.logs.overview import Count, Pulse, duration, left

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from entry_script_helper.simulator.attempt import Attempt
    from entry_script_helper.simulator.failures import Failure

MOST_EVENTS = 1000
"""Tries that failed, and processes that came and went, that have a line each; of all others only the number is told."""


class MasterLog:
    """The file master.txt of one run.

    Args:
        path: Where it is.
        mini_batches: How many there are.
        tries: How often a mini-batch may be tried.
        level: The lowest level that is written.
        clock: Gives the seconds that have passed.
    """

    def __init__(
        self,
        path: str,
        mini_batches: int,
        tries: int,
        level: str = "INFO",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = LineFile(path, level=level)
        self._count = Count(mini_batches)
        self._tries = tries
        self._pulse = Pulse(clock)
        self._events = 0

    def begin(self, settings: Iterable[str]) -> None:
        """Say what was asked for, and that the mini-batches are there."""
        for setting in settings:
            self._file.write(setting)
        self._file.write(f"created {self._count.created} mini-batches")

    def resume(self, mini_batches: int) -> None:
        """Say how many mini-batches had succeeded in the run that this one goes on with."""
        self._count.resumed = mini_batches
        if mini_batches:
            self._file.write(f"{mini_batches} mini-batches had succeeded in an earlier run")

    def arrived(self, process: str, pid: int, node: str = "") -> None:
        """Say that a worker process is there; *node* is its machine's address, where that is another."""
        self._event(f"{process} started: process id {pid}" + (f" on {node}" if node else ""))

    def gone(self, process: str, pid: int, reason: str) -> None:
        """Say that a worker process is gone, which nobody asked it to."""
        self._event(f"{process} ended: process id {pid}, {reason}", "WARNING")

    def add(self, attempt: Attempt, *, is_last: bool) -> None:
        """Count a try at a mini-batch, and say what becomes of one that failed."""
        self._count.add(attempt, is_last=is_last)
        if attempt.status != "succeeded":
            then = "given up" if is_last else "tried again"
            self._event(
                f"mini-batch {attempt.index}, try {attempt.number} of {self._tries}: {attempt.status} in "
                f"{attempt.process} (process id {attempt.pid}) after {attempt.seconds:.3f} s, {then}: "
                f"{attempt.failure or 'no reason is known'}",
                "ERROR" if is_last else "WARNING",
            )

    def fail(self, failure: Failure) -> None:
        """Say what went wrong beside the mini-batches: in init(), in shutdown()."""
        self._event(f"failed: {failure}", "ERROR")

    def say(self, text: str) -> None:
        """Say something of the run as a whole."""
        self._file.write(text)

    def tick(self) -> None:
        """Say how far it is, if it is time to."""
        if self._pulse.is_due():
            self._say_count()

    def end(self, verdict: Iterable[str], *, is_good: bool) -> None:
        """Say how the run ended."""
        self._say_count()
        for line in verdict:
            self._file.write(f"result: {line}", "INFO" if is_good else "ERROR")
        self._file.close()

    def _say_count(self) -> None:
        untold = max(self._events - MOST_EVENTS, 0)
        more = f"; {untold} events are not told" if untold else ""
        elapsed = self._pulse.elapsed
        self._file.write(f"{self._count}; {duration(elapsed)} passed{left(self._count, elapsed)}{more}")

    def _event(self, text: str, level: str = "INFO") -> None:
        self._events += 1
        if self._events <= MOST_EVENTS:
            self._file.write(text, level)
