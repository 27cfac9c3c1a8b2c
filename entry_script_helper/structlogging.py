"""structlog's loggers, led into the same file with the same keys as the standard library's.

structlog's event dict travels in one attribute of an ordinary log record, so that the record passes the same
levels, handlers and formatter as any other.
"""

from __future__ import annotations

import logging
import sys

from entry_script_helper.formatting import FIELDS
from entry_script_helper.handler import handlers_of_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from types import FrameType
    from typing import Any

_fallback: list[logging.Logger] = []


def install(logger: logging.Logger) -> None:
    """Configure structlog to end in our files, unless this process configured it itself.

    Args:
        logger: Where structlog's loggers go whose names lead to no logger of ours.
    """
    try:
        import structlog  # noqa: PLC0415 - 65 ms
    except Exception:  # noqa: BLE001 - not installed, broken, or no descriptor to read it: the logger works without
        return
    _fallback[:] = [logger]
    if not structlog.is_configured():
        structlog.configure(
            processors=[structlog.contextvars.merge_contextvars, to_record],
            wrapper_class=structlog.stdlib.BoundLogger,
            logger_factory=logger_factory,
            cache_logger_on_first_use=False,
        )


def to_record(_logger: object, _method: str, event_dict: MutableMapping[str, Any]) -> tuple[Any, ...]:
    """Turn an event dict into the arguments of a standard library's logging call (structlog's last processor)."""
    keywords: dict[str, Any] = {key: event_dict.pop(key) for key in ("exc_info", "stack_info") if key in event_dict}
    arguments = event_dict.pop("positional_args", ())
    event = event_dict.pop("event", None)
    return (event, *arguments), {**keywords, "extra": {FIELDS: event_dict}}


def logger_factory(*names: object) -> logging.Logger:
    """Return the logger behind a structlog logger: named as asked, or else like the module that asks."""
    name = str(names[0]) if names and names[0] is not None else _caller().f_globals.get("__name__", "structlog")
    named = logging.getLogger(name)
    return StructlogTarget(name, named if _leads_to_us(named) or not _fallback else _fallback[0])


class StructlogTarget(logging.Logger):
    """A logger that is in no registry: it has a name of its own, and the level and handlers of its parent."""

    def __init__(self, name: str, parent: logging.Logger) -> None:
        super().__init__(name)
        self.parent = parent

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


def _leads_to_us(logger: logging.Logger | None) -> bool:
    while logger is not None:
        if handlers_of_ours(logger):
            return True
        logger = logger.parent if logger.propagate else None
    return False


def _caller() -> FrameType:
    # structlog's async methods log in a thread of a pool, and leave the frame that awaits them in a variable.
    contextvars = sys.modules.get("structlog.contextvars")
    awaiting = getattr(contextvars, "_ASYNC_CALLING_STACK", None)
    frame: FrameType = (awaiting.get(None) if awaiting else None) or sys._getframe(1)  # noqa: SLF001 - as logging does
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _OUTSIDE_PACKAGES:
        frame = frame.f_back
    return frame


_OUTSIDE_PACKAGES = {"structlog", "logging", __name__.partition(".")[0]}
