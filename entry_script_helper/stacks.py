"""All threads' stacks in this process's own log: shortly before a deadline, and when native code crashes.

`faulthandler` writes them from C, without the interpreter's lock: also where C code holds that and hangs. It has one
timer and one file for a whole process, so there is one `Stacks` here, which keeps as many deadlines as are asked for
and arms the timer for the earliest.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import os
import threading
from time import monotonic

from entry_script_helper import lastresort, logfile
from entry_script_helper.jsontext import readable
from entry_script_helper.processstate import only

ENDING = ".stacks.txt"
"""What the file's name ends with where the log itself holds JSON, which stacks would break."""

_STDERR = 2
_LONGEST_WAIT = 1.0
"""Seconds that a fork waits for another thread that is arming the timer."""

_LOOK_AGAIN = 1.0
"""Seconds after which the path is looked at again: the file may have been deleted or renamed."""

_MARGIN = 5.0
"""Seconds before a timeout at which the stacks are due, or a tenth of it where that is less."""

_LONGEST_DEADLINE = 365 * 24 * 3600.0
"""Seconds: the C clock that `faulthandler` counts with has an end."""


class Deadline:
    """A time, in seconds of the monotonic clock, at which the stacks are to be written, or so much earlier."""

    __slots__ = ("slack", "time")

    def __init__(self, time: float, slack: float) -> None:
        self.time = time
        self.slack = slack


