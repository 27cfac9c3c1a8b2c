"""The same bytes, sooner; this module could be deleted and only speed would be lost.

`bind` puts functions on a logger in place of its methods ``debug`` to ``critical``. While the logger's one listener
is our handler and nothing of `logging` was changed, they write the line without making a `logging.LogRecord`. For
every other call, whatever was changed and whenever, they call the method of the logger's class: the plain handler is
the specification. What is asked at each call is therefore all that could make a difference, cheapest first.
"""

from __future__ import annotations

import gc
import logging
import sys
import time
from _contextvars import copy_context  # the C modules alone, which cost nothing to load
from _thread import get_ident

from entry_script_helper.formatting import KEYS, STANDARD, JsonFormatter, TextFormatter, bound_values
from entry_script_helper.handler import EntryScriptHandler
from entry_script_helper.jsontext import encode, members, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Compose = Callable[[str | None, int, str, str, dict[str, Any]], str | None]

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}

_Logger = logging.Logger
_Handler = EntryScriptHandler
_Record = logging.LogRecord

# What others replace to see or change records: an agent that traces, a test, a library that adds fields.
# The classes' own dictionaries, which `vars` shows through a proxy: a look into a dictionary is the cheapest there is.
_of_logger, _of_record, _of_handler = (gc.get_referents(vars(kind))[0] for kind in (_Logger, _Record, _Handler))
_size_of_logger = len(_of_logger)
_is_enabled_for, _log, _find_caller, _make_record, _handle, _call_handlers = (
    _of_logger[name] for name in ("isEnabledFor", "_log", "findCaller", "makeRecord", "handle", "callHandlers")
)
_record_init, _get_message = _of_record["__init__"], _of_record["getMessage"]
_emit = _of_handler["emit"]
_text_format, _json_format = TextFormatter.format, JsonFormatter.format

# An argument of another type may run code of its own, which must run once.
_SIMPLE = frozenset([str, int, float, bool, type(None)])


def bind(logger: logging.Logger, handler: EntryScriptHandler) -> None:
    """Give a logger functions that write to this handler sooner; a second call replaces those of the first.

    Args:
        logger: The logger; one of a class of the user's own is left as it is.
        handler: Our handler on it.
    """
    unbind(logger)
    formatter = handler.formatter
    if type(logger) not in (logging.Logger, logging.RootLogger):
        return
    if type(formatter) is TextFormatter:
        compose = _text_of(formatter, logger.name)
    elif type(formatter) is JsonFormatter:
        compose = _json_of(formatter, logger.name)
    else:
        return
    # A level that is off is left to the class's own method: nothing is sooner than that.
    levels = {name: level for name, level in _LEVELS.items() if level >= logger.level}
    size = len(vars(logger)) + len(levels)
    for name, level in levels.items():
        setattr(logger, name, _method(logger, handler, name, level, compose, size))


def unbind(logger: logging.Logger) -> None:
    """Take away what `bind` gave a logger."""
    for name in _LEVELS:
        if getattr(vars(logger).get(name), "is_entry_script_function", False):
            delattr(logger, name)


