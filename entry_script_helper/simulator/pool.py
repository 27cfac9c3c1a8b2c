"""One worker process with a number of its own: when it dies, only its task is lost, and the next takes its number.

Each has a `pebble.ProcessPool` to itself, which carries tasks in and results out and notices a death. A pool makes
one process and no second: a process killed while it wrote may leave a lock held and half a message in the pipe, so
after a death pool, pipes and locks are made anew.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import signal
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import SpawnContext, SpawnProcess

from entry_script_helper.errors import MissingExtraError
from entry_script_helper.simulator import worker
from entry_script_helper.simulator.slots import Death, how_ended

try:
    from pebble import ProcessExpired, ProcessPool
except ImportError as error:
    raise MissingExtraError("pebble", "simulator", "entry-script-helper run") from error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

    from entry_script_helper.simulator.minibatches import Input
    from entry_script_helper.simulator.settings import Settings

_DEATHS = (ProcessExpired, BrokenProcessPool)
"""What a task's future raises when its process died (the second: with exit code 0, or while it was idle)."""


class _WorkerProcess(SpawnProcess):
    """A process that Ctrl-C in the terminal does not reach, and that may leave in its own time."""

    def start(self) -> None:
        """Start with SIGINT blocked: pebble ignores it in the child, but only once that has started."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def terminate(self) -> None:
        """Do nothing: pebble asks when it stops a pool, whose closed pipe lets the process leave by itself.

        Leaving takes a moment and runs the script's atexit functions; pebble kills a process that takes 3 s.
        """


class _OneProcess(SpawnContext):
    """The context for one pool: makes one process, a fresh interpreter with the slot's name."""

    def __init__(self, process_name: str) -> None:
        super().__init__()
        self._process_name = process_name
        self.made: list[_WorkerProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> _WorkerProcess:  # type: ignore[override]  # noqa: ANN401, N802 - multiprocessing's
        """Make the process, or raise `OSError`, from which pebble learns that this pool is at its end."""
        if self.made:
            raise ChildProcessError("the worker process has ended")
        process = _WorkerProcess(*args, **{**kwargs, "name": self._process_name})
        self.made.append(process)
        return process


class Slot:
    """The place of one worker process, ``Process-<number>``, counted from 1."""

    chunk_seconds = 0.05
    leeway = 0.0

    def __init__(self, number: int) -> None:
        self.name = f"Process-{number}"
        self.renew()

    def renew(self) -> None:
        """Have the next task run in a new process."""
        self._context = _OneProcess(self.name)
        # Any: pebble has types in some of its versions only.
        self._pool: Any = ProcessPool(max_workers=1, context=self._context)

    def arrive(self, settings: Settings, folder: str) -> Future[Any]:
        """Make the process a worker."""
        return self.submit(worker.arrive, settings, folder, os.getpid())

    def submit(self, function: Callable[..., object], *arguments: object, seconds: float = math.inf) -> Future[Any]:  # noqa: ARG002 - its caller's to see to
        """Run a function in the process; `result` knows what the future says."""
        try:
            future: Future[Any] = self._pool.schedule(function, args=arguments)
        except RuntimeError as error:  # the pool noticed the death while its process was idle
            future = Future()
            future.set_exception(BrokenProcessPool(str(error)))
        return future

    def result(self, future: Future[Any]) -> Any:  # noqa: ANN401 - the task's own
        """Return a task's result, or the process's death: what it had started is gone then as well."""
        try:
            return future.result()
        except _DEATHS:
            reason = how_ended(self._context.made[0].exitcode or 0)
        except Exception as error:  # noqa: BLE001 - such as a MemoryError while it reported another
            reason = f"it could not report what it did: {type(error).__name__}: {error}"
        self.kill()
        return Death(reason)

    def ask_to_leave(self) -> None:
        """Let the process end, now that it has nothing to do; `join` waits for it."""
        self._pool.stop()

    def kill(self) -> None:
        """End the process at once, whatever it does, and what it has started. A task under way ends in its death.

        When this returns, the process writes nothing any more.
        """
        # Those that were started: Ctrl-C may come between the making of a process and its start.
        for process in self._context.made:
            if process.pid is not None:
                _kill_group(process.pid)
            if process in multiprocessing.active_children():
                process.kill()
                process.join()

    def abandon(self) -> None:
        """End the process for good: `kill`, and the pool's threads end as well."""
        self._pool.stop()
        self.kill()

    def join(self) -> None:
        """Wait until the process has ended, after `ask_to_leave`."""
        self._pool.join()


class ThisProcess:
    """A slot that is this very process, for debuggers: a task is done when `submit` returns.

    A task that hangs can't be stopped, and what the script changes of the process is for the caller to put back.
    """

    chunk_seconds = Slot.chunk_seconds
    leeway = 0.0
    arrive = Slot.arrive

    def __init__(self) -> None:
        self.name = multiprocessing.current_process().name

    def submit(self, function: Callable[..., object], *arguments: object, seconds: float = math.inf) -> Future[Any]:  # noqa: ARG002 - nobody can
        """Run a function here and now."""
        future: Future[Any] = Future()
        future.set_result(function(*arguments))
        return future

    def result(self, future: Future[Any]) -> Any:  # noqa: ANN401
        """Return a task's result: this process lives."""
        return future.result()

    def renew(self) -> None:
        """Do nothing: there is no other process."""

    kill = abandon = ask_to_leave = join = renew


class LocalCrew:
    """The slots on this machine, which are there from the start.

    Args:
        processes: How many; 0 for this very process.
    """

    trouble = ""

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self._slots: list[Slot] | list[ThisProcess] = [Slot(number + 1) for number in range(processes)]
        self._slots = self._slots or [ThisProcess()]

    def __enter__(self) -> LocalCrew:  # noqa: PYI034 - typing.Self is not in Python 3.9
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: the loop leaves no process behind."""

    def brief(self, source: Input, folder: str, say: Callable[[str], None]) -> None:
        """Do nothing: all of the run is seen from here."""

    def come(self, *, is_wanted: bool) -> list[Any]:  # noqa: ARG002 - they are, when this is first called
        """Return the slots, once."""
        slots, self._slots = self._slots, []
        return slots

    def waits(self) -> bool:
        """Return False: nobody else comes."""
        return False


def _kill_group(leader: int) -> None:
    """Kill the process group of a worker: its own, once it has arrived, so that nothing it started outlives it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
