"""A record as text or as JSON: one record, one line, that no text in it can break or forge.

A formatter of ours gives the whole line and raises for no record that Python can make. `one_line` does the same to
what a formatter of somebody else gives.
"""

from __future__ import annotations

import functools
import logging
import re
import sys
import time

from entry_script_helper.changes import Watched
from entry_script_helper.jsontext import MISLEADING, encode, members, quoted, readable, representation, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from entry_script_helper.redaction import Redactor

TEXT_FORMAT = "%(asctime)s|%(name)s|%(levelname)s|%(process)d|%(thread)d|%(funcName)s()|%(message)s"
"""The format of the article's class, as `logging.Formatter` takes it."""

FIELDS = "_entry_script_helper_fields"
"""The attribute of a record in which structlog's event dict travels."""

WRITTEN = "_entry_script_helper_written"
"""The attribute that a written record carries, so that it is written once however far it propagates."""

# Not by logging.makeLogRecord, which asks a factory that a user may have set: what that adds are extras.
STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", None, None).__dict__) | {
    "message",
    "asctime",
    "taskName",
    FIELDS,
    WRITTEN,
}

_MOST_FRAMES = 50
_MOST_EXCEPTIONS = 100


def one_line(text: str) -> str:
    """Return *text* as one record: further lines start with a tab, control characters are written out.

    A record's line starts with a digit, so that text from outside can't forge one (CWE-117).
    """
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\n", "\n\t")
    if text.replace("\n\t", "").isprintable():
        return text
    return _control().sub(_escape, text)


@functools.cache
def _control() -> re.Pattern[str]:
    # All that is misleading but tab and newline; compiled when first needed: it takes longer than the import.
    return re.compile(f"[\x00-\x08\x0b-\x1f{MISLEADING}]")


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code > 0xFF:  # noqa: PLR2004
        return f"\\u{code:04x}"
    return "\\r" if code == 0x0D else f"\\x{code:02x}"  # noqa: PLR2004


def _fraction(number: Any, scale: int) -> int:  # noqa: ANN401 - whatever a record holds
    try:
        return int(number % 1 * scale) if scale > 1 else int(number) % 1000
    except Exception:  # noqa: BLE001 - somebody made up the record's time
        return 0


def message_of(record: logging.LogRecord) -> str:
    """Return the record's message; where its arguments don't fit, the message and the arguments as they are."""
    try:
        return str.__str__(record.getMessage())
    except RecursionError:
        raise
    except Exception as error:  # noqa: BLE001 - a mistake in a logging call must not lose what it wanted to say
        what = f"{type_name(type(error))}: {readable(error)}"
        arguments = record.args if isinstance(record.args, tuple) else (record.args,)
        texts = ", ".join([representation(argument) for argument in arguments])
        return f"{readable(record.msg)} (could not be formatted with ({texts}): {what})"


