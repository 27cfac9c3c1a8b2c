"""Repeats of a record beyond a rate are dropped and counted, and the counts are told: none is dropped in silence.

Two records are alike that have the same logger, level and message before its arguments are put in (of structlog's:
the same event) and, where there is an exception, one of the same type from the same line. The records that are
written, and the numbers that are told, add up to what was logged.
"""

from __future__ import annotations

import logging
import sys
import weakref
from collections import namedtuple
from time import monotonic

from entry_script_helper.errors import UsageError
from entry_script_helper.jsontext import readable
from entry_script_helper.turn import Turn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS = 60

MOST_KINDS = 1000
"""Messages that are watched at a time; of more, that which began longest ago is forgotten, and is new when it comes."""

LONGEST = 1000
"""Characters of a message that is kept, to be named with its count; of a longer one only the length is told.

It is not cut: the half of a secret doesn't look like one.
"""

_FIRST_TOLD = 10


class Rate(namedtuple("Rate", ["most", "seconds"])):  # noqa: PYI024 - environment.Choice says why
    """How many records that are alike are written in which time.

    Attributes:
        most: How many.
        seconds: The time, from the first of them on.
    """

    __slots__ = ()

    most: int
    seconds: float

    def limiter(self, write: Callable[[logging.LogRecord], object]) -> RateLimit:
        """Return what keeps to this rate.

        Args:
            write: Writes a record that tells a count.
        """
        return RateLimit(self, write)


def chosen(rate_limit: object) -> Rate:
    """Return the rate, as `EntryScriptHelper.config` was asked.

    Args:
        rate_limit: How many records in 60 seconds; or a pair, how many records in how many seconds.

    Raises:
        UsageError: It can't be meant.
    """
    pair = rate_limit if isinstance(rate_limit, (tuple, list)) else (rate_limit, _SECONDS)
    if len(pair) == 2 and type(pair[0]) is int and pair[0] > 0:  # noqa: PLR2004 - a pair has two
        most, seconds = pair
        if type(seconds) in (int, float) and 0 < seconds < float("inf"):
            return Rate(most, seconds)
    raise UsageError(
        f"rate_limit: {readable(rate_limit)} is no rate; use how many like records are written in 60 seconds, "
        "as in 5, or in how many seconds, as in (5, 10)"
    )


class _Repeats:
    """The records of one kind, from the first that was written until its time is over."""

    __slots__ = ("dropped", "end", "shown", "since", "source", "tell_at", "untold", "written")

    def __init__(self, record: logging.LogRecord, shown: str, now: float, end: float) -> None:
        self.source = (record.name, record.levelno, record.pathname, record.lineno, record.funcName)
        self.shown = shown
        self.since = now
        self.end = end
        self.written = 1
        self.dropped = self.untold = 0
        self.tell_at = _FIRST_TOLD

    def told(self, now: float) -> _Told:
        """Return a record that tells how many were dropped since the last one that told it."""
        name, level, path, line, function = self.source
        seconds = max(1, round(now - self.since))
        text = f"{self.untold} more like this in the last {seconds} s: {self.shown}"
        record = _Told(name, level, path, line, text, None, None, function)
        record.repeats = self.untold
        self.untold, self.since = 0, now
        return record


class _Told(logging.LogRecord):
    """A record that tells a count."""

    repeats: int


class RateLimit:
    """Tells which records are to be written, and writes how many were not.

    A count is told once the time is over, with the next record of any kind; when 10, 100, 1,000 and so on were
    dropped, so that a process that is killed has told the most of it; and at the end of the process.

    Args:
        rate: How many records that are alike are written in which time.
        write: Writes a record that tells a count.
    """

    def __init__(self, rate: Rate, write: Callable[[logging.LogRecord], object]) -> None:
        self.rate = rate
        self._write = write
        self.forget()

    def forget(self) -> None:
        """Begin anew; this is a forked child, and what was counted is its parent's to tell."""
        self._turn = Turn()
        self._is_busy = self._is_over = self._is_registered = False
        # By the time at which they begin, and so by that at which they end.
        self._kinds: dict[object, _Repeats] = {}

    def admits(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is to be written, or else count it."""
        if type(record) is _Told:
            return True
        try:
            kind, shown = _kind(record)
            hash(kind)
        except Exception:  # noqa: BLE001 - a record that somebody made up, or no room on the stack: it is no repeat
            return True
        told: list[_Told] = []
        with self._turn:
            if self._is_busy or self._is_over:  # busy: a signal handler's record, in the midst of another
                return True
            self._is_busy = True
            try:
                is_admitted = self._count(record, kind, shown, told)
            finally:
                self._is_busy = False
        for count in told:
            self._write(count)
        return is_admitted

    def end(self) -> None:
        """Tell what was dropped, and drop nothing from now on."""
        with self._turn:
            self._is_over = True
            now = monotonic()
            told = [repeats.told(now) for repeats in list(self._kinds.values()) if repeats.untold]
        for count in told:
            self._write(count)

    def tell(self) -> None:
        """Tell what was dropped until now."""
        was_over = self._is_over
        self.end()
        self._is_over = was_over

    def _count(self, record: logging.LogRecord, kind: object, shown: str, told: list[_Told]) -> bool:
        now = monotonic()
        kinds = self._kinds
        while kinds:
            oldest = next(iter(kinds))
            is_over = kinds[oldest].end <= now
            if not is_over and (kind in kinds or len(kinds) < MOST_KINDS):
                break
            repeats = kinds.pop(oldest)
            if repeats.untold:
                told.append(repeats.told(now))
        known = kinds.get(kind)
        if known is None:
            kinds[kind] = _Repeats(record, shown, now, now + self.rate.seconds)
            return True
        if known.written < self.rate.most:
            known.written += 1
            return True
        known.dropped += 1
        known.untold += 1
        if known.dropped == known.tell_at:
            known.tell_at *= 10
            told.append(known.told(now))
        self._see_to_the_end()
        return False

    def _see_to_the_end(self) -> None:
        # At the end of a process that multiprocessing started, functions that run at exit are not called, but these.
        if not self._is_registered:
            # By name: the module may be half imported.
            finalize = getattr(sys.modules.get("multiprocessing.util"), "Finalize", None)
            if finalize is not None:
                finalize(None, _end, args=(weakref.ref(self),), exitpriority=-1)
                self._is_registered = True


def _end(limit: weakref.ref[RateLimit]) -> None:
    found = limit()
    if found is not None:
        found.end()


def _kind(record: logging.LogRecord) -> tuple[object, str]:
    """Return what a record has in common with those that are like it, and its message as it is told."""
    message = record.msg if type(record.msg) is str else readable(record.msg)
    shown = message
    if len(message) > LONGEST:
        shown = f"(a message of {len(message)} characters)"
        return (record.name, record.levelno, len(message), hash(message), _raised(record.exc_info)), shown
    return (record.name, record.levelno, message, _raised(record.exc_info)), shown


def _raised(exc_info: object) -> tuple[object, ...]:
    """Return the type of an exception, and where it was raised."""
    if not isinstance(exc_info, tuple) or exc_info[0] is None:
        return ()
    traceback = exc_info[2]
    if traceback is None:
        return (repr(exc_info[0]),)
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return (repr(exc_info[0]), traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)
