"""Which records are wanted: by level, logger, process, node, time, text, mini-batch.

Each filter is asked twice: of a file, by its path, and of a record, by its text, whose parts are only looked at where a
quicker look at the text lets them matter.
"""

from __future__ import annotations

import fnmatch
import re
from bisect import bisect_left, bisect_right
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from entry_script_helper.errors import UsageError
from entry_script_helper.logtree.stream import parsing, shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from entry_script_helper.logtree.activity.tries import Try
    from entry_script_helper.logtree.layouts import Place
    from entry_script_helper.logtree.stream.blocks import Block

    Test = Callable[[str, str], bool]
    """Says of a record, by its text and its key, whether it is wanted."""

WITHOUT_LEVEL = parsing.LEVELS["INFO"]
"""The level of a record that tells none, such as a printed line; with a traceback in it, it is an error."""

TRACEBACK = "Traceback (most recent call last)"

_SPAN = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", re.IGNORECASE)
_GLOB = re.compile(r"[*?\[]")
_LITERAL = re.compile(r"[A-Za-z0-9_ :=\"'/,;<>@#%&!~-]+")


class Filters(NamedTuple):
    """What is wanted; each field that is not empty must be met, each by one of its alternatives."""

    level: str = ""
    """The lowest level."""
    loggers: Sequence[str] = ()
    """Names of loggers, or patterns with ``*``, ``?`` and ``[...]``."""
    processes: Sequence[str] = ()
    """Names of processes, or patterns, or process ids."""
    nodes: Sequence[str] = ()
    """Nodes, or patterns."""
    since: str = ""
    """The first key."""
    until: str = ""
    """The last key."""
    greps: Sequence[re.Pattern[str]] = ()
    """Regular expressions, searched for in the whole record."""
    mini_batches: Sequence[str] = ()
    tries: Sequence[Try] = ()
    """The tries at these mini-batches."""

    def for_file(self, place: Place) -> FileFilter | None:
        """Return what is wanted of a file; None where that is nothing."""
        if self.nodes and place.node and not _fits(place.node, self.nodes):
            return None
        checks = [
            self._process_check(place),
            self._node_check(place),
            self._level_check(),
            self._logger_check(),
            *map(_grep_check, self.greps),
            self._mini_batch_check(place),
        ]
        if _NOTHING in checks:
            return None
        return FileFilter(self.since, self.until, [check for check in checks if check])

    def _process_check(self, place: Place) -> Check | None:
        names = self.processes
        if not names or _fits(place.process_name, names) or (place.process is not None and str(place.process) in names):
            return None
        numbers = tuple(name for name in names if name.isdigit())
        if place.process_name and not numbers:
            return _NOTHING
        needles = () if len(numbers) < len(names) else numbers

        def test(raw: str, _key: str) -> bool:
            parts = parsing.parts_of(raw)
            return str(parts.process) in numbers or (bool(parts.process_name) and _fits(parts.process_name, names))

        return _check(test, needles)

    def _node_check(self, place: Place) -> Check | None:
        if not self.nodes or place.node:
            return None
        return _check(lambda raw, _key: _fits(parsing.parts_of(raw).node, self.nodes), ('"node"',))

    def _level_check(self) -> Check | None:
        if not self.level:
            return None
        lowest = parsing.LEVELS[self.level]
        needles: tuple[str, ...] = ()
        if lowest > WITHOUT_LEVEL:
            high = [name for name in _LEVEL_WORDS if parsing.number_of_level(name) >= lowest]
            needles = (TRACEBACK, *high, "Level ", *(f'"{name}"' for name in parsing.LEVEL_NAMES))
        return _check(lambda raw, _key: level_of(raw) >= lowest, needles)

    def _logger_check(self) -> Check | None:
        if not self.loggers:
            return None
        needles = () if any(map(_GLOB.search, self.loggers)) else tuple(self.loggers)
        return _check(lambda raw, _key: _fits(_logger_of(raw), self.loggers), _ascii(needles))

    def _mini_batch_check(self, place: Place) -> Check | None:
        if not self.mini_batches:
            return None
        names = "|".join(map(re.escape, self.mini_batches))
        named = re.compile(
            rf"""(?:\b(?:mini_?batch|mini-batch|task|mini_?batch_?(?:id|index)|task_?id)["']?(?:\s*[=:]\s*|\s+)["']?)"""
            rf"(?:{names})(?![\w.-]*\w)",
            re.IGNORECASE,
        ).search
        spans = [_Span.of(found) for found in self.tries if _can_be_of(found, place)]

        def test(raw: str, key: str) -> bool:
            return any(span.holds(raw, key) for span in spans) or named(raw) is not None

        return _check(test, () if spans else _ascii(tuple(self.mini_batches)))


class Check(NamedTuple):
    """One question to a record."""

    test: Test
    may_be: Callable[[str], object] | None
    """A quick look at a record's text: without a result, the test would fail."""
    may_hold: Callable[[bytes], object] | None
    """The same of a whole block."""


