"""structlog's loggers, led into the same file with the same keys as the standard library's.

Importing this imports structlog, which takes 65 ms.
"""

from __future__ import annotations

import functools
import sys

import structlog

from entry_script_helper.formatting import FIELDS
from entry_script_helper.structlogtarget import StructlogTarget, is_between, lead_all_to, logger_factory

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, MutableMapping
    from typing import Any

# Values that are more than values.
_SPECIAL = frozenset(["event", "exc_info", "stack_info", "positional_args"])


def install(logger: logging.Logger) -> None:
    """Configure structlog to end in our files, unless this process configured it itself.

    Args:
        logger: Where structlog's loggers go whose names lead to no logger of ours.
    """
    lead_all_to(logger)
    if not structlog.is_configured():
        structlog.configure(
            processors=[*PROCESSORS],
            wrapper_class=BoundLogger,
            logger_factory=logger_factory,
            cache_logger_on_first_use=False,
        )


def to_record(_logger: object, _method: str, event_dict: MutableMapping[str, Any]) -> tuple[Any, ...]:
    """Turn an event dict into the arguments of a standard library's logging call (structlog's last processor)."""
    keywords: dict[str, Any] = {key: event_dict.pop(key) for key in ("exc_info", "stack_info") if key in event_dict}
    arguments = event_dict.pop("positional_args", ())
    event = event_dict.pop("event", None)
    return (event, *arguments), {**keywords, "extra": {FIELDS: event_dict}}


PROCESSORS: list[Any] = [structlog.contextvars.merge_contextvars, to_record]
"""What happens to an event on its way into a record."""


_MOST_MODULES = 1000
_calling_modules: set[object] = set()
# Set in a thread of a pool in which an async method of structlog's logs for another.
_awaiting = getattr(structlog.contextvars, "_ASYNC_CALLING_STACK", None)


def _is_new_caller(module: object) -> bool:
    """Tell whether a module that is not among the known ones is the one that calls."""
    if is_between(module) or len(_calling_modules) >= _MOST_MODULES:
        return False
    _calling_modules.add(module)
    return True


def _sooner(name: str) -> Callable[..., Any]:
    """Return a method that writes its event at once where our processors are the only ones."""
    plain = getattr(structlog.stdlib.BoundLogger, name)

    @functools.wraps(plain)
    def method(self: Any, event: str | None = None, *args: Any, **values: Any) -> Any:  # noqa: ANN401
        target = self._logger
        if type(target) is StructlogTarget and self._processors == PROCESSORS:
            caller = sys._getframe(1)  # noqa: SLF001 - as logging does
            module = caller.f_globals.get("__name__")
            if (module in _calling_modules or _is_new_caller(module)) and not (_awaiting and _awaiting.get(None)):
                bound = self._context
                whole = {**bound, **values} if values else bound
                if _SPECIAL.isdisjoint(whole):
                    # What it calls, called here: one call less.
                    write = target.writers.get(name)
                    if write is None or target.filters or target.handlers or target.disabled:
                        done = target.write_event(name, event, args, (whole, caller))
                    else:
                        done = write(event, *args, event=(whole, caller))
                    if done is not NotImplemented:
                        return done
                    target.writers = {}
        return plain(self, event, *args, **values)

    return method


class BoundLogger(structlog.stdlib.BoundLogger):
    """structlog's logger for the standard library, whose events need not become records."""

    debug, info, warning, error, critical = map(_sooner, ("debug", "info", "warning", "error", "critical"))
    warn = warning
