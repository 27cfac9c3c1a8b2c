"""Counts of a run, the thresholds at which it stops, and the exit code that it ends with: pure, nothing is done here.

The service's exit codes: 71 time was over, 72 init() failed, 73 some failed, 74 all failed.
"""

from __future__ import annotations

import dataclasses

from entry_script_helper.simulator.attempt import DIED, SUCCEEDED, TIMEOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entry_script_helper.simulator.attempt import Attempt
    from entry_script_helper.simulator.failures import Failure
    from entry_script_helper.simulator.settings import Settings

DONE, TIMED_OUT, INIT_FAILED, SOME_FAILED, ALL_FAILED = 0, 71, 72, 73, 74

_NEVER = -1
"""The threshold that nothing is beyond."""


@dataclasses.dataclass
class Accounts:
    """What has come of a run so far.

    Args:
        settings: The run's settings, with its thresholds.
        mini_batches: How many mini-batches there are to try.
        items: How many items these have; None where only reading them would tell.
    """

    settings: Settings
    mini_batches: int
    items: int | None
    succeeded: int = 0
    """Items; and failed ones, of mini-batches that have come to their end."""
    failed: int = 0
    succeeded_mini_batches: int = 0
    failed_mini_batches: int = 0
    resumed_mini_batches: int = 0
    """Of those that succeeded, how many did so in the run that this one goes on with."""
    retries: int = 0
    timeouts: int = 0
    deaths: int = 0
    slowest: Attempt | None = None
    failures: list[Failure] = dataclasses.field(default_factory=list)
    """The first few of those that counted in the end (not of a try that was followed by another), as they came."""
    other_failures: int = 0
    """Failures of shutdown(), or of processes that died before they came to it."""
    init_failed: bool = False
    """Whether no process could be started any more."""
    stopped: str = ""
    """Why the run was stopped before all was tried, as a sentence."""
    _timed_out_mini_batches: int = 0

    MOST_FAILURES = 100

    @property
    def first_failure(self) -> Failure | None:
        """The failure that came first."""
        return self.failures[0] if self.failures else None

    @property
    def unprocessed_mini_batches(self) -> int:
        """Mini-batches that have not come to their end, because the run was stopped."""
        return self.mini_batches - self.succeeded_mini_batches - self.failed_mini_batches

    def resume(self, attempt: Attempt) -> None:
        """Count a mini-batch that had succeeded in the run that this one goes on with."""
        self.resumed_mini_batches += 1
        self._succeed(attempt)

    def add(self, attempt: Attempt, *, is_last: bool) -> None:
        """Count a try.

        Args:
            attempt: The try.
            is_last: Whether its mini-batch has come to its end with it.
        """
        self.retries += attempt.number > 1
        self.timeouts += attempt.status == TIMEOUT
        self.deaths += attempt.status == DIED
        if self.slowest is None or attempt.seconds > self.slowest.seconds:
            self.slowest = attempt
        if attempt.failure is not None and is_last:
            self._keep(attempt.failure.located(f"mini-batch {attempt.index}", attempt.process))
        if attempt.status == SUCCEEDED:
            self._succeed(attempt)
        elif is_last:
            self.failed += attempt.total
            self.failed_mini_batches += 1
            self._timed_out_mini_batches += attempt.status == TIMEOUT

    def add_failure(self, failure: Failure, *, counts: bool = True) -> None:
        """Keep a failure that is of no mini-batch; *counts*: whether a run has failed with it, where none may."""
        self.other_failures += counts
        self._keep(failure)

    def beyond(self) -> str:
        """Return which threshold the failures are beyond, as a sentence; empty where the run may go on."""
        settings = self.settings
        percent = 100 * self.failed_mini_batches / self.mini_batches if self.mini_batches else 0
        counts = [
            ("failed items", self.failed, "error_threshold", settings.error_threshold),
            ("failed mini-batches", self.failed_mini_batches, "allowed_failed_count", settings.allowed_failed_count),
            (
                "failed mini-batches",
                self.failed_mini_batches,
                "mini_batch_error_threshold",
                settings.mini_batch_error_threshold,
            ),
            ("percent of the mini-batches failed", percent, "allowed_failed_percent", settings.allowed_failed_percent),
        ]
        for what, count, name, threshold in counts:
            if threshold is not None and threshold != _NEVER and count > threshold:
                return f"{count:g} {what}, more than the {name} of {threshold:g}"
        return ""

    @property
    def exit_code(self) -> int:
        """The exit code, if the run ended now.

        Where no threshold was given, any failure counts: unlike the service, which lets all fail, and ends well.
        Where one was given, failures within it don't. In either case a run without a succeeded item has failed,
        unless there was no item.
        """
        if self.init_failed:
            return INIT_FAILED
        if not self._has_failed():
            return DONE
        if self.failed_mini_batches and self.failed_mini_batches == self._timed_out_mini_batches:
            return TIMED_OUT
        return SOME_FAILED if self.succeeded else ALL_FAILED

    def _has_failed(self) -> bool:
        if self.failed and not self.succeeded:
            return True
        if self._is_tolerant():
            return bool(self.beyond() or self.unprocessed_mini_batches)
        return bool(self.failed or self.failed_mini_batches or self.other_failures or self.unprocessed_mini_batches)

    def _is_tolerant(self) -> bool:
        given = (
            self.settings.error_threshold,
            self.settings.allowed_failed_count,
            self.settings.allowed_failed_percent,
            self.settings.mini_batch_error_threshold,
        )
        return any(threshold is not None for threshold in given)

    def _succeed(self, attempt: Attempt) -> None:
        self.succeeded += attempt.succeeded
        self.failed += attempt.total - attempt.succeeded
        self.succeeded_mini_batches += 1

    def _keep(self, failure: Failure) -> None:
        if len(self.failures) < self.MOST_FAILURES:
            self.failures.append(failure)
