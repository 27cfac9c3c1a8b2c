"""How records begin and where their time stands, told by looking: our formats and those of other eras and loggers.

Text here is bytes decoded as Latin-1, a character for each byte: quick to make, to compare and to turn back.

A *key* is a time as text that sorts: ``2026-01-31 10:00:00``, with ``,123`` or ``,123456`` behind it as precise as the
record has it, in UTC. A time with fewer digits comes before the same with more.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NO_TIME = ""
"""The key of what has no time: before all others."""

_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}"
_DAY = r"[0-9]{4}(?:-[0-9]{2}-|/[0-9]{2}/)[0-9]{2}"
_EPOCH = r"1[4-9][0-9]{8}(?:[0-9]{3}|\.[0-9]{1,9})?"
_BEGINNING = rf'\[?{_DAY}[ T]{_CLOCK}|\{{"|\[?{_EPOCH}[ \t|,;:\]]'

BEGINNING = re.compile(_BEGINNING)
"""What a record's first line begins with: a time, or ``{"``. What has matched also matches with more text behind it."""
BYTES_BEGINNING = re.compile(_BEGINNING.encode())
"""`BEGINNING` for bytes."""
NEXT_RECORD = re.compile(rf"\n(?={_BEGINNING})")
"""The newline before a record."""
NEXT_RECORD_IN_BYTES = re.compile(rf"\n(?={_BEGINNING})".encode())
"""`NEXT_RECORD` for bytes."""

TIME_NAMES = ("timestamp", "@timestamp", "asctime", "time", "ts", "datetime", "date")
"""Under which names loggers of JSON write the time, the likeliest first."""

_TIME = re.compile(
    rf"\[?({_DAY})[ T]({_CLOCK})"
    r"(?:,([0-9]{3})|(?:\.([0-9]{1,9}))?(?:[Zz]|UTC|([+-][0-9]{2}:?[0-9]{2})(?![0-9]))?)"
)
_SECONDS = re.compile(rf"\[?({_EPOCH})(?=[ \t|,;:\]]|$)")
_NAMED_TIME = re.compile(
    rf'(?<!\\)"({"|".join(TIME_NAMES)})": ?(?:"({_DAY}[ T]{_CLOCK}[^"\\]{{0,20}})"|({_EPOCH})(?![0-9.]))'
)

_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_TO_KEY = bytes.maketrans(b"T.", b" ,")


class Shape(NamedTuple):
    """Where the time stands in records that are all alike, so that many are looked at with few steps.

    Args:
        template: What each begins with, where every digit is written as 0.
        begin: Where the key begins in it.
        end: Where the key ends in it.
        take: Takes from a record what is compared with the template.
    """

    template: bytes
    begin: int
    end: int
    take: Callable[[str], str]

    def keys(self, records: Sequence[str]) -> list[str] | None:
        """Return the key of each, or None where one of them is not of this shape."""
        taken = list(map(self.take, records))
        joined = "".join(taken).encode("latin-1")
        width = len(self.template)
        if len(joined) != width * len(taken) or joined.translate(_DIGITS) != self.template * len(taken):
            return None
        if (self.begin, self.end) == (0, width):
            return taken
        times = joined.translate(_TO_KEY).decode("latin-1")
        return [times[at + self.begin : at + self.end] for at in range(0, len(times), width)]


def _shape(before: str, time: str, after: str = "") -> Shape:
    template = f"{before}{time}{after}"
    begin = len(before)
    return Shape(template.encode(), begin, begin + len(time), itemgetter(slice(len(template))))


OURS = _shape("", "0000-00-00 00:00:00,000")
"""The helper's text, the simulator's lines, the service's lines, and what else ``logging`` writes by default."""

_SHAPES = (
    OURS,
    _shape('{"timestamp": "', "0000-00-00T00:00:00.000000", 'Z"'),
    _shape("", "0000-00-00T00:00:00.000000", " "),
    _shape("[", "0000-00-00T00:00:00.000000", "] "),
    _shape('{"asctime": "', "0000-00-00 00:00:00,000", '"'),
    _shape('{"timestamp": "', "0000-00-00T00:00:00.000000", '+00:00"'),
)
_LONGEST_TEMPLATE = max(len(shape.template) for shape in _SHAPES)


