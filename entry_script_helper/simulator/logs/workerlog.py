"""worker/<ip>/Process-N.txt: each mini-batch of one worker process, as it is picked up and completed."""

from __future__ import annotations

from entry_script_helper.simulator.logs.lines import LineFile
from entry_script_helper.simulator.shown import safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entry_script_helper.simulator.attempt import Attempt
    from entry_script_helper.simulator.logs.tree import Tree

PICKED = "picked mini_batch=%d try=%d ip=%s pid=%d total=%d start1=%.6f start2=%.6f"
COMPLETED = (
    "completed mini_batch=%d try=%d ip=%s pid=%d status=%s total=%d succeeded=%d "
    "start1=%.6f end1=%.6f start2=%.6f end2=%.6f"
)
"""The messages; where there is an error, `` error=`` and its text stand behind the second."""

_LONGEST_ERROR = 1000


class WorkerLog:
    """The file of one worker process.

    It costs two writes a mini-batch, and the first is done before run() begins: whatever becomes of the process, the
    file says what it was at.

    Args:
        tree: The run's log tree.
        process: The process's name, such as ``Process-1``.
        claimed: False to write for a process that is gone: what it could not say itself.
    """

    def __init__(self, tree: Tree, process: str, *, claimed: bool = True) -> None:
        self._ip = tree.node
        self._file = LineFile(tree.worker(process), claimed=claimed)

    def picked(self, index: int, number: int, pid: int, total: int, start1: float, start2: float) -> None:  # noqa: PLR0913, PLR0917 - the line's fields
        """Say that a mini-batch was picked up.

        Args:
            index: The mini-batch's number in the run.
            number: Which try this is, counted from 1.
            pid: The worker process's id.
            total: Items in the mini-batch; 0 where that is not known yet.
            start1: Wall-clock time, seconds since the epoch.
            start2: Processor time of the process, seconds.
        """
        self._file.write_safe(PICKED % (index, number, self._ip, pid, total, start1, start2))

    def completed(self, attempt: Attempt) -> None:
        """Say how a try at a mini-batch ended."""
        message = COMPLETED % (
            attempt.index,
            attempt.number,
            self._ip,
            attempt.pid,
            attempt.status,
            attempt.total,
            attempt.succeeded,
            attempt.start1,
            attempt.end1,
            attempt.start2,
            attempt.end2,
        )
        error = attempt.error
        if error:
            message += " error=" + safe(error[:_LONGEST_ERROR]).replace("\n", " ")
        self._file.write_safe(message)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