class LineFormatter(Watched, logging.Formatter):
    """The base of our formatters: `format` gives a finished line, without its newline.

    Args:
        redactor: Replaces secrets, or None to leave them.
    """

    gives_one_line = True

    def __init__(self, redactor: Redactor | None = None) -> None:
        super().__init__(TEXT_FORMAT)
        # The class's function: as a method it would be given the formatter as the seconds to convert.
        self.converter = time.gmtime
        self.redactor = redactor
        # Compiled now, and not with the first record: a signal handler that logs would begin the same again and again.
        one_line("\n")
        quoted("\n")
        self._second: tuple[int | None, str] = (None, "")

    def _redacted(self, text: str) -> str:
        return self.redactor(text) if self.redactor else text

    layout = "%04d-%02d-%02d %02d:%02d:%02d"

    def _date_and_time(self, record: logging.LogRecord) -> str:
        """Return the record's UTC time to the second; a second's text is made once."""
        try:
            second = int(record.created // 1)
            cached, text = self._second
            if cached != second:
                text = self.dated(second)
                self._second = (second, text)
        except Exception:  # noqa: BLE001 - somebody made up the record's time
            text = self.dated(time.time())
        return text

    def dated(self, second: float) -> str:
        """Return a time, in seconds since the epoch, to the second, in UTC."""
        moment = time.gmtime(second)[:6]
        if not 0 <= moment[0] <= 9999:  # noqa: PLR2004 - RFC 3339 has four digits for a year
            raise OverflowError
        return self.layout % moment


class TextFormatter(LineFormatter):
    """The article's line: ``2019-11-21 10:00:00,123|EntryScript|INFO|12|34|init()|message``, in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of text."""
        body = message_of(record)
        fields = record.__dict__.get(FIELDS)
        if fields:
            body += "".join([f" {readable(key)}={self._value(key, value)}" for key, value in fields.items()])
        for further in (self._exception(record), self._stack(record)):
            if further:
                body += further if body.endswith("\n") else f"\n{further}"
        try:
            head = (
                f"{self.formatTime(record)}|{record.name}|{record.levelname}|{record.process}|{record.thread}"
                f"|{record.funcName}()|"
            )
        except Exception:  # noqa: BLE001 - a made-up record must not lose its message
            state = record.__dict__
            fields_of_head = [readable(state.get(name)) for name in ("name", "levelname", "process", "thread")]
            head = "|".join([self.formatTime(record), *fields_of_head, f"{readable(state.get('funcName'))}()|"])
        if not head.isprintable():
            head = one_line(head).replace("\n\t", "\\n")
        return head + one_line(self._redacted(body))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - logging's
        """Return the record's time as the standard library writes it, in UTC."""
        milliseconds = _fraction(record.__dict__.get("msecs"), 1)
        return f"{self._date_and_time(record)},{milliseconds:03d}"

    def formatException(self, ei: Any) -> str:  # noqa: ANN401, N802 - logging's
        """Return an exception with its traceback as the standard library writes them, without the last newline."""
        if not isinstance(ei, tuple) or not isinstance(ei[1], BaseException):
            return super().formatException(ei)
        from entry_script_helper import tracebacks  # noqa: PLC0415 - for those records alone

        return tracebacks.formatted(ei[1], ei[2]).removesuffix("\n")

    def _exception(self, record: logging.LogRecord) -> str:
        # Neither read from nor left in record.exc_text while there is an exception: other handlers share the
        # record, and theirs may be coloured, ours is redacted.
        try:
            if not record.exc_info:
                return readable(record.exc_text) if record.exc_text else ""
            return self.formatException(record.exc_info)
        except RecursionError:
            raise
        except Exception as error:  # noqa: BLE001
            return _unreadable_exception(record.exc_info, error)

    def _value(self, key: object, value: object) -> str:
        """Return the text of one of structlog's values."""
        if self.redactor and value is not None and self.redactor.is_secret_key(readable(key)):
            from entry_script_helper.redaction import REPLACEMENT  # noqa: PLC0415 - loaded: there is a redactor

            return REPLACEMENT
        return representation(value)

    def _stack(self, record: logging.LogRecord) -> str:
        return readable(record.stack_info) if record.stack_info else ""


class JsonFormatter(LineFormatter):
    """One JSON object a line: our keys first, then the record's extras and structlog's values.

    Args:
        redactor: Replaces secrets, or None to leave them.
        run_id: The run's id, or None outside a run.
        node: This node's name among those of the job.
    """

    layout = "%04d-%02d-%02dT%02d:%02d:%02d"

    def __init__(
        self,
        redactor: Redactor | None = None,
        *,
        run_id: str | None = None,
        node: str | None = None,
    ) -> None:
        super().__init__(redactor)
        self.tail = f', "run_id": {encode(run_id)}, "node": {encode(node)}'

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one JSON object."""
        state = record.__dict__
        values: dict[object, object] = {key: value for key, value in state.items() if key not in STANDARD}
        values.update(state.get(FIELDS) or {})
        for key, value in bound_values().items():
            values.setdefault(key, value)
        line = (
            f'{{"timestamp": "{self.formatTime(record)}", "level": {quoted(readable(state.get("levelname")))}'
            f', "logger": {quoted(readable(state.get("name")))}, "event": {quoted(self._redacted(message_of(record)))}'
            f', "process": {encode(state.get("process"))}, "process_name": {encode(state.get("processName"))}'
            f', "thread": {encode(state.get("thread"))}, "func_name": {encode(state.get("funcName"))}{self.tail}'
        )
        own: dict[object, object] = {}
        try:
            if record.exc_info:
                own["exception"] = structured_exception(record.exc_info)
            elif record.exc_text:
                own["exception"] = record.exc_text
        except RecursionError:
            raise
        except Exception as error:  # noqa: BLE001
            own["exception"] = _unreadable_exception(record.exc_info, error)
        if record.stack_info:
            own["stack"] = record.stack_info
        if values:
            line += ", " + members(values, KEYS.union(own), self.redactor)  # type: ignore[arg-type]
        if own:
            line += ", " + members(own, KEYS, self.redactor)
        return line + "}"

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - logging's
        """Return the record's time by RFC 3339, in UTC, to the microsecond."""
        microseconds = _fraction(record.__dict__.get("created"), 1_000_000)
        return f"{self._date_and_time(record)}.{microseconds:06d}Z"


KEYS = frozenset(
    ["timestamp", "level", "logger", "event", "process", "process_name", "thread", "func_name", "run_id", "node"]
)
"""The keys of our own in a JSON line; an extra of the same name gets an underscore behind its own."""


def bound_values() -> dict[str, object]:
    """Return the values that structlog has bound to this context, if structlog is in use."""
    # The module may be half imported, by another thread.
    bound = getattr(sys.modules.get("structlog.contextvars"), "get_contextvars", None)
    return bound() if bound else {}


def _unreadable_exception(exc_info: object, error: Exception) -> str:
    return f"(the exception {representation(exc_info)} could not be formatted: {type_name(type(error))})"


def structured_exception(exc_info: object) -> object:
    """Return an exception as structlog's ``dict_tracebacks`` has it: a list, the exception first, then its causes.

    Each has ``exc_type``, ``exc_value``, ``exc_notes``, ``is_cause``, ``frames`` (``filename``, ``lineno``, ``name``;
    the innermost last, no local variables), ``is_group`` and, of a group, its ``exceptions``.
    """
    exception = exc_info[1] if isinstance(exc_info, tuple) and len(exc_info) == 3 else exc_info  # noqa: PLR2004
    if not isinstance(exception, BaseException):
        return None if exception is None else readable(exc_info)  # None: exc_info=True where nothing was raised
    traceback = exc_info[2] if isinstance(exc_info, tuple) else exception.__traceback__
    return _chain(exception, traceback, set())


def _chain(exception: BaseException, traceback: TracebackType | None, seen: set[int]) -> list[dict[str, object]]:
    chain: list[dict[str, object]] = []
    following: BaseException | None = exception
    is_cause = False
    while following is not None and id(following) not in seen and len(seen) < _MOST_EXCEPTIONS:
        exception = following
        seen.add(id(exception))
        members_of_group = getattr(exception, "exceptions", None)
        is_group = isinstance(members_of_group, tuple)
        chain.append(
            {
                "exc_type": type_name(type(exception)),
                "exc_value": readable(exception),
                "exc_notes": [readable(note) for note in _notes(exception)],
                "is_cause": is_cause,
                "frames": _frames(traceback if len(chain) == 0 else exception.__traceback__),
                "is_group": is_group,
                "exceptions": [
                    _chain(member, member.__traceback__, seen)
                    for member in (members_of_group if isinstance(members_of_group, tuple) else ())
                    if isinstance(member, BaseException)
                ],
            }
        )
        is_cause = exception.__cause__ is not None
        following = exception.__cause__
        if following is None and not exception.__suppress_context__:
            following = exception.__context__
    return chain


def _notes(exception: BaseException) -> list[object]:
    notes = getattr(exception, "__notes__", None)
    return list(notes) if isinstance(notes, (list, tuple)) else []


def _frames(traceback: TracebackType | None) -> list[dict[str, object]]:
    frames: list[dict[str, object]] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append({"filename": code.co_filename, "lineno": traceback.tb_lineno, "name": code.co_name})
        traceback = traceback.tb_next
    if len(frames) > 2 * _MOST_FRAMES:
        left_out = len(frames) - 2 * _MOST_FRAMES
        frames[_MOST_FRAMES:-_MOST_FRAMES] = [{"filename": "", "lineno": 0, "name": f"... {left_out} frames left out"}]
    return frames
