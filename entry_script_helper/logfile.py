"""One file of one process: claimed, appended to by one write() a record, and never given up on.

An acknowledged record has reached the kernel, since nothing is buffered in this process. What can't be written
now waits, in order and in bounds, and is written as soon as it can be. A file that another live process holds is
left to it: a lock on one byte far behind the end tells (an open file description lock, so that neither a close
elsewhere in the process nor a fork loses it; of that one byte, since locks on SMB shares keep others from reading).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import sys
from _thread import get_ident
from collections import deque
from time import sleep, time

from entry_script_helper.turn import Turn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MOST_WAITING_RECORDS = 10_000
MOST_WAITING_BYTES = 16 * 1024 * 1024

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_MODE = 0o640
# This path can't be our file, but a path beside it can: a link, a directory, a FIFO, somebody else's file.
_UNFIT = {errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EACCES, errno.EPERM, errno.ENODEV, errno.EINVAL}
_MOST_CANDIDATES = 20
# In a burst of more records than this, each less than this many seconds behind the one before, the path is looked at
# once in that time: the look takes twice as long as the write.
_BURST = 20
PAUSE = 0.001
# Seconds in which a write of another process to a file that is shared is done.
_WRITE = 0.01
_MOST_LOOKS = 10
_HIGH = 512

# Elsewhere the structure below is another one, and the whole file is locked.
_LOCKS_A_BYTE = sys.platform.startswith("linux")
# struct flock of Linux: type, whence, padding, start, length, process id, padding.
_FAR_BYTE = b"".join(
    number.to_bytes(size, sys.byteorder)
    for number, size in ((fcntl.F_WRLCK, 2), (os.SEEK_SET, 2), (0, 4), (1 << 62, 8), (1, 8), (0, 4), (0, 4))
)


class LogFile:
    """A file that this process appends records to.

    Args:
        path: The path that is wanted, absolute.
        claimed: True to hold the file for this process alone and to take ``<name>.<process id>.<ending>`` where
            another live process holds it already; False to use *path* as it is, shared or not.
        report: Makes a line in the file's format from a text, to say how many records were dropped.
    """

    def __init__(self, path: str, *, claimed: bool, report: Callable[[str], bytes]) -> None:
        self.wanted = path
        self.path = path
        self.trouble: OSError | None = None
        self._claimed = claimed
        self._report = report
        self.descriptor = -1
        self._inode = self._device = -1
        self._torn = False
        self._streak = 0
        self.looked_at = self.steady_until = 0.0
        self._size_at_look = 0
        self._is_unlooked = False
        self._recovered = b""
        self.turn = Turn()
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._dropped = 0
        self._busy = False

    @property
    def in_use(self) -> bool:
        """Whether the file is open."""
        return self.descriptor >= 0

    def open(self) -> None:
        """Open the file now, so that it is there before the first record.

        Raises:
            OSError: It can't be opened; `write` will try again.
        """
        with self.turn:
            if not self._busy and not self._is_open():
                self._open()

    def write(self, data: bytes) -> bool:
        """Append one record, whole.

        Returns:
            True if it has reached the kernel; False if it waits (or was dropped: too many wait), and `trouble`
            says why.
        """
        thread = get_ident()
        owner = self.turn.owner
        if owner.setdefault(None, thread) is not thread:
            with self.turn:
                return self.go_on(data)
        try:
            written = 0
            # A clock that was put back ends a burst.
            if self.looked_at <= time() < self.steady_until:
                try:
                    written = os.write(self.descriptor, data)
                except OSError:  # it comes again below, where it is dealt with
                    pass
                else:
                    if written == len(data):
                        return True
            return self.go_on(data, written)
        finally:
            owner.clear()

    def go_on(self, data: bytes, written: int = 0) -> bool:
        """Append a record of which so many bytes are written, in this thread's turn; return what `write` does."""
        self.steady_until = 0.0
        if self._busy:  # this is a signal handler's record: the write that it broke into goes on with it
            self._keep(data)
            return True
        if (not (self._waiting or self._dropped) or self._drain()) and self._append(data, written):
            if self._streak > _BURST and not self._waiting:
                self._is_unlooked = True
                self.steady_until = self.looked_at + PAUSE
            return not self._waiting or self._drain()
        self._keep(data)
        return False

    def drain(self) -> int:
        """Try once more to write what waits; return how many records were not written, now or ever."""
        with self.turn:
            if not self._busy:
                self.steady_until = 0.0  # what comes next must look too: this look is not the burst's last
                if self._is_unlooked:
                    self._append(b"")
                self._drain()
            return len(self._waiting) + self._dropped

    def close(self) -> None:
        """Write what waits if that is possible, and give the file back; a later `write` opens it again."""
        with self.turn:
            self.drain()
            self._release()

    def abandon(self) -> None:
        """Forget everything without writing: this is a forked child, and all of it is its parent's."""
        self.turn = Turn()
        self._is_unlooked = False
        self._recovered = b""
        self._release()
        self._waiting.clear()
        self._waiting_bytes = self._dropped = 0
        self._busy = False

    def _drain(self) -> bool:
        while self._waiting:
            data = self._waiting.popleft()
            self._waiting_bytes -= len(data)
            if not self._append(data):
                self._waiting.appendleft(data)
                self._waiting_bytes += len(data)
                return False
        if self._dropped:
            text = f"{self._dropped} records were dropped here: the file could not be written and too many waited"
            if not self._append(self._report(text)):
                return False
            self._dropped = 0
        return True

    def _keep(self, data: bytes) -> None:
        if len(self._waiting) >= MOST_WAITING_RECORDS or self._waiting_bytes >= MOST_WAITING_BYTES:
            self._dropped += 1
            return
        self._waiting.append(data)
        self._waiting_bytes += len(data)

    def _append(self, data: bytes, written: int = 0) -> bool:
        whole = data
        try:
            if not written:
                if not self._is_open():
                    self._open()
                if self._torn or self._recovered:
                    whole = self._recovered + (b"\n" if self._torn else b"") + data
                written = os.write(self.descriptor, whole)
            if written != len(whole):
                self._finish(whole, written)
        except OSError as error:
            self.trouble = error
            if error.errno == errno.EBADF and self._inode >= 0:
                self._inode = -1  # somebody closed all descriptors: this one has to be opened again
                return self._append(data)
            return False
        if self._torn or self._recovered:
            self._torn, self._recovered = False, b""
        return True

    def _finish(self, data: bytes, written: int) -> None:
        """Write the rest of a record of which a part was written; take that part back where the rest won't go."""
        self._busy = True  # what a signal handler logs now would stand in the midst of this record
        self.steady_until = 0.0
        try:
            while written < len(data):
                written += os.write(self.descriptor, data[written:])
        except OSError:
            end = os.lseek(self.descriptor, 0, os.SEEK_CUR)
            # Nothing came behind the part, so that taking it back takes nobody else's record.
            if os.fstat(self.descriptor).st_size == end:
                os.ftruncate(self.descriptor, end - written)
            else:
                self._torn = True
            raise
        finally:
            self._busy = False

    def _is_open(self) -> bool:
        """Tell whether the file is open and the path still leads to it.

        It may have been deleted, renamed or replaced (logrotate), or a directory above it.
        """
        now = time()
        # Between two looks in a burst lies no more than the pause and the time to the next record.
        self._streak = self._streak + 1 if self.looked_at <= now < self.looked_at + 2 * PAUSE else 0
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        if found.st_ino != self._inode or found.st_dev != self._device:
            return False
        self.looked_at = now
        self._size_at_look = found.st_size
        self._is_unlooked = False
        return True

    def _open(self) -> None:
        self._busy = True  # a signal handler that logs now would claim the file against us
        try:
            self._claim_and_open()
        finally:
            self._busy = False

    def _claim_and_open(self) -> None:
        self._release()
        os.makedirs(os.path.dirname(self.wanted), exist_ok=True)
        for candidate in self._candidates():
            try:
                descriptor, is_new = open_regular_file(candidate)
            except OSError as error:
                if error.errno not in _UNFIT:
                    raise
                refused = error
                continue
            if not self._claimed or claim(descriptor, is_new=is_new):
                break
            refused = BlockingIOError(errno.EAGAIN, "another process holds it", candidate)
            os.close(descriptor)
        else:
            raise refused
        found = os.fstat(descriptor)
        self.path = candidate
        self.descriptor = descriptor
        self._inode, self._device = found.st_ino, found.st_dev
        self._torn = ends_within_a_line(descriptor)

    def _candidates(self) -> Iterable[str]:
        return candidates(self.wanted) if self._claimed else [self.wanted]

    def _release(self) -> None:
        self.steady_until = 0.0
        descriptor, self.descriptor = self.descriptor, -1
        with contextlib.suppress(OSError):
            found = os.fstat(descriptor)
            # The number may have become somebody else's file: that is not ours to close.
            if (found.st_ino, found.st_dev) == (self._inode, self._device):
                if self._is_unlooked and found.st_nlink == 0:
                    # Deleted during a burst: what it holds since the last look goes to the file that comes next.
                    length = found.st_size - self._size_at_look
                    self._recovered += os.pread(descriptor, length, self._size_at_look)
                os.close(descriptor)
        self._inode = self._device = -1
        self._is_unlooked = False


