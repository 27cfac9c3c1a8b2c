"""What is seen while a run goes on: a bar on a terminal, a line now and then elsewhere, and the failures as they come.

All of it goes to standard error: what is on standard output is for whoever called.
"""

from __future__ import annotations

import sys
import time

from entry_script_helper.errors import MissingExtraError
from entry_script_helper.simulator.shown import safe

try:
    from tqdm import tqdm
except ImportError as error:
    raise MissingExtraError("tqdm", "simulator", "entry-script-helper run") from error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from entry_script_helper.simulator.attempt import Attempt
    from entry_script_helper.simulator.failures import Failure

_BETWEEN_LINES = 20.0
"""Seconds between two lines where there is no terminal: three a minute, which no log minds."""

_MOST_FAILURES = 20
"""Failures that are shown as they come. The logs hold all."""


class Progress:
    """The sight of one run, as a context.

    Args:
        mini_batches: How many there are to score.
        quiet: Whether to show nothing.
        tries: How often a mini-batch may be tried.
        clock: Gives the seconds that have passed.
    """

    def __init__(
        self, mini_batches: int, *, quiet: bool = False, tries: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._quiet = quiet
        self._tries = tries
        self._clock = clock
        self._mini_batches = mini_batches
        self._begin = self._last_line = clock()
        self._done = self._done_before = self._failed = 0
        self._told: set[str] = set()
        self._untold = 0
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._plain = not quiet and not is_terminal
        self._bar = tqdm(
            total=mini_batches,
            unit="mini-batch",
            file=sys.stderr,
            disable=quiet or not is_terminal,
            dynamic_ncols=True,
            bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} mini-batches [{elapsed}<{remaining}, {rate_fmt}{postfix}]",
        )

    def __enter__(self) -> Progress:  # noqa: PYI034 - typing.Self is not in Python 3.9
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._untold:
            more = "failure" if self._untold == 1 else "failures"
            self._say(f"and {self._untold} more {more}, much like these: the logs have them all")
        self._bar.close()

    def resume(self, mini_batches: int) -> None:
        """Count mini-batches that were done before this run."""
        self._done += mini_batches
        self._done_before += mini_batches
        self._bar.update(mini_batches)

    def add(self, attempt: Attempt, *, is_last: bool) -> None:
        """Show that a try has ended; *is_last* says whether its mini-batch has come to its end with it."""
        if attempt.failure is not None:
            again = "" if is_last else f", try {attempt.number} of {self._tries}: it is tried again"
            failure = attempt.failure.located(f"mini-batch {attempt.index}", f"{attempt.process}{again}")
            self._fail(failure, f"{is_last}{failure.error}")
        if is_last:
            self._done += 1
            if attempt.status != "succeeded":
                self._failed += 1
                self._bar.set_postfix_str(f"{self._failed} failed", refresh=False)
            self._bar.update()
        self.tick()

    def fail(self, failure: Failure) -> None:
        """Show a failure that is of no mini-batch."""
        self._fail(failure, failure.error)

    def say(self, line: str) -> None:
        """Show a line."""
        self._say(line)

    def tick(self) -> None:
        """Show how far it is, if it is time to: may be called as often as one likes."""
        if not self._plain or self._clock() - self._last_line < _BETWEEN_LINES:
            return
        self._last_line = self._clock()
        elapsed = self._last_line - self._begin
        done_now = self._done - self._done_before
        left = f", about {_time(elapsed * (self._mini_batches - self._done) / done_now)} left" if done_now else ""
        self._say(f"{self._done} of {self._mini_batches} mini-batches, {self._failed} failed, {_time(elapsed)}{left}")

    def _fail(self, failure: Failure, kind: str) -> None:
        """Show a failure, if it is the first of its kind, and one of the first kinds."""
        if kind in self._told or len(self._told) >= _MOST_FAILURES:
            self._untold += 1
            return
        self._told.add(kind)
        self._say(f"failed: {failure}")

    def _say(self, line: str) -> None:
        if not self._quiet:
            tqdm.write(safe(line.replace("\n", " ")), file=sys.stderr)


def _time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
