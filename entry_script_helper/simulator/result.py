"""How a run ended: the numbers, and the few lines that tell them, what went wrong first."""

from __future__ import annotations

import dataclasses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entry_script_helper.simulator.failures import Failure


@dataclasses.dataclass(frozen=True)
class Result:
    """How a run ended."""

    items: int
    """Files in the input."""
    succeeded: int
    """Files for which run() returned an item."""
    mini_batches: int
    """Mini-batches that were handed out."""
    failed_mini_batches: int
    processes: int
    seconds: float
    output: str
    log_dir: str
    first_failure: Failure | None

    @property
    def succeeded_wholly(self) -> bool:
        """Whether nothing raised or died, and there is at least one result (the service fails a job without one)."""
        return self.first_failure is None and self.succeeded > 0


def verdict(result: Result) -> list[str]:
    """Return the lines for the end of a run: the verdict first, then the cause, then the files to open."""
    good = result.mini_batches - result.failed_mini_batches
    counts = [
        f"{result.succeeded} of {_count(result.items, 'item')}",
        f"{good} of {_count(result.mini_batches, 'mini-batch', 'mini-batches')}",
        f"{result.failed_mini_batches} failed",
        _count(result.processes, "process", "processes"),
        f"{result.seconds:.1f} s",
    ]
    lines = [f"{'succeeded' if result.succeeded_wholly else 'FAILED'}: {', '.join(counts)}"]
    if result.first_failure is not None:
        lines.append(f"first error: {result.first_failure}")
        if result.first_failure.traceback:
            lines.append("             its traceback is on standard error, after this")
    elif not result.succeeded:
        lines.append("first error: run() returned no items: return one for each file that succeeded")
    return [*lines, f"results: {result.output}", f"logs: {result.log_dir}"]


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