def open_regular_file(path: str) -> tuple[int, bool]:
    """Open a regular file for appending, made if missing, without following a link or waiting for a FIFO.

    Returns:
        The descriptor, above those of the standard streams, and whether the file is new.

    Raises:
        OSError: It can't be opened, or is something else than a regular file.
    """
    try:
        descriptor, is_new = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, _MODE), True
    except FileExistsError:
        descriptor, is_new = os.open(path, _FLAGS, _MODE), False
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return move_up(descriptor), is_new


def ends_within_a_line(descriptor: int) -> bool:
    """Tell whether a process died within the last line of a file."""
    size = -1
    for _ in range(_MOST_LOOKS):
        before, size = size, os.fstat(descriptor).st_size
        if size == 0 or os.pread(descriptor, 1, size - 1) == b"\n":
            return False
        if size == before:
            break
        sleep(_WRITE)  # a live one may be writing that line: a file that is shared grows page by page
    return True


def move_up(descriptor: int) -> int:
    """Return a descriptor for the same file with a number that nobody else is going to get.

    A closed standard stream leaves its number free: what is printed there would land in the log. And a daemon that
    closes all descriptors opens its own files at the lowest numbers: what is logged would land in those.
    """
    for lowest in (_HIGH, 3):
        try:
            moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, lowest)
        except OSError:  # the limit is lower, or all are taken
            continue
        os.close(descriptor)
        return moved
    return descriptor


def free_path(path: str) -> str:
    """Return the path that a claim of *path* would get now, making nothing."""
    return first_free(candidates(path)) or path


def first_free(paths: Iterable[str]) -> str | None:
    """Return the first of some paths that could be claimed now, making nothing; None if none could."""
    for path in paths:
        try:
            descriptor = os.open(path, _FLAGS)
        except FileNotFoundError:
            return path
        except OSError:
            continue
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode) and claim(descriptor, is_new=False):
                return path
        finally:
            os.close(descriptor)
    return None


def candidates(path: str) -> Iterator[str]:
    """Yield *path*, then the paths to take in its place where it is held, by this process's id."""
    yield path
    stem, ending = os.path.splitext(path)
    yield f"{stem}.{os.getpid()}{ending}"
    for number in range(2, _MOST_CANDIDATES):
        yield f"{stem}.{os.getpid()}.{number}{ending}"


def claim(descriptor: int, *, is_new: bool) -> bool:
    """Hold a file for as long as its descriptor is open; False if another process holds it.

    Where the file system has no locks, a file is ours if we made it.
    """
    try:
        if _LOCKS_A_BYTE:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _FAR_BYTE)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return is_new and error.errno not in (errno.EAGAIN, errno.EACCES)
    return True
