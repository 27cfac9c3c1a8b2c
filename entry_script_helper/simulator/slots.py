"""What the loop asks of whoever has the worker processes: places for processes that take a task each (types alone).

There are two answers: `pool`, processes on this machine, and `cluster`, processes beside the workers of a Dask cluster.
"""

from __future__ import annotations

import dataclasses
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from types import TracebackType
    from typing import Any, Protocol

    from entry_script_helper.simulator.minibatches import Input
    from entry_script_helper.simulator.settings import Settings

    class Slot(Protocol):
        """The place of one worker process. Its journal, once that process is gone, says all that it has done."""

        name: str
        """The process's name, such as ``Process-1``."""
        chunk_seconds: float
        """How long a chunk of mini-batches is to last: one that has lasted longer is not gone on with."""
        leeway: float
        """Seconds beyond its limit after which the caller is to end a task: for ever, where the slot does it."""

        def arrive(self, settings: Settings, folder: str) -> Future[Any]:
            """Have the process become a worker of the run whose journals are in *folder*."""

        def submit(self, function: Callable[..., object], *arguments: object, seconds: float) -> Future[Any]:
            """Have the process call a function; *seconds* is its limit, for slots that end it themselves."""

        def result(self, future: Future[Any]) -> Any:  # noqa: ANN401 - the task's own
            """Return what came of a task that has ended: a `Death` where its process is gone, and what it started."""

        def renew(self) -> None:
            """Have the next task run in a new process."""

        def ask_to_leave(self) -> None:
            """Let the process end, now that it has nothing to do; `join` waits for it."""

        def kill(self) -> None:
            """End the process at once: nothing that it does from now on counts."""

        def abandon(self) -> None:
            """End the process for good."""

        def join(self) -> None:
            """Wait until the process has ended, after `ask_to_leave`."""

    class Crew(Protocol):
        """All slots of one run, as a context: none of its processes is left behind."""

        processes: int
        """The most processes that there have been at a time; 0 where this very process is the worker."""
        trouble: str
        """Why nobody is waited for any more, as a sentence; empty where nobody ever is, or all is well."""

        def __enter__(self) -> object:
            """Begin."""

        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None:
            """End."""

        def brief(self, source: Input, folder: str, say: Callable[[str], None]) -> None:
            """Tell of the run: its input, the directory of its journals, and how to tell its user something."""

        def come(self, *, is_wanted: bool) -> Sequence[Slot]:
            """Return the slots that are there since the last call, if any *is_wanted*. May be called often."""

        def waits(self) -> bool:
            """Tell whether slots may still come where there is none; if not, `trouble` says why."""


@dataclasses.dataclass(frozen=True)
class Death:
    """What comes back from a process that is gone."""

    reason: str
    """Why, as the end of a sentence."""
    is_overdue: bool = False
    """Whether it was ended because its time was over."""
    is_lost: bool = False
    """Whether its machine is gone with it, or can't be reached: no other process can take its place there."""
    is_innocent: bool = False
    """Whether nothing that it did can be why."""
    is_known: bool = True
    """Whether the journal says at which mini-batch it was."""


def how_ended(code: int) -> str:
    """Return what a process's exit code says, as the end of a sentence."""
    return f"exit code {code}" if code >= 0 else f"killed by signal {-code} ({signal.strsignal(-code)})"
