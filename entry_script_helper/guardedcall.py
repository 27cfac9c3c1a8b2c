"""One call of a guarded function: what is logged when it ends or raises, and what is armed meanwhile.

Whatever goes wrong in here is said once on stderr and changes nothing for the call.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
import os
import threading
import time

from entry_script_helper import contract, lastresort, machine, redaction
from entry_script_helper.errorfile import errors
from entry_script_helper.formatting import TextFormatter, structured_exception
from entry_script_helper.handler import handler_reached_from
from entry_script_helper.helper import EntryScriptHelper, config, where
from entry_script_helper.jsontext import readable, type_name
from entry_script_helper.processstate import state
from entry_script_helper.stacks import before, beside, stacks
from entry_script_helper.tracebacks import readable_traceback, summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from entry_script_helper.handler import EntryScriptHandler
    from entry_script_helper.redaction import Redactor
    from entry_script_helper.stacks import Deadline

MOST_ITEMS = 100
"""Items of a mini-batch that are listed in the error file."""


LONGEST_LINE = 1000
"""Characters of an exception's first line that stand in the log's; the traceback below has the whole."""


class _Nesting(threading.local):
    """How many guarded calls this thread is in, and the exception that an inner one has reported already."""

    depth = 0
    reported: BaseException | None = None


_nesting = _Nesting()


class Guard:
    """What is to be known of one guarded function."""

    def __init__(
        self, function: Callable[..., Any], timeout: float | None, logger: str | logging.Logger | None
    ) -> None:
        self.function = function
        self.timeout = timeout
        self.name = str(getattr(function, "__name__", type_name(type(function))))
        self._logger = logger
        code = getattr(inspect.unwrap(function), "__code__", None)
        self.source = (code.co_filename, code.co_firstlineno) if code else ("", 0)
        parameters = code.co_varnames[: code.co_argcount] if code else ()
        self.is_method = parameters[:1] in {("self",), ("cls",)}

    def wrapper(self) -> Callable[..., Any]:
        """Return the function that stands for the guarded one, with its name, docstring and signature."""
        function = self.function

        def guarded(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the function takes and gives
            call = _begun(self, args, kwargs)
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                _end(call, error=error)
                raise
            _end(call, result=result)
            return result

        functools.update_wrapper(guarded, function)
        guarded.is_guarded = True  # type: ignore[attr-defined]
        # Besides __wrapped__: inspect.getfullargspec, by which a driver may ask for run's parameters, ignores that.
        with contextlib.suppress(TypeError, ValueError):  # a function of C may tell none
            guarded.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        return guarded

    def destination(self, *, configure: bool) -> tuple[logging.Logger, EntryScriptHandler | None]:
        """Return the logger to log to and the handler of ours that it reaches, if there is one.

        Args:
            configure: Whether to configure the logger where it was not: not before the function has had its chance.
        """
        logger = self._logger
        if not isinstance(logger, logging.Logger):
            logger = logging.getLogger(logger or state().get("logger_name") or "EntryScript")
        handler = handler_reached_from(logger)
        if handler is None and configure and not isinstance(self._logger, logging.Logger):
            handler = handler_reached_from(config(logger.name))
        return logger, handler


def _begun(guard: Guard, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Call | None:
    _nesting.depth += 1
    try:
        return _Call(guard, args, kwargs)
    except Exception as error:  # noqa: BLE001 - the function is to run
        _say(error)
        return None


def _end(call: _Call | None, *, result: object = None, error: BaseException | None = None) -> None:
    try:
        if call is not None:
            if error is None:
                call.returned(result)
            else:
                call.raised(error)
    except Exception as trouble:  # noqa: BLE001 - the result, or the function's own exception, is what counts
        _say(trouble)
    finally:
        _nesting.depth -= 1
        if _nesting.depth <= 0:
            _nesting.depth = 0
            _nesting.reported = None


def _say(error: BaseException) -> None:
    lastresort.say_once("guard", f"@guard could not do its work: {type_name(type(error))}: {readable(error)}")


class _Call:
    """One call of a guarded function, from its start."""

    def __init__(self, guard: Guard, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._guard = guard
        self.items_in: int | None = None
        self._items: list[object] = []
        self._place: dict[str, object] = {}
        if guard.name == "run":
            self._look_at([*args[guard.is_method :], *kwargs.values()])
        self._deadline: Deadline | None = None
        logger, handler = guard.destination(configure=False)
        path = _stacks_path(handler)
        stacks().show_crashes(path)
        if guard.timeout is not None:
            self._deadline = stacks().begin(path, before(guard.timeout))
        if handler is not None and logger.isEnabledFor(
            logging.DEBUG
        ):  # before config() nothing is logged: it has yet to say where to
            self._log(logging.DEBUG, f"{self._what()} begins", {"function": guard.name, **self._place})
        self._processor = time.process_time()
        self._started = time.monotonic()

    def _look_at(self, arguments: list[Any]) -> None:
        """Keep what is to be known of the mini-batch: run() may change it."""
        if arguments:
            mini_batch = arguments[0]
            self.items_in = contract.count(mini_batch)
            if isinstance(mini_batch, (list, tuple)):
                self._items = list(mini_batch[:MOST_ITEMS])
        for context in arguments[1:2]:
            for name in ("minibatch_index", "retry_count"):
                value = getattr(context, name, None)
                if value is not None:
                    self._place[name] = value

    def returned(self, result: object) -> None:
        """Log that the function returned, and what is wrong with what it returned."""
        fields = self._measured("succeeded")
        text = f"{self._what()} ended after {_times(fields)}"
        problem = ""
        if self.items_in is not None:
            judged = contract.judge(result, self.items_in)
            fields.update(items_in=self.items_in, items_out=judged.items, items_succeeded=judged.succeeded)
            # No colon: then the redactor sees at once that there is no secret in it.
            text += f", {_items(self.items_in)} in, {judged.items} out, {judged.succeeded} succeeded"
            problem = judged.problem
        self._log(logging.INFO, text, fields)
        if problem:
            self._log(logging.WARNING, problem, fields)

    def raised(self, error: BaseException) -> None:
        """Log that the function raised, and describe the exception in the error file."""
        fields = self._measured("failed")
        text = f"{self._what()} failed after {_times(fields)}"
        if self.items_in is not None:
            fields["items_in"] = self.items_in
            text += f", {_items(self.items_in)} in"
        text += f": {summary(error, LONGEST_LINE)}"
        if _nesting.reported is error:
            self._log(logging.ERROR, f"{text} (its traceback is above)", fields)
            return
        if _nesting.depth > 1:
            _nesting.reported = error
        shown = error.__traceback__.tb_next if error.__traceback__ else None  # without the frame of guarded()
        path = self._describe(error, shown, fields)
        if path:
            text += f"; described in {path}"
        self._log(logging.ERROR, text, fields, (type(error), error, shown))

    def _what(self) -> str:
        index = self._place.get("minibatch_index")
        return f"{self._guard.name}()" + ("" if index is None else f" of mini-batch {readable(index)}")

    def _measured(self, outcome: str) -> dict[str, object]:
        """Stop the clocks and the timer; return what they say, as the fields of a record."""
        elapsed = time.monotonic() - self._started
        fields: dict[str, object] = {
            "function": self._guard.name,
            "outcome": outcome,
            "elapsed_seconds": round(elapsed, 6),
            "processor_seconds": round(time.process_time() - self._processor, 6),
            **self._place,
        }
        if self._deadline is not None and stacks().end(self._deadline):
            text = (
                f"{self._what()} took {elapsed:.3f} s of the {self._guard.timeout} s that it may take: the stacks that "
                f"all threads had before that are in {stacks().path}"
            )
            self._log(logging.WARNING, text, fields)
        return fields

    def _log(self, level: int, text: str, fields: dict[str, object], exc_info: Any = None) -> None:  # noqa: ANN401
        logger, _ = self._guard.destination(configure=True)
        if logger.isEnabledFor(level):
            file, line = self._guard.source
            # Not by logger.info(), which would name a function of this module.
            record = logger.makeRecord(
                logger.name, level, file, line, text, (), exc_info, func=self._guard.name, extra=fields
            )
            logger.handle(record)

    def _describe(self, error: BaseException, shown: Any, fields: dict[str, object]) -> str | None:  # noqa: ANN401
        _, handler = self._guard.destination(configure=True)
        return describe(error, shown, {**fields, "items": self._items}, _log_path(handler), _redactor(handler))


def describe(
    error: BaseException,
    shown: Any,  # noqa: ANN401 - a traceback
    fields: dict[str, object],
    log: str,
    redactor: Redactor | None,
) -> str | None:
    """Add an exception to the error file beside a log.

    Args:
        error: The exception.
        shown: Its traceback, from the frame that matters.
        fields: What is known of the call: ``function`` and so on.
        log: The log's path.
        redactor: Replaces secrets, or None to leave them.

    Returns:
        The error file's path; None where it could not be written.
    """
    place = where()
    entry: dict[object, object] = {
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **dict(fields.items()),
        "error": summary(error, LONGEST_LINE),
        "exception": _structured(error, shown),
        "traceback": readable_traceback(error, shown),
        "run_id": place.run_id.value,
        "node": place.node.value,
        "process_name": machine.process_name(),
        "process": os.getpid(),
        "thread": threading.get_ident(),
        "log_file": log,
    }
    return errors().add(log, entry, redactor)


def _log_path(handler: EntryScriptHandler | None) -> str:
    if handler is None:
        return os.path.abspath(EntryScriptHelper().get_log_file_path())
    file = handler.destination.file
    if file is None or not file.in_use:  # until it is open, its path may be another process's
        with contextlib.suppress(OSError):
            handler.open()
    return handler.baseFilename


def _stacks_path(handler: EntryScriptHandler | None) -> str:
    is_text = handler is None or isinstance(handler.destination.formatter, TextFormatter)
    return beside(_log_path(handler), is_text=is_text)


def _redactor(handler: EntryScriptHandler | None) -> Redactor | None:
    return handler.destination.formatter.redactor if handler else redaction.from_environment(redact=True)


def _items(number: int) -> str:
    return "1 item" if number == 1 else f"{number} items"


def _times(fields: dict[str, object]) -> str:
    return f"{fields['elapsed_seconds']:.3f} s ({fields['processor_seconds']:.3f} s of processor time)"


def _structured(error: BaseException, shown: Any) -> object:  # noqa: ANN401
    try:
        return structured_exception((type(error), error, shown))
    except Exception:  # noqa: BLE001 - an exception whose own code raises
        return None