class Stacks:
    """The one timer of this process, the file that it writes to, and whether a crash writes there too.

    Of calls within one another, each has its stacks when its own time is over, as long as they go on; where the
    innermost hangs, nobody sets the timer for the next, and the first stacks are all.

    Every *path* is that of the process's own log (or of a file beside it); it is opened for
    appending, and made if missing. Where it can't be opened, the stacks go to stderr.
    """

    def __init__(self) -> None:
        # Re-entrant: a signal handler may run a guarded function while this thread is in here.
        self._lock = threading.RLock()
        self._deadlines: set[Deadline] = set()
        self._armed: float | None = None
        self.path = ""
        """The file in use: empty before the first."""
        self._descriptor = -1
        self._made_it = False
        self._looked = 0.0
        self._identity = (-1, -1)
        self._shows_crashes = False

    def show_crashes(self, path: str) -> None:
        """From now on, write all threads' stacks to a file where native code crashes (SIGSEGV, SIGABRT and the like).

        Where somebody has enabled `faulthandler` before, that stays as it is.
        """
        with self._lock:
            if self._shows_crashes:
                if path != self.path or monotonic() > self._looked + _LOOK_AGAIN:
                    faulthandler.enable(self._file(path))
                    self._arm(path)
            elif not faulthandler.is_enabled():
                faulthandler.enable(self._file(path))
                self._shows_crashes = True

    def begin(self, path: str, seconds: float, slack: float = 0.0) -> Deadline:
        """Have the stacks written in so many seconds, unless `end` is called before.

        Args:
            path: The file.
            seconds: The time until then.
            slack: Seconds by which the stacks may be early, so that the timer need not be set anew for each of many
                short calls (setting it starts a thread: 40 microseconds). With slack, the timer goes on when all have
                ended, until `rest`.

        Returns:
            What `end` takes.
        """
        deadline = Deadline(monotonic() + min(seconds, _LONGEST_DEADLINE), slack)
        with self._lock:
            self._deadlines.add(deadline)
            self._arm(path, slack)
        return deadline

    def end(self, deadline: Deadline) -> bool:
        """End what `begin` began; return True if the stacks were written meanwhile."""
        with self._lock:
            if deadline not in self._deadlines:  # begun before a fork, and ended in the child
                return False
            self._deadlines.discard(deadline)
            was_written = monotonic() >= min(deadline.time, self._armed or deadline.time)
            if was_written or not deadline.slack:
                self._arm(self.path)
            return was_written

    def rest(self) -> None:
        """Stop the timer if nothing is under way: after calls with slack, when none may come for a while."""
        with self._lock:
            if not self._deadlines:
                self._arm(self.path)

    def _arm(self, path: str, slack: float = 0.0) -> None:
        """Set the timer to the earliest deadline that is yet to come, or stop it where there is none.

        It stays as it is where it is early by no more than the slack.
        """
        now = monotonic()
        earliest = min((deadline.time for deadline in self._deadlines if deadline.time > now), default=None)
        if self._armed is not None and earliest is not None and self._armed > now:
            if earliest - slack <= self._armed <= earliest:
                return
        elif self._armed is earliest:
            return
        if earliest is None:
            self._stop()
            return
        descriptor = self._file(path)
        try:
            faulthandler.dump_traceback_later(earliest - now, file=descriptor)
            self._armed = earliest
        except RuntimeError as error:  # no thread can be started
            self._armed = None
            lastresort.say_once("no timer", f"no stacks will be written when time is over: {readable(error)}")

    def _stop(self) -> None:
        faulthandler.cancel_dump_traceback_later()
        self._armed = None

    def _file(self, path: str) -> int:
        return self._descriptor if self._is_open(path) else self._open(path)

    def _is_open(self, path: str) -> bool:
        if self._descriptor < 0 or path != self.path:
            return False
        try:  # deleted or renamed (logrotate), or all descriptors closed
            found, held = os.lstat(path), os.fstat(self._descriptor)
        except OSError:
            return False
        self._looked = monotonic()
        return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino) == self._identity

    def _open(self, path: str) -> int:
        """Open the file and return its descriptor, or that of stderr where it can't be opened."""
        before = (self._descriptor, self._identity)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            descriptor, is_new = logfile.open_regular_file(path)
            found = os.fstat(descriptor)
        except OSError as error:
            lastresort.say_once("stacks", f"stacks go to stderr, not to {path}: {readable(error)}")
            return _STDERR
        if path != self.path:
            self._discard_if_empty()
        self.path, self._made_it = path, is_new
        self._descriptor, self._identity = descriptor, (found.st_dev, found.st_ino)
        # faulthandler knows the file by its descriptor's number, which is free for others once that is closed.
        if self._shows_crashes:
            faulthandler.enable(descriptor)
        if self._armed is not None:
            self._stop()  # who called this sets it again
        if before[0] != descriptor:  # it was closed by others, and its number given to us again
            _close(*before)
        return descriptor

    def before_fork(self) -> None:
        """Stop the timer: in a child its thread would be missing, and faulthandler would wait for it for ever."""
        self._lock.acquire(timeout=_LONGEST_WAIT)
        if self._armed is not None:
            self._stop()

    def after_in_parent(self) -> None:
        """Set the timer again."""
        if self._deadlines:
            self._arm(self.path)
        with contextlib.suppress(RuntimeError):  # the wait was in vain
            self._lock.release()

    def after_in_child(self) -> None:
        """Forget the parent's calls and file; a crash is shown on stderr until the child asks for its own file."""
        self._lock = threading.RLock()
        self._deadlines.clear()
        self._armed = None
        if self._shows_crashes:
            faulthandler.enable(_STDERR)
        _close(self._descriptor, self._identity)
        self._descriptor, self._identity, self.path = -1, (-1, -1), ""

    def _discard_if_empty(self) -> None:
        """Delete the file if it was made here and has nothing in it."""
        with contextlib.suppress(OSError):
            if self._made_it and self._is_open(self.path) and not os.fstat(self._descriptor).st_size:
                os.unlink(self.path)

    def exit(self) -> None:
        """At the end of the process: leave no empty file beside a log in JSON (an empty log is left as it is)."""
        if self.path.endswith(ENDING):
            self._discard_if_empty()


def beside(log: str, *, is_text: bool) -> str:
    """Return where stacks go for a process whose log is at *log*: there, or beside it where it holds JSON."""
    return log if is_text else os.path.splitext(log)[0] + ENDING


def stacks() -> Stacks:
    """Return this process's stacks, the same for all loads of this package."""
    return only("stacks", Stacks, _begin)


def _begin(mine: Stacks) -> None:
    os.register_at_fork(
        before=mine.before_fork, after_in_parent=mine.after_in_parent, after_in_child=mine.after_in_child
    )
    atexit.register(mine.exit)


def before(timeout: float) -> float:
    """Return the seconds into a call at which its stacks are due: shortly before its timeout."""
    return timeout - min(_MARGIN, timeout / 10)


def _close(descriptor: int, identity: tuple[int, int]) -> None:
    with contextlib.suppress(OSError):
        found = os.fstat(descriptor)
        # The number may have become somebody else's file: that is not ours to close.
        if (found.st_dev, found.st_ino) == identity:
            os.close(descriptor)
