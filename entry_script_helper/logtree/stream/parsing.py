"""A record's text as its parts, in the formats of every era.

Lines of text: ``time|logger|LEVEL|process|thread|function()|message`` and the shorter ones of the service and of the
simulator, ``time - logger - LEVEL - message`` and ``time LEVEL message`` of other loggers, a time and a message. A
line of JSON is an object of ours, of structlog's or of python-json-logger's; a broken one is a message like any other.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from entry_script_helper.logtree.stream import shapes
from entry_script_helper.logtree.stream.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from entry_script_helper.logtree.layouts import Place

LEVELS = {"TRACE": 5, "DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
"""Levels by name, the names as records have them."""
OTHER_NAMES = {"WARN": "WARNING", "FATAL": "CRITICAL", "EXCEPTION": "ERROR", "NOTICE": "INFO"}
"""What other loggers call them."""

_ANY_LEVEL = "|".join([*LEVELS, *OTHER_NAMES])
_FULL = re.compile(r"\|([^|\n]*)\|([^|\n]+)\|([0-9]{1,20})\|([0-9]{1,20})\|([^|\n]*)\(\)\|")
_SHORT = re.compile(r"\|(?:([^|\n]*)\|)?([A-Z][A-Za-z0-9 _]*)\|([0-9]{1,20})\|(?:([0-9]{6,20})\|)?")
_DASHES = re.compile(rf" - ([^\n]{{1,200}}?) - ({_ANY_LEVEL}) - ")
_WORD = re.compile(rf"[ |]*[\[(]?({_ANY_LEVEL})\b[\])]?[ :|-]*")

LEVEL_NAMES = ("level", "levelname", "severity", "log_level", "level_name")
_LOGGER_NAMES = ("logger", "name", "logger_name")
_MESSAGE_NAMES = ("event", "message", "msg")
_PROCESS_NAMES = ("process", "pid", "process_id")
_PROCESS_NAME_NAMES = ("process_name", "processName")
_THREAD_NAMES = ("thread", "thread_id")
_FUNCTION_NAMES = ("func_name", "funcName", "function")


class Parts(NamedTuple):
    """What a record says of itself. What it doesn't say is empty or None."""

    level: str = ""
    logger: str = ""
    process: int | None = None
    thread: int | None = None
    function: str = ""
    message: str = ""
    """As it stands, further lines with their tab; Latin-1 as the record's text, but of JSON real text."""
    process_name: str = ""
    node: str = ""
    extras: Mapping[str, object] = {}
    is_json: bool = False


def text_of(raw: str) -> str:
    r"""Return Latin-1 text as what its bytes say in UTF-8; those that are no UTF-8 as ``\xff``."""
    return raw if raw.isascii() else raw.encode("latin-1").decode("utf-8", "backslashreplace")


def parts_of(raw: str) -> Parts:
    """Return what a record, given as Latin-1 text, says of itself. Any text can be given."""
    if raw.startswith('{"'):
        members = _members(raw)
        if members is not None:
            return _parts_of_members(members)
    at = shapes.after_time(raw)
    if not at:
        return Parts(message=raw)
    return _full(raw, at) or _short(raw, at) or _of_other_loggers(raw, at)


def parse(raw: str, *, path: str, offset: int, place: Place, key: str) -> Record:
    """Return a record as an object.

    Args:
        raw: Its text as `blocks.Block.records` gives it.
        path: The file's path.
        offset: Where it begins in the file.
        place: What the path tells, for what the record doesn't.
        key: What it takes the time of, where it has none itself; `shapes.NO_TIME` for no time.
    """
    parts = parts_of(raw)
    message = parts.message
    if not parts.is_json:
        message = text_of(message).replace("\r\n", "\n").replace("\n\t", "\n")
        message = message.removesuffix("\r")
    return Record(
        path=path,
        offset=offset,
        raw=text_of(raw),
        time=shapes.moment_of(shapes.key_of(raw)) or shapes.moment_of(key),
        level=parts.level,
        logger=text_of(parts.logger) if not parts.is_json else parts.logger,
        message=message,
        process=parts.process if parts.process is not None else place.process,
        process_name=parts.process_name or place.process_name,
        node=parts.node or place.node,
        thread=parts.thread,
        function=text_of(parts.function) if not parts.is_json else parts.function,
        extras=parts.extras,
    )


def _full(raw: str, at: int) -> Parts | None:
    match = _FULL.match(raw, at)
    if not match:
        return None
    logger, level, process, thread, function = match.groups()
    return Parts(_level(level), logger, int(process), int(thread), function, raw[match.end() :])


def _short(raw: str, at: int) -> Parts | None:
    match = _SHORT.match(raw, at)
    if not match:
        return None
    logger, level, process, thread = match.groups()
    return Parts(_level(level), logger or "", int(process), int(thread) if thread else None, "", raw[match.end() :])


def _of_other_loggers(raw: str, at: int) -> Parts:
    match = _DASHES.match(raw, at)
    if match:
        return Parts(_level(match.group(2)), match.group(1), message=raw[match.end() :])
    match = _WORD.match(raw, at)
    if match:
        return Parts(_level(match.group(1)), message=raw[match.end() :])
    return Parts(message=raw[at:].lstrip(" |"))


def number_of_level(level: str) -> int:
    """Return a level's number: of one that is not known by its name, the number in its name, or that of ``INFO``."""
    name = OTHER_NAMES.get(level, level)
    number = name.rpartition(" ")[2]
    return LEVELS.get(name) or (int(number) if number.isdecimal() and len(number) < 10 else LEVELS["INFO"])  # noqa: PLR2004


def _members(raw: str) -> dict[str, Any] | None:
    try:
        members = json.loads(text_of(raw))
    except (ValueError, RecursionError):
        return None
    return members if isinstance(members, dict) else None


def _parts_of_members(members: dict[str, Any]) -> Parts:
    for name in shapes.TIME_NAMES:
        if isinstance(members.get(name), (str, float, int)):
            del members[name]
            break
    level = _take(members, LEVEL_NAMES, (str, int), "")
    return Parts(
        level=_level(str(level)),
        logger=_take(members, _LOGGER_NAMES, str, ""),
        process=_take(members, _PROCESS_NAMES, int, None),
        thread=_take(members, _THREAD_NAMES, int, None),
        function=_take(members, _FUNCTION_NAMES, str, ""),
        message=_take(members, _MESSAGE_NAMES, str, ""),
        process_name=_take(members, _PROCESS_NAME_NAMES, str, ""),
        node=_take(members, ("node",), str, ""),
        extras=members,
        is_json=True,
    )


def _take(members: dict[str, Any], names: tuple[str, ...], kind: type | tuple[type, ...], other: Any) -> Any:  # noqa: ANN401 - what JSON holds
    for name in names:
        if isinstance(members.get(name), kind) and not isinstance(members[name], bool):
            return members.pop(name)
    return other


def _level(text: str) -> str:
    name = text.upper()
    if name.isdigit():
        return next((known for known, number in LEVELS.items() if str(number) == name), name)
    return OTHER_NAMES.get(name, name)