def _method(  # noqa: C901, PLR0913, PLR0917 - what a call would otherwise have to look up
    logger: logging.Logger,
    handler: EntryScriptHandler,
    name: str,
    level: int,
    compose: Compose,
    size: int,
) -> Callable[..., None]:
    """Return the function for one level of one logger."""
    logger_name = logger.name
    version, handler_level, destination, open_files = (
        handler.version,
        handler.level,
        handler.destination,
        handler.open_files,
    )
    own_method = _of_logger[name]
    level_names = logging._levelToName  # noqa: SLF001 - addLevelName changes it in place
    enabled = logger._cache  # type: ignore[attr-defined]  # noqa: SLF001 - emptied in place when a level changes
    attributes = vars(logger)
    ours = [handler]
    source_file = logging._srcfile  # noqa: SLF001

    def plain(msg: object, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        keywords["stacklevel"] = keywords.get("stacklevel", 1) + 2  # past this function and the one that calls it
        getattr(type(logger), name)(logger, msg, *args, **keywords)

    # One function, since each call within it would cost a part of what it saves.
    def method(msg: object, *args: Any, **keywords: Any) -> None:  # noqa: ANN401, C901, PLR0911, PLR0912
        if (
            len(attributes) != size
            or _of_logger[name] is not own_method
            or _of_logger["isEnabledFor"] is not _is_enabled_for
        ):
            return plain(msg, args, keywords)
        if logger.disabled:
            return None
        try:
            if not enabled[level]:
                return None
        except KeyError:  # this fills it
            if not logger.isEnabledFor(level):
                return None
        if not (
            type(msg) is str
            and logger.handlers == ours
            and not logger.filters
            and not handler.filters
            and not handler.postponed
            and handler.version is version
            and handler_level <= level
            and logger.name is logger_name
            and logging._logRecordFactory is _Record  # type: ignore[attr-defined]  # noqa: SLF001
            and len(_of_logger) == _size_of_logger
            and _of_logger["_log"] is _log
            and _of_logger["findCaller"] is _find_caller
            and _of_logger["makeRecord"] is _make_record
            and _of_logger["handle"] is _handle
            and _of_logger["callHandlers"] is _call_handlers
            and _of_record["__init__"] is _record_init
            and _of_record["getMessage"] is _get_message
            and _of_handler["emit"] is _emit
            and logging.logThreads
            and logging.logProcesses
        ):
            return plain(msg, args, keywords)
        ancestor = logger.parent if logger.propagate else None
        while ancestor is not None and not ancestor.handlers:
            ancestor = ancestor.parent if ancestor.propagate else None
        code = sys._getframe(1).f_code  # noqa: SLF001 - as logging does
        file = destination.file
        if ancestor is not None or file is None or code.co_filename == source_file:
            return plain(msg, args, keywords)
        text: str | None = msg
        if args:
            for argument in args:
                if type(argument) not in _SIMPLE:
                    return plain(msg, args, keywords)
            try:
                text = msg % args
            except (TypeError, ValueError, KeyError, OverflowError):
                text = None  # the plain way is not taken from here: it would find this error in sys.exc_info()
        line = None
        if text is not None:
            line = compose(level_names.get(level), open_files.process_id, code.co_name, text, keywords)
        if line is None:
            return plain(msg, args, keywords)
        if not file.write(line.encode()):
            handler.show_failure(file, line[:-1])
        return None

    method.is_entry_script_function = True  # type: ignore[attr-defined]
    method.__name__ = method.__qualname__ = name
    return method


def _now_in_floats() -> tuple[float, int]:
    """Return the time as `logging.LogRecord` has it until Python 3.12: seconds, and the milliseconds in them."""
    created = time.time()
    return created, int((created - int(created)) * 1000)


def _now_in_integers() -> tuple[float, int]:
    """Return the time as `logging.LogRecord` has it since Python 3.13."""
    nanoseconds = time.time_ns()
    created = nanoseconds / 1e9
    milliseconds = nanoseconds % 1_000_000_000 // 1_000_000
    if milliseconds == 999 and int(created) != nanoseconds // 1_000_000_000:  # noqa: PLR2004 - rounded up to a second
        milliseconds = 0
    return created, milliseconds


_now = _now_in_integers if sys.version_info >= (3, 13) else _now_in_floats


def _text_of(formatter: TextFormatter, name: str) -> Compose:
    """Return what makes a line of text, or None where the formatter must."""
    redactor = formatter.redactor
    attributes = vars(formatter)
    size = len(attributes)
    last_second, dated = 0, ""
    printable: set[object] = set()

    def compose(
        level_name: str | None, process_id: int, function: str, text: str, keywords: dict[str, Any]
    ) -> str | None:
        nonlocal last_second, dated
        if keywords or len(attributes) != size or TextFormatter.format is not _text_format:
            return None
        if function not in printable or level_name not in printable:
            if level_name is None or not f"{name}{function}{level_name}".isprintable():
                return None
            printable.update((function, level_name))
        if redactor is not None:
            text = redactor(text)
        created, milliseconds = _now()
        second = int(created)
        if second != last_second:
            dated = formatter.dated(second)
            last_second = second
        if not text.isprintable():
            return None
        return f"{dated},{milliseconds:03d}|{name}|{level_name}|{process_id}|{get_ident()}|{function}()|{text}\n"

    return compose


def _json_of(formatter: JsonFormatter, name: str) -> Compose:
    """Return what makes a line of JSON, or None where the formatter must."""
    redactor = formatter.redactor
    attributes = vars(formatter)
    size = len(attributes)
    quoted_name = quoted(name)
    last_second, dated = 0, ""
    last_process_name: str | None = ""
    quoted_process_name = ""

    def compose(
        level_name: str | None, process_id: int, function: str, text: str, keywords: dict[str, Any]
    ) -> str | None:
        nonlocal last_second, dated, last_process_name, quoted_process_name
        if len(attributes) != size or JsonFormatter.format is not _json_format or type(level_name) is not str:
            return None
        further = ""
        if keywords:
            extra: Any = keywords.get("extra")
            if len(keywords) != 1 or not _is_simple(extra):
                return None
            further = ", " + members(extra, KEYS, redactor)
        if copy_context() and bound_values():
            return None
        if redactor is not None:
            text = redactor(text)
        process_name = _process_name()
        if process_name != last_process_name:
            quoted_process_name = encode(process_name)
            last_process_name = process_name
        created, _ = _now()
        second = int(created)
        if second != last_second:
            dated = formatter.dated(second)
            last_second = second
        return (
            f'{{"timestamp": "{dated}.{int(created % 1 * 1_000_000):06d}Z", "level": {quoted(level_name)}'
            f', "logger": {quoted_name}, "event": {quoted(text)}, "process": {process_id}'
            f', "process_name": {quoted_process_name}, "thread": {get_ident()}, "func_name": {quoted(function)}'
            f"{formatter.tail}{further}}}\n"
        )

    return compose


def _process_name() -> str | None:
    """Return the name that `logging.LogRecord` takes for this process."""
    if not logging.logMultiprocessing:
        return None
    multiprocessing = sys.modules.get("multiprocessing")
    return multiprocessing.current_process().name if multiprocessing else "MainProcess"


def _is_simple(extra: Any) -> bool:  # noqa: ANN401
    """Tell whether extras are plain values under names that a record has not."""
    if type(extra) is not dict or not extra:
        return False
    for key, value in extra.items():
        if type(key) is not str or key in STANDARD or type(value) not in _SIMPLE:
            return False
    return True