class FileFilter(NamedTuple):
    """What is wanted of one file."""

    since: str
    until: str
    checks: Sequence[Check]

    def positions(self, block: Block, records: Sequence[str], keys: Sequence[str]) -> Sequence[int]:
        """Return the indices of the records that are wanted."""
        first = bisect_left(keys, self.since) if self.since else 0
        end = bisect_right(keys, self.until) if self.until else len(keys)
        found: Sequence[int] = range(first, end)
        for check in self.checks:
            if not found or (check.may_hold and not check.may_hold(block.data)):
                return ()
            if check.may_be:
                found = [at for at in found if check.may_be(records[at])]
            found = [at for at in found if check.test(records[at], keys[at])]
        return found


def _check(test: Test, needles: tuple[str, ...]) -> Check:
    if not needles:
        return Check(test, None, None)
    pattern = "|".join(map(re.escape, needles))
    return Check(test, re.compile(pattern).search, re.compile(pattern.encode()).search)


class _Span(NamedTuple):
    """A time in which a process worked on a mini-batch."""

    process: int | None
    first: str
    last: str

    @classmethod
    def of(cls, found: Try) -> _Span:
        first = _LAST if found.start is None else shapes.key_of_seconds(found.start)
        last = _LAST if found.end is None else shapes.key_of_seconds(found.end)
        if found.start is not None and found.start.is_integer() and last.endswith(",000000"):  # told in whole seconds
            last = f"{last[:-6]}999999"
        return cls(found.process, first[:-3], f"{last[:-3]}999")

    def holds(self, raw: str, key: str) -> bool:
        if not self.first <= key <= self.last:
            return False
        process = parsing.parts_of(raw).process if self.process is not None else None
        return process is None or process == self.process


_LEVEL_WORDS = (*parsing.LEVELS, *parsing.OTHER_NAMES)
_LAST = "9999-12-31 23:59:59,999999"
_NOTHING = Check(lambda _raw, _key: False, None, None)


def level_of(raw: str) -> int:
    """Return a record's level as a number, `WITHOUT_LEVEL` where it tells none."""
    level = parsing.parts_of(raw).level
    if level:
        return parsing.number_of_level(level)
    return parsing.LEVELS["ERROR"] if TRACEBACK in raw else WITHOUT_LEVEL


def level(text: str) -> str:
    """Return a level's name.

    Raises:
        UsageError: There is no such level.
    """
    name = parsing.OTHER_NAMES.get(text.upper(), text.upper())
    if name not in parsing.LEVELS:
        raise UsageError(f"{text!r} is no level: give {', '.join(parsing.LEVELS)}")
    return name


def expression(text: str) -> re.Pattern[str]:
    """Return a regular expression, in which ``^`` and ``$`` are a line's.

    Raises:
        UsageError: It is none.
    """
    try:
        return re.compile(text, re.MULTILINE)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"{text!r} is no regular expression: {error}") from error


def moment(text: str, last: Callable[[], str]) -> str:
    """Return the key of a time that a user gave.

    Args:
        text: By ISO 8601, in UTC if it has no offset, or a span such as ``90s``, ``10m``, ``1h30m`` or ``2d``, which is
            counted back from the last record.
        last: Returns the last record's key.

    Raises:
        UsageError: It is neither.
    """
    span = _SPAN.fullmatch(text)
    if span and text:
        days, hours, minutes, seconds = (int(number or 0) for number in span.groups())
        end = shapes.moment_of(last())
        try:
            return shapes.key_of_moment(end - timedelta(days, seconds, 0, 0, minutes, hours)) if end else shapes.NO_TIME
        except OverflowError:
            return shapes.NO_TIME
    try:
        if shapes.after_time(text) == len(text):  # what fromisoformat() takes differs between Pythons
            given = shapes.moment_of(shapes.key_of(text))
        else:
            text = re.sub(r"(:\d\d)[.,](\d{1,6})\d*", lambda found: f"{found[1]}.{found[2]:0<6}", text)
            given = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text))
        return shapes.key_of_moment(given or datetime.fromisoformat(""))
    except (ValueError, OverflowError):
        examples = "one such as 2026-01-31T10:00:00, or a span such as 10m or 2h"
        raise UsageError(f"{text!r} is no time: give {examples}") from None


def earliest(key: str) -> str:
    """Return the key that comes before all of the same time, also those with fewer digits."""
    return key[:19] + key[19:].rstrip("0").rstrip(",")


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _ascii(needles: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a record's raw text must hold one of: none where it may stand there in more ways than one."""
    return needles if all(_LITERAL.fullmatch(needle) for needle in needles) else ()


def _logger_of(raw: str) -> str:
    parts = parsing.parts_of(raw)
    return parts.logger if parts.is_json else parsing.text_of(parts.logger)


def _grep_check(pattern: re.Pattern[str]) -> Check:
    search = pattern.search
    needles = (pattern.pattern,) if _LITERAL.fullmatch(pattern.pattern) else ()
    return _check(lambda raw, _key: search(parsing.text_of(raw)) is not None, needles)


def _can_be_of(found: Try, place: Place) -> bool:
    """Tell whether a file's records can be of the process that this try was in."""
    if found.node and place.node and found.node != place.node:
        return False
    if found.process is not None and place.process is not None:
        return found.process == place.process
    return bool(place.process_name) and found.process_name in ("", place.process_name)
