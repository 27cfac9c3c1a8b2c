"""The same bytes, sooner; this module could be deleted and only speed would be lost.

`bind` puts functions on a logger in place of its methods ``debug`` to ``critical``. While the logger's one listener
is our handler and nothing of `logging` was changed, they write the line without making a `logging.LogRecord`. For
every other call, whatever was changed and whenever, they call the method of the logger's class: the plain handler is
the specification. What is asked at each call is therefore all that could make a difference; what can't change unseen
is made once: the text of a millisecond, of a thread, of a level.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
import time
from _contextvars import copy_context  # the C modules alone, which cost nothing to load
from _thread import get_ident
from collections.abc import Mapping

from entry_script_helper.changes import changes
from entry_script_helper.formatting import KEYS, STANDARD, WRITTEN, JsonFormatter, TextFormatter, bound_values
from entry_script_helper.handler import EntryScriptHandler
from entry_script_helper.jsontext import encode, members, quoted
from entry_script_helper.redaction import HARMLESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from entry_script_helper.formatting import LineFormatter
    from entry_script_helper.redaction import Redactor

    Moment = tuple[float, float, bytes, float, int]

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}

_Logger = logging.Logger
_Handler = EntryScriptHandler
_Record = logging.LogRecord


class _Shown:
    """The dictionary of a class as the attributes of an object: nothing is sooner read than those."""

    def __init__(self, shown: type) -> None:
        # `vars` shows it through a proxy, which is slower.
        (self.__dict__,) = (found for found in gc.get_referents(vars(shown)) if type(found) is dict)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> object: ...


# What others replace to see or change records: an agent that traces, a test, a library that adds fields.
_of_logger, _of_record, _of_handler = _Shown(_Logger), _Shown(_Record), _Shown(_Handler)
_dict_of_logger = vars(_of_logger)
_is_enabled_for, _log, _find_caller, _make_record, _handle, _call_handlers = (
    _dict_of_logger[name] for name in ("isEnabledFor", "_log", "findCaller", "makeRecord", "handle", "callHandlers")
)
_dict_of_record = vars(_of_record)
_debug, _info = _of_logger.debug, _of_logger.info
_record_init, _get_message = _dict_of_record["__init__"], _of_record.getMessage
_emit = _of_handler.emit

_modules = sys.modules
_join = b"".join
_get_frame = sys._getframe  # noqa: SLF001 - as logging does
_level_names = logging._levelToName  # noqa: SLF001 - addLevelName changes it in place


# A translation that changes all but the characters that are written as they are.
_PLAIN = {
    TextFormatter: bytes(code if code in HARMLESS else 0 for code in range(256)),
    JsonFormatter: bytes(code if code in HARMLESS and code != ord('"') else 0 for code in range(256)),
}

_THREE_DIGITS = [b"%03d" % number for number in range(1000)]
_MOST_FUNCTIONS = 1000


def bind(logger: logging.Logger, handler: EntryScriptHandler) -> None:
    """Give a logger functions that write to this handler sooner; a second call replaces those of the first.

    Args:
        logger: The logger; one of a class of the user's own is left as it is.
        handler: Our handler on it.
    """
    if _can_be_bound(logger, handler):
        _bind(logger, handler)
    elif _is_bound(logger):
        for name in _LEVELS:
            delattr(logger, name)


def _is_bound(logger: logging.Logger) -> bool:
    return all(getattr(vars(logger).get(name), "is_entry_script_function", False) for name in _LEVELS)


def _can_be_bound(logger: logging.Logger, handler: EntryScriptHandler) -> bool:
    formatter = handler.formatter
    return (
        type(logger) is _Logger
        and logger.name.isprintable()
        and logger.name != "py.warnings"  # logging itself calls this one, and the root logger, and is no caller
        and type(handler) is _Handler
        and type(formatter) in _PLAIN
        and formatter is handler.destination.formatter
        and not handler.postponed
        and handler.limiter is None
        and handler.level <= logger.level
        and all(_is_its_class_s(handler, name) for name in ("emit", "handle", "_put", "_line"))
        and all(_is_its_class_s(formatter, name) for name in ("format", "formatTime", "dated"))
    )


def _is_its_class_s(thing: object, name: str) -> bool:
    return getattr(getattr(thing, name), "__func__", None) is getattr(type(thing), name)


def _bind(logger: logging.Logger, handler: EntryScriptHandler) -> None:
    if not _is_bound(logger):
        # A dictionary of its own and not one that shares its keys with those of other loggers: CPython reads its
        # attributes in a tenth of the time.
        logger.__dict__ = {**vars(logger)}
    for name, level in _LEVELS.items():
        bound = _Level(logger, handler, name)
        if level < logger.level and name in _OFF:
            setattr(logger, name, _OFF[name](bound.enabled, bound.step_aside))
        else:
            setattr(logger, name, bound.write)
    # After which whatever is set on the logger itself is one too many.
    size = len(vars(logger))
    for name in _LEVELS:
        method = vars(logger)[name]
        if isinstance(getattr(method, "__self__", None), _Level):
            method.__self__.size = size


def event_methods(logger: logging.Logger, handler: EntryScriptHandler, name: str) -> dict[str, Callable[..., object]]:
    """Return functions by level that write structlog's events as JSON: none where that must be done the plain way.

    They take the event, its arguments, and as ``event`` the values and the caller's frame. They return
    `NotImplemented`, having done nothing, where something was changed.

    Args:
        logger: The logger that has the handler.
        handler: Our handler.
        name: The name of structlog's logger.
    """
    if not _can_be_bound(logger, handler) or not name.isprintable() or type(handler.formatter) is not JsonFormatter:
        return {}
    return {level: _EventLevel(logger, handler, level, name).write for level in _LEVELS}


class _Level:
    """One level of one logger: what a call would otherwise have to look up, side by side in memory."""

    __slots__ = (
        "as_it_was",
        "attributes",
        "clock",
        "enabled",
        "file",
        "for_json",
        "formatter",
        "handler",
        "is_json",
        "labels",
        "last",
        "level",
        "level_name",
        "logger",
        "logger_name",
        "name",
        "own_method",
        "owner",
        "plain",
        "process_id",
        "process_name",
        "size",
        "threads",
    )

    is_event = False

    def __init__(
        self, logger: logging.Logger, handler: EntryScriptHandler, name: str, shown_name: str | None = None
    ) -> None:
        self.logger = logger
        self.handler = handler
        self.name = name
        self.level = _LEVELS[name]
        self.logger_name = logger.name
        level_name = _level_names.get(self.level)
        # None: no name is that.
        self.level_name = level_name if type(level_name) is str and level_name.isprintable() else None
        self.own_method = _dict_of_logger[name]
        self.attributes = vars(logger)
        self.size = len(self.attributes)
        self.enabled: dict[int, bool] = logger._cache  # type: ignore[attr-defined]  # noqa: SLF001 - emptied in place when a level changes
        # Until there is a file nothing is as it was.
        self.as_it_was = changes.latest if handler.destination.file else object()
        self.file: Any = handler.destination.file
        self.owner: Any = self.file and self.file.turn.owner
        self.process_id = handler.open_files.process_id
        formatter: Any = handler.formatter
        self.formatter = formatter
        self.is_json = type(formatter) is JsonFormatter
        redactor = formatter.redactor
        knows = redactor is None or redactor.knows_harmless_text
        self.plain = _PLAIN[type(formatter)] if knows else bytes(256)
        self.clock = _clock_of(formatter)
        self.labels: dict[str, str | None] = {}
        self.threads: dict[tuple[int, str], bytes] = {}
        self.last: tuple[int, str, Any] = (0, "", None)
        self.process_name: str | None = None
        opening = f'Z", "level": {quoted(level_name or "")}, "logger": {quoted(shown_name or logger.name)}, "event": "'
        self.for_json: tuple[bytes, Any, Any] = (
            opening.encode(),
            getattr(sys.modules.get("structlog.contextvars"), "_CONTEXT_VARS", True),
            sys.modules.get("multiprocessing.process"),
        )

    # One function, since each call within it would cost a part of what it saves; and each return near what leads
    # to it, since CPython jumps far at three times the price.
    def write(self, msg: object, *args: Any, **keywords: Any) -> Any:  # noqa: ANN401, C901, PLR0911, PLR0912, PLR0915
        """Stand in for the logger's own method of this level."""
        try:
            is_on = self.enabled[self.level] and _level_names[self.level] is self.level_name
        except KeyError:
            is_on = False
        logger = self.logger
        if not (  # not from within `except`: a record would find that error in sys.exc_info()
            is_on
            and changes.latest is self.as_it_was
            and len(self.attributes) == self.size
            and not logger.disabled
            and not logger.filters
            and not self.handler.filters
            and logger.name is self.logger_name
        ):
            return self.step_aside(msg, args, keywords)
        if not (
            logging._logRecordFactory is _Record  # type: ignore[attr-defined]  # noqa: SLF001
            and logging.logThreads
            and logging.logProcesses
        ):
            return self.step_aside(msg, args, keywords)
        if not (
            _dict_of_logger[self.name] is self.own_method
            and _of_logger.isEnabledFor is _is_enabled_for
            and _of_logger._log is _log  # noqa: SLF001
            and _of_logger.findCaller is _find_caller
            and _of_logger.makeRecord is _make_record
            and _of_logger.handle is _handle
            and _of_logger.callHandlers is _call_handlers
        ):
            return self.step_aside(msg, args, keywords)
        if not (
            _dict_of_record["__init__"] is _record_init
            and _of_record.getMessage is _get_message
            and _of_handler.emit is _emit
            and type(msg) is str
        ):
            return self.step_aside(msg, args, keywords)
        others = None
        handlers = logger.handlers
        if len(handlers) != 1 or handlers[0] is not self.handler:
            others = _other_handlers(logger, self.handler)
            if others is None:
                return self.step_aside(msg, args, keywords)
        elif logger.propagate:
            ancestor = logger.parent
            while ancestor is not None:
                if ancestor.handlers:
                    others = _other_handlers(logger, self.handler)
                    break
                ancestor = ancestor.parent
        if keywords:
            further, frame = self.further(keywords)
            if further is None or (others and self.is_event):
                return self.step_aside(msg, args, keywords)
        else:
            frame = _get_frame(1)
        function = frame.f_code.co_name
        try:
            text = msg % args if args else msg
            encoded = text.encode()
        except Exception:  # noqa: BLE001 - an argument's own code may raise anything
            return self.step_aside(msg, args, keywords)
        # From here on without the arguments, whose own code must not run twice.
        if encoded.translate(self.plain) is not encoded or "bearer" in text.casefold():
            if self.formatter.redactor is not None:
                text = self.formatter.redactor(text)
            if self.is_json:
                text = quoted(text)[1:-1]
            elif not text.isprintable():
                return self.step_aside(*_whole(others, msg, args, text), keywords)
            encoded = text.encode()
        thread = get_ident()
        last_thread, last_function, middle = self.last
        if thread != last_thread or function is not last_function:
            middle = self.middle(thread, function)
            if middle is None:
                return self.step_aside(*_whole(others, msg, args, text), keywords)
        now = time.time()
        low, high, dated, second, thousands = self.clock.moment
        if not low <= now < high:
            low, high, dated, second, thousands = self.clock.tick(now)
        if self.is_json:
            opening, ever_bound, processes = self.for_json
            if ever_bound and copy_context() and bound_values():
                return self.step_aside(*_whole(others, msg, args, text), keywords)
            if processes is not None and logging.logMultiprocessing:
                process_name = processes._current_process._name  # noqa: SLF001 - its functions take six times as long
            elif "multiprocessing" in _modules or not logging.logMultiprocessing:
                process_name = _process_name()
            else:
                process_name = "MainProcess"
            if process_name != self.process_name:
                self.process_name = process_name
                self.threads.clear()
                middle = self.middle(thread, function)
            if keywords:
                middle = _join((middle[:-2], further, b"}\n"))
            micro = _THREE_DIGITS[int((now - second) * 1000000.0) - thousands]
            line = _join((dated, micro, opening, encoded, middle))
        else:
            line = _join((dated, middle, encoded, b"\n"))
        file, owner = self.file, self.owner
        if owner.setdefault(None, thread) is thread:  # as `LogFile.write` does
            try:
                written = 0
                if file.looked_at <= now < file.steady_until:
                    try:
                        written = os.write(file.descriptor, line)
                    except OSError:
                        pass
                    else:
                        if written == len(line) and not others:
                            return None
                is_written = written == len(line) or file.go_on(line, written)
            finally:
                owner.clear()
        else:
            is_written = file.write(line)
        if not is_written:
            self.handler.show_failure(file, line[:-1].decode())
        if others:
            record = self.record(frame, msg, args, now, keywords)
            for other in others:
                if self.level >= other.level:
                    other.handle(record)
        return None

    def step_aside(self, msg: object, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:  # noqa: ANN401
        """Call the method of the logger's class; from the next call on go the fast way again, if that can be."""
        logger, handler = self.logger, self.handler
        keywords["stacklevel"] = keywords.get("stacklevel", 1) + 2  # past this function and the one that calls it
        getattr(type(logger), self.name)(logger, msg, *args, **keywords)
        is_changed = changes.latest is not self.as_it_was and handler.destination.file and handler in logger.handlers
        # Where there can't be new functions, those of before go on stepping aside.
        if is_changed and _can_be_bound(logger, handler):
            _bind(logger, handler)

    def further(self, keywords: dict[str, Any]) -> tuple[Any, Any]:
        """Return a call's extras as members of a JSON object, None if they need more care; and the caller's frame."""
        extra: Any = keywords.get("extra")
        if len(keywords) != 1 or type(extra) is not dict or not extra:
            return None, None
        return _plain_members(self, extra), _get_frame(2)

    def middle(self, thread: int, function: str) -> bytes | None:
        """Return what stands in a line for this thread and function, and around that; None if it needs more care."""
        known = self.threads.get((thread, function))
        if known is None:
            if not function.isprintable() or '"' in function or "\\" in function:
                return None
            if len(self.threads) >= _MOST_FUNCTIONS:
                self.threads.clear()
            known = self.threads[thread, function] = self._middle(thread, function).encode()
        self.last = (thread, function, known)
        return known

    def _middle(self, thread: int, function: str) -> str:
        if self.is_json:
            return (
                f'", "process": {self.process_id}, "process_name": {encode(self.process_name)}, "thread": {thread}'
                f', "func_name": "{function}"{self.formatter.tail}}}\n'
            )
        return f"|{self.logger_name}|{self.level_name}|{self.process_id}|{thread}|{function}()|"

    def record(
        self,
        frame: Any,  # noqa: ANN401
        msg: object,
        args: Any,  # noqa: ANN401
        now: float,
        keywords: dict[str, Any],
    ) -> logging.LogRecord:
        """Return the record that `logging` would have made: for the handlers of others, sooner."""
        path = frame.f_code.co_filename
        names = _paths.get(path)
        if names is None:
            if len(_paths) >= _MOST_FUNCTIONS:
                _paths.clear()
            file_name = os.path.basename(path)
            names = _paths[path] = (file_name, os.path.splitext(file_name)[0])
        if len(args) == 1 and isinstance(args[0], Mapping) and args[0]:
            args = args[0]
        record = _new_record(_Record)
        record.__dict__ = state = {
            "name": self.logger_name,
            "msg": msg,
            "args": args,
            "levelname": self.level_name,
            "levelno": self.level,
            "pathname": path,
            "filename": names[0],
            "module": names[1],
            "exc_info": None,
            "exc_text": None,
            "stack_info": None,
            "lineno": frame.f_lineno,
            "funcName": frame.f_code.co_name,
            "created": now,
            "msecs": _msecs(now % 1),
            "relativeCreated": (now - _start) * 1000,
            "thread": get_ident(),
            "threadName": threading.current_thread().name,
            "processName": _process_name(),
            "process": self.process_id,
        }
        state.update(_of_version())
        if keywords:
            state.update(keywords["extra"])
        state[WRITTEN] = self.process_id
        return record


_Level.write.is_entry_script_function = True  # type: ignore[attr-defined]


class _EventLevel(_Level):
    """One level of one of structlog's loggers. It says `NotImplemented` instead of stepping aside."""

    __slots__ = ()

    is_event = True

    def step_aside(self, *_: object) -> Any:  # noqa: ANN401 - a constant that has no type of its own
        """Leave the event to others."""
        return NotImplemented

    def further(self, keywords: dict[str, Any]) -> tuple[bytes | None, Any]:
        """Return the event's values as members of a JSON object, and the caller's frame."""
        values, frame = keywords["event"]
        if not values:
            return b"", frame
        found = _plain_members(self, values)
        if found is None:
            found = f", {members(values, KEYS, self.formatter.redactor)}".encode()
        return found, frame


def _debug_off(enabled: dict[int, bool], aside: Callable[..., None]) -> Callable[..., None]:
    """Return `debug` for a logger whose level is above.

    It is called most often of all, and must cost no more than the standard library's: so it is the one that asks for
    no change of ``Logger.isEnabledFor``.
    """

    def method(msg: object, *args: Any, **keywords: Any) -> None:  # noqa: ANN401
        try:
            if not enabled[10] and _of_logger.debug is _debug:
                return
        except KeyError:
            pass
        aside(msg, args, keywords)
        if enabled.get(10):
            changes.add()  # that level is on by now, and the next call finds another function

    method.is_entry_script_function = True  # type: ignore[attr-defined]
    return method


def _info_off(enabled: dict[int, bool], aside: Callable[..., None]) -> Callable[..., None]:
    """Return `info` for a logger whose level is above: as `_debug_off`."""

    def method(msg: object, *args: Any, **keywords: Any) -> None:  # noqa: ANN401
        try:
            if not enabled[20] and _of_logger.info is _info:
                return
        except KeyError:
            pass
        aside(msg, args, keywords)
        if enabled.get(20):
            changes.add()

    method.is_entry_script_function = True  # type: ignore[attr-defined]
    return method


_OFF = {"debug": _debug_off, "info": _info_off}


def _other_handlers(logger: logging.Logger, ours: EntryScriptHandler) -> list[logging.Handler] | None:
    """Return the handlers that a record meets behind ours, as `logging.Logger.callHandlers` finds them.

    None if ours is not the first, or a second time among them.
    """
    handlers: list[logging.Handler] = []
    current: logging.Logger | None = logger
    while current is not None:
        handlers += current.handlers
        current = current.parent if current.propagate else None
    return handlers[1:] if handlers and handlers[0] is ours and handlers.count(ours) == 1 else None


def _whole(
    others: list[logging.Handler] | None, msg: object, args: tuple[Any, ...], text: str
) -> tuple[object, tuple[Any, ...]]:
    """Return message and arguments for the plain way: none where nobody could tell, since their code must run once."""
    return (msg, args) if others else (text, ())


_new_record = _Record.__new__
_paths: dict[str, tuple[str, str]] = {}


_start: float = logging._startTime / (1e9 if sys.version_info >= (3, 13) else 1)  # type: ignore[attr-defined]  # noqa: SLF001


def _task_name() -> dict[str, str | None]:
    asyncio = sys.modules.get("asyncio") if getattr(logging, "logAsyncioTasks", False) else None
    try:
        return {"taskName": asyncio.current_task().get_name() if asyncio else None}
    except Exception:  # noqa: BLE001 - there is no task, or asyncio is half imported
        return {"taskName": None}


# What a record has besides.
_of_version: Callable[[], dict[str, Any]] = _task_name if sys.version_info >= (3, 12) else dict


class _Clock:
    """The text of the time to the millisecond, made once a millisecond."""

    __slots__ = ("_formatter", "_opening", "_second", "_separator", "moment")

    def __init__(self, formatter: LineFormatter, opening: str, separator: str) -> None:
        self._formatter = formatter
        self._opening = opening
        self._separator = separator
        self._second = (-1.0, b"")
        self.moment: Moment = (0.0, 0.0, b"", 0.0, 0)
        """From when (with it) until when (without it) this holds; the text; the second; its microseconds by then."""

    def tick(self, now: float) -> Moment:
        """Return the moment that holds now."""
        second = now // 1.0
        last, dated = self._second
        if second != last:
            dated = f"{self._opening}{self._formatter.dated(second)}{self._separator}".encode()
            self._second = (second, dated)
        fraction = now - second
        milliseconds = int(fraction * 1e6) // 1000
        # Half a microsecond less at both ends, so that no rounding can make it another millisecond.
        low = second + milliseconds * 1e-3
        dated += _THREE_DIGITS[_milliseconds(fraction)]
        self.moment = moment = (low + 5e-7, low + 0.0009995, dated, second, milliseconds * 1000)
        return moment


_clocks: dict[type, _Clock] = {}


def _clock_of(formatter: LineFormatter) -> _Clock:
    """Return the clock that all formatters of a kind share."""
    kind = type(formatter)
    if kind not in _clocks:
        _clocks[kind] = (
            _Clock(formatter, '{"timestamp": "', ".") if kind is JsonFormatter else _Clock(formatter, "", ",")
        )
    return _clocks[kind]


def _milliseconds_cut(fraction: float) -> int:
    """Return the milliseconds of a fraction of a second as `logging.LogRecord` has them until Python 3.12."""
    return int(fraction * 1000)


def _milliseconds_rounded(fraction: float) -> int:
    """Return them as since Python 3.13, where they are made of whole nanoseconds."""
    return min(round(fraction * 1_000_000) // 1000, 999)


_milliseconds = _milliseconds_rounded if sys.version_info >= (3, 13) else _milliseconds_cut


def _msecs(fraction: float) -> float:
    """Return the milliseconds of a fraction of a second as a record has them: until Python 3.9 with a fraction."""
    return float(_milliseconds(fraction)) if sys.version_info >= (3, 10) else fraction * 1000


def _process_name() -> str | None:
    """Return the name that `logging.LogRecord` takes for this process."""
    if not logging.logMultiprocessing:
        return None
    multiprocessing = sys.modules.get("multiprocessing")
    return multiprocessing.current_process().name if multiprocessing else "MainProcess"


def _plain_members(of: _Level, values: dict[Any, Any]) -> bytes | None:  # noqa: C901 - a table of types
    """Return plain values as members of a JSON object, behind others; None for all that needs more care."""
    redactor, plain, labels = of.formatter.redactor, of.plain, of.labels
    texts = []
    for key, value in values.items():
        label = labels.get(key) if type(key) is str else None
        if label is None:
            label = _label(labels, redactor, key)
            if label is None:
                return None
        kind = type(value)
        if kind is str:
            try:
                encoded = value.encode()
            except UnicodeEncodeError:
                return None
            if encoded.translate(plain) is not encoded or "bearer" in value.casefold():
                value = quoted(redactor(value) if redactor else value)[1:-1]  # noqa: PLW2901
            texts.append(f'{label}"{value}"')
        elif kind is int or kind is float:
            text = repr(value)
            if text[-1] in "fn" or (kind is int and len(text) > _MOST_DIGITS):  # inf, nan, what JSON's readers cut
                return None
            texts.append(label + text)
        elif kind is bool:
            texts.append(f"{label}true" if value else f"{label}false")
        elif value is None:
            texts.append(f"{label}null")
        else:
            return None
    return "".join(texts).encode()


_MOST_DIGITS = 18


def _label(labels: dict[str, str | None], redactor: Redactor | None, key: object) -> str | None:
    """Return what stands before the value of an extra; None where its key makes a difference to it."""
    if type(key) is not str or key in STANDARD or members({key: 1}, KEYS, redactor) != f'"{key}": 1':
        return None
    if len(labels) >= _MOST_FUNCTIONS:
        labels.clear()
    labels[key] = label = f', "{key}": '
    return label
