"""overview.txt: how many mini-batches there are and how many are processed, the result, and where to start looking."""

from __future__ import annotations

import time

from entry_script_helper.simulator.logs.lines import LineFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from entry_script_helper.simulator.attempt import Attempt


class Pulse:
    """Says when it is time for the next line on how far a run is: often at first, then ever more seldom.

    A run of a minute has about twenty such lines, one of ten hours six hundred.
    """

    _SOONEST, _LATEST, _SHARE = 1.0, 60.0, 0.05

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begin = clock()
        self._next = self._begin + self._SOONEST

    @property
    def elapsed(self) -> float:
        """Return the seconds since the run began."""
        return self._clock() - self._begin

    def is_due(self) -> bool:
        """Tell whether a line is due; then the next one is a while away."""
        now = self._clock()
        if now < self._next:
            return False
        wait = max(self._SOONEST, (now - self._begin) * self._SHARE)
        self._next = now + min(wait, self._LATEST)
        return True


class Count:
    """How far a run is."""

    def __init__(self, mini_batches: int) -> None:
        self.created = mini_batches
        self.succeeded = self.failed = self.resumed = self.retries = 0

    def add(self, attempt: Attempt, *, is_last: bool) -> None:
        """Count a try; *is_last* says whether its mini-batch has come to its end with it."""
        if attempt.number > 1:
            self.retries += 1
        if is_last:
            if attempt.status == "succeeded":
                self.succeeded += 1
            else:
                self.failed += 1

    def __str__(self) -> str:
        processed = self.succeeded + self.failed + self.resumed
        parts = [
            f"created {self.created} mini-batches, processed {processed}: {self.succeeded + self.resumed} succeeded",
            f"{self.failed} failed",
            f"{self.retries} tried again" if self.retries else "",
            f"{self.resumed} of them in an earlier run" if self.resumed else "",
        ]
        return ", ".join(filter(None, parts))


def left(count: Count, elapsed: float) -> str:
    """Return how long a run goes on about, as the end of a sentence; empty where that is not known, or all is done."""
    done = count.succeeded + count.failed
    remaining = count.created - count.resumed - done
    return f", about {duration(elapsed / done * remaining)} left" if done and remaining else ""


def duration(seconds: float) -> str:
    """Return seconds as hours, minutes and seconds: ``1:02:03``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


class Overview:
    """The file overview.txt of one run. It is a summary: a run of a million mini-batches has some hundred lines.

    Args:
        path: Where it is.
        mini_batches: How many there are.
        clock: Gives the seconds that have passed.
    """

    def __init__(self, path: str, mini_batches: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = LineFile(path)
        self._count = Count(mini_batches)
        self._pulse = Pulse(clock)

    @property
    def path(self) -> str:
        """Return the path of the file in use."""
        return self._file.path

    def begin(self, what: str) -> None:
        """Say what is run."""
        self._file.write(f"run begins: {what}")
        self._say_count()

    def resume(self, mini_batches: int) -> None:
        """Count mini-batches that had succeeded in the run that this one goes on with."""
        self._count.resumed = mini_batches

    def add(self, attempt: Attempt, *, is_last: bool) -> None:
        """Count a try at a mini-batch that has ended; *is_last* says whether the mini-batch has with it."""
        self._count.add(attempt, is_last=is_last)

    def tick(self) -> None:
        """Say how far it is, if it is time to: may be called as often as one likes."""
        if self._pulse.is_due():
            self._say_count()

    def end(self, verdict: Iterable[str], *, is_good: bool, to_open: Iterable[str] = ()) -> None:
        """Say how the run ended.

        Args:
            verdict: The result, in lines.
            is_good: Whether the run succeeded.
            to_open: Where to start looking, the file that helps most first.
        """
        self._say_count()
        level = "INFO" if is_good else "ERROR"
        for line in verdict:
            self._file.write(f"result: {line}", level)
        files = ", then ".join(to_open)
        if files and not is_good:
            self._file.write(f"start troubleshooting with {files}", level)
        self._file.close()

    def _say_count(self) -> None:
        elapsed = self._pulse.elapsed
        self._file.write_safe(f"{self._count}; {duration(elapsed)} passed{left(self._count, elapsed)}")
