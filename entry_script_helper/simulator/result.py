"""How a run ended: a value with everything that matters, the few lines that tell it, and the same for machines."""

from __future__ import annotations

import dataclasses
import os

from entry_script_helper.simulator.shown import safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entry_script_helper.simulator.failures import Failure

MEANINGS = {
    0: "succeeded",
    71: "run() or init() took longer than the timeout",
    72: "init() failed",
    73: "some items failed",
    74: "all items failed",
    130: "stopped by Ctrl-C",
}
"""What an exit code says of a run; 71 to 74 are the service's own."""


@dataclasses.dataclass(frozen=True)
class SlowestMiniBatch:
    """The mini-batch whose try took longest."""

    index: int
    process: str
    seconds: float


@dataclasses.dataclass(frozen=True, repr=False)
class Result:
    """How a run ended."""

    items: int
    """Files, or rows of tables, that were to be scored."""
    succeeded: int
    """Items for which run() returned a result."""
    mini_batches: int
    """Mini-batches that were to be scored."""
    succeeded_mini_batches: int
    failed_mini_batches: int
    """Mini-batches that failed in all of their tries."""
    processes: int
    seconds: float
    """How long the run took by the clock on the wall."""
    exit_code: int
    """As the command's: one of `MEANINGS`."""
    output: str | None
    """The result file; None where the rows were only counted."""
    log_dir: str
    """The directory ``logs`` of this run."""
    retries: int = 0
    """Tries beyond the first, of all mini-batches."""
    timeouts: int = 0
    """Tries that were ended because their time was over."""
    deaths: int = 0
    """Tries whose process died."""
    resumed_mini_batches: int = 0
    """Of those that succeeded, how many did so in the run that this one went on with."""
    stopped: str = ""
    """Why the run was stopped before all was scored, in a sentence; empty where it was not."""
    slowest: SlowestMiniBatch | None = None
    failures: tuple[Failure, ...] = ()
    """The first of the failures, in the order in which they came, those of tries that were repeated too."""
    to_open: tuple[str, ...] = ()
    """Files to open, the one that helps most first."""

    @property
    def failed(self) -> int:
        """Items that did not succeed, for whatever reason: those that no process came to as well."""
        return max(self.items - self.succeeded, 0)

    @property
    def first_failure(self) -> Failure | None:
        """What went wrong first, with its traceback; None where nothing did."""
        return self.failures[0] if self.failures else None

    def rows(self) -> list[str]:
        """Return the lines of the result file, of a run that appended rows; in no particular order."""
        if self.output is None or not os.path.exists(self.output):
            return []
        with open(self.output, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            return file.read().split("\n")[:-1]

    def __str__(self) -> str:
        """Return the verdict's lines."""
        return "\n".join(verdict(self))

    def __repr__(self) -> str:
        """Return the start of the verdict in one line: what pytest shows of an assertion that failed."""
        return f"<Result: {'; '.join(verdict(self)[:3])}>"


def verdict(result: Result) -> list[str]:
    """Return the lines for the end of a run: the verdict first, then the cause, then the files to open."""
    state = "succeeded" if not result.exit_code else "FAILED"
    counts = [
        f"{result.succeeded} of {_count(result.items, 'item')}",
        f"{result.succeeded_mini_batches} of {_count(result.mini_batches, 'mini-batch', 'mini-batches')}",
        f"{result.failed_mini_batches} failed",
        _count(result.retries, "retry", "retries") if result.retries else "",
        f"{result.resumed_mini_batches} done before" if result.resumed_mini_batches else "",
        _count(result.processes, "process", "processes") if result.processes else "in this process",
        f"{result.seconds:.1f} s",
    ]
    lines = [f"{state}: {', '.join(filter(None, counts))}"]
    if result.exit_code:
        lines.append(f"exit code: {result.exit_code} ({MEANINGS.get(result.exit_code, 'unknown')})")
    if result.stopped:
        lines.append(f"stopped: {result.stopped}")
    if result.first_failure is not None:
        lines.append(f"first error: {result.first_failure}")
    elif result.exit_code == _ALL_FAILED:
        lines.append("first error: run() returned no items: return one for each that succeeded")
    if result.slowest is not None and result.mini_batches > 1:
        slowest = result.slowest
        seconds = f"{slowest.seconds:.1f} s" if slowest.seconds >= 1 else f"{1000 * slowest.seconds:.0f} ms"
        lines.append(f"slowest: mini-batch {slowest.index}, {seconds} in {slowest.process}")
    if result.output is not None:
        lines.append(f"results: {result.output}")
    lines.append(f"logs: {result.log_dir}")
    if result.exit_code:
        lines += [f"{'open:' if not number else '     '} {path}" for number, path in enumerate(result.to_open)]
    return [safe(line.replace("\n", " ")) for line in lines]


_ALL_FAILED = 74


def as_object(result: Result) -> dict[str, Any]:
    """Return the result as JSON can say it: what ``--json`` prints, with the failures' secrets replaced."""
    found = dataclasses.asdict(result)
    found["failed"] = result.failed
    found["meaning"] = MEANINGS.get(result.exit_code, "unknown")
    found["failures"] = [
        {name: safe(getattr(failure, name)) for name in ("error", "place", "traceback")} for failure in result.failures
    ]
    found["stopped"] = safe(result.stopped)
    return found


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