def shape_of(record: str) -> Shape:
    """Return the shape that fits this record, or another one that doesn't."""
    head = record[:_LONGEST_TEMPLATE].encode("latin-1").translate(_DIGITS)
    for shape in _SHAPES:
        if head.startswith(shape.template):
            return shape
    return OURS


def key_of(record: str) -> str:
    """Return the key of a single record of any shape; `NO_TIME` where no time is found."""
    match = _TIME.match(record)
    if match:
        return _key_of_time(match)
    if record.startswith('{"'):
        return _key_in_json(record)
    match = _SECONDS.match(record)
    return _key_of_digits(match.group(1)) if match else NO_TIME


def after_time(record: str) -> int:
    """Return where the time that a line of text begins with ends, with its bracket; 0 where it begins with none."""
    match = _TIME.match(record) or _SECONDS.match(record)
    if not match:
        return 0
    return match.end() + (record[0] == "[" and record[match.end() : match.end() + 1] == "]")


def key_of_moment(moment: datetime) -> str:
    """Return the key of a time, to the microsecond; without a time zone it is taken for UTC."""
    if moment.tzinfo:
        moment = moment.astimezone(timezone.utc).replace(tzinfo=None)
    return moment.isoformat(" ", "microseconds").replace(".", ",")


def key_of_seconds(seconds: float) -> str:
    """Return the key of a time in seconds since the epoch; `NO_TIME` of one that no calendar has."""
    try:
        return key_of_moment(datetime.fromtimestamp(seconds, timezone.utc))
    except (OSError, OverflowError, ValueError):
        return NO_TIME


def moment_of(key: str) -> datetime | None:
    """Return a key's time in UTC; None where it has none, or one that no calendar has."""
    try:
        moment = datetime.fromisoformat(key[:19])
    except ValueError:
        return None
    return moment.replace(microsecond=int(key[20:26].ljust(6, "0")), tzinfo=timezone.utc)


def _key_of_time(match: re.Match[str]) -> str:
    day, clock, milliseconds, fraction, offset = match.groups()
    key = f"{day.replace('/', '-')} {clock}"
    if offset:
        key = _in_utc(key, offset)
    digits = milliseconds or (fraction or "")[:6]
    return f"{key},{digits}" if digits else key


def _in_utc(key: str, offset: str) -> str:
    minutes = int(offset[1:3]) * 60 + int(offset[-2:])
    try:
        moment = datetime.fromisoformat(key) - timedelta(minutes=-minutes if offset[0] == "-" else minutes)
    except (ValueError, OverflowError):  # no such day, or beyond the calendar: as it is written
        return key
    return moment.isoformat(" ")


def _key_of_digits(text: str) -> str:
    whole, _, fraction = text.partition(".")
    if not fraction and len(whole) > len("1400000000"):
        whole, fraction = whole[:-3], whole[-3:]
    moment = datetime.fromtimestamp(int(whole), timezone.utc).replace(tzinfo=None)
    return moment.isoformat(" ") + (f",{fraction[:6]}" if fraction else "")


def _key_in_json(record: str) -> str:
    """Return the key of an object: its first member's, the only one that looks like a time, or the likeliest name's."""
    matches = list(_NAMED_TIME.finditer(record))
    if len(matches) > 1 and matches[0].start() > 1:
        key = _key_at_the_top(record)
        if key:
            return key
    if not matches:
        return NO_TIME
    _name, text, seconds = matches[0].groups()
    return key_of(text) if text else _key_of_digits(seconds)


def _key_at_the_top(record: str) -> str:
    """Return the key of a member of the object itself, not of one within it; `NO_TIME` where the JSON is broken."""
    try:
        members = json.loads(record)
    except (ValueError, RecursionError):
        return NO_TIME
    values = [members[name] for name in TIME_NAMES if name in members] if isinstance(members, dict) else []
    return next(filter(None, (key_of(str(value)) for value in values)), NO_TIME)
