"""What is behind structlog's loggers: a logger of the standard library's with a name of its own.

structlog's event dict travels in one attribute of an ordinary log record, so that the record passes the same
levels, handlers and formatter as any other; `write_event` is the sooner way.
"""

from __future__ import annotations

import logging
import sys

from entry_script_helper.handler import EntryScriptHandler, handler_reached_from, handlers_of_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

_fallback: list[logging.Logger] = []


def lead_all_to(logger: logging.Logger) -> None:
    """Let structlog's loggers whose names lead to no logger of ours write to this one."""
    _fallback[:] = [logger]


def logger_factory(*names: object) -> logging.Logger:
    """Return the logger behind a structlog logger: named as asked, or else like the module that asks."""
    name = str(names[0]) if names and names[0] is not None else _caller().f_globals.get("__name__", "structlog")
    named = logging.getLogger(name)
    return StructlogTarget(name, named if handler_reached_from(named) or not _fallback else _fallback[0])


class StructlogTarget(logging.Logger):
    """A logger that is in no registry: it has a name of its own, and the level and handlers of its parent."""

    def __init__(self, name: str, parent: logging.Logger) -> None:
        super().__init__(name)
        self.parent = parent
        self.writers: dict[str, Callable[..., object]] = {}

    def write_event(self, level: str, event: object, arguments: tuple[Any, ...], keywords: Any) -> object:  # noqa: ANN401
        """Write an event at once; return `NotImplemented` where it must become a record.

        Args:
            level: The method's name.
            event: The message.
            arguments: Those that belong into the message.
            keywords: The other values, and the frame of who calls.
        """
        if self.filters or self.handlers or self.disabled:
            return NotImplemented
        self.writers = self._new_writers()
        return self.writers[level](event, *arguments, event=keywords) if self.writers else NotImplemented

    def _new_writers(self) -> dict[str, Callable[..., object]]:
        ours = handlers_of_ours(self.parent) if self.parent else []
        try:
            from entry_script_helper import fastpath  # noqa: PLC0415 - may be deleted
        except (ImportError, OSError):
            return {}
        is_one = self.parent and len(ours) == 1 and isinstance(ours[0], EntryScriptHandler)
        return fastpath.event_methods(self.parent, ours[0], self.name) if is_one else {}  # type: ignore[arg-type]

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Pickle and copy by name, as loggers in the registry do."""
        return logger_factory, (self.name,)

    def handle(self, record: logging.LogRecord) -> None:
        """Pass the record on as the logger of this name would, whose filters count as well."""
        if self.parent and self.parent.name == self.name:
            self.parent.handle(record)
        else:
            super().handle(record)

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's
        """Ask the parent each time: only loggers in the registry learn of a changed level."""
        return bool(self.parent and not self.parent.disabled and self.parent.isEnabledFor(level))

    def findCaller(self, stack_info: bool = False, stacklevel: int = 1) -> tuple[str, int, str, str | None]:  # noqa: ARG002, FBT001, FBT002, N802 - logging's
        """Return where the call to structlog stands."""
        frame = _caller()
        text = None
        if stack_info:
            import traceback  # noqa: PLC0415 - loaded: logging imports it

            text = "Stack (most recent call last):\n" + "".join(traceback.format_stack(frame)).rstrip("\n")
        return frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name, text


def _caller() -> FrameType:
    # structlog's async methods log in a thread of a pool, and leave the frame that awaits them in a variable.
    contextvars = sys.modules.get("structlog.contextvars")
    awaiting = getattr(contextvars, "_ASYNC_CALLING_STACK", None)
    frame: FrameType = (awaiting.get(None) if awaiting else None) or sys._getframe(1)  # noqa: SLF001 - as logging does
    while frame.f_back is not None and is_between(frame.f_globals.get("__name__")):
        frame = frame.f_back
    return frame


def is_between(module: object) -> bool:
    """Tell whether a module is one that stands between the caller and the record."""
    return str(module).partition(".")[0] in _OUTSIDE_PACKAGES


_OUTSIDE_PACKAGES = {"structlog", "logging", __name__.partition(".")[0]}
