"""A worker process beside a Dask worker, behind a pipe: it calls what it is sent, one call after the other.

It is a process of its own so that it can be killed when its time is over, or crash, and the Dask worker lives on; and
it is started by `subprocess`, since a Dask worker below its nanny is a daemon, which `multiprocessing` lets have no
children.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection

from entry_script_helper.simulator.slots import Death, how_ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LOOK_UP = 0.1
"""Seconds between two looks at whether the process lives, while it works: a pipe that its children hold stays open."""

_FAREWELL = 3.0
"""Seconds that a process may take to leave, with what the script has registered for its end."""

_CODE = "import sys; sys.path[:] = sys.argv[4:]; from entry_script_helper.simulator.cluster import child; child.main()"


class Child:
    """The process, as the Dask worker has it.

    Args:
        name: Its name.
        number: Its number in the run, from which its own children have their names.
        variables: Environment variables for it, in place of this process's.
    """

    def __init__(self, name: str, number: int, variables: Mapping[str, str]) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this very package
                [sys.executable, "-c", _CODE, str(theirs.fileno()), name, str(number), *sys.path],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**os.environ, **variables},
            )
        finally:
            theirs.close()

    def call(self, function: Callable[..., object], *arguments: object, seconds: float) -> object:
        """Have the process call a function, and return what that returns, or the process's `Death`.

        Args:
            function: One that can be imported there.
            *arguments: Its arguments.
            seconds: After which the process is killed.
        """
        end = time.monotonic() + seconds
        try:
            self._pipe.send((function, arguments))
            while not self._pipe.poll(max(0.0, min(_LOOK_UP, end - time.monotonic()))):
                if self._process.poll() is not None and not self._pipe.poll(0):
                    return self._dead()
                if time.monotonic() >= end:
                    self.kill()
                    return Death("its time was over", is_overdue=True)
            result = self._pipe.recv()
        except (EOFError, OSError):
            return self._dead()
        if isinstance(result, Death):
            self.kill()
        return result

    def _dead(self) -> Death:
        """Return how the process died, and end what it has started."""
        try:
            self._process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:  # the script has closed the pipe
            self.kill()
        self.kill()
        return Death(how_ended(self._process.returncode))

    def leave(self) -> None:
        """Let the process end by itself, or kill it where that takes too long."""
        self._pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_FAREWELL)
        self.kill()

    def kill(self) -> None:
        """End the process and what it has started at once. When this returns, it writes nothing any more."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self._pipe.close()


def main() -> None:
    """Be such a process, until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the Dask worker's terminal is for that to see
    descriptor, name, number = sys.argv[1:4]
    sys.argv[:] = [""]
    process = multiprocessing.current_process()
    process.name = name
    process._identity = (int(number),)  # noqa: SLF001 - so that its children are Process-1:1
    os.set_inheritable(int(descriptor), False)  # noqa: FBT003 - it is os's
    pipe = Connection(int(descriptor))
    with contextlib.suppress(EOFError, OSError):
        while True:
            function, arguments = pipe.recv()
            pipe.send(_called(function, arguments))


def _called(function: Callable[..., object], arguments: tuple[object, ...]) -> object:
    try:
        return function(*arguments)
    except BaseException as error:  # noqa: BLE001 - such as a MemoryError while it reported another
        return Death(f"it could not report what it did: {type(error).__name__}: {error}")
