"""`guard`: what happened to one ``init()``, ``run()`` or ``shutdown()``, in the log of the process that it happened in.

Here is the decorator alone, so that importing it costs next to nothing; `guardedcall` does the work.
"""

from __future__ import annotations

from entry_script_helper.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from typing import Any, Protocol, TypeVar, overload

    F = TypeVar("F", bound=Callable[..., Any])

    class _Decorator(Protocol):
        @overload
        def __call__(self, function: F) -> F: ...

        @overload
        def __call__(
            self, function: None = None, *, timeout: float | None = None, logger: str | logging.Logger | None = None
        ) -> Callable[[F], F]: ...


def _typed(decorator: Any) -> _Decorator:  # noqa: ANN401
    """Return the decorator as what its overloads say: typing, which has @overload, takes long to import."""
    return decorator  # type: ignore[no-any-return]


@_typed
def guard(
    function: Any = None,  # noqa: ANN401 - see the overloads
    *,
    timeout: float | None = None,
    logger: str | logging.Logger | None = None,
) -> Any:  # noqa: ANN401
    """Log what happens to an entry script's function, as a decorator: ``@guard`` or ``@guard(timeout=60)``.

    Each call leaves a line with its wall-clock and processor time, of ``run()`` also the items in and out. An
    exception is logged with its traceback, described in a JSON file beside the log, and raised again. What ``run()``
    returns is held against the service's contract; a breach is a warning that names the fix. All threads' stacks are
    written shortly before *timeout*, and where native code crashes. The function's result is passed on as it is, and
    nothing of this raises.

    Args:
        function: ``init``, ``run`` or ``shutdown``, which may be methods.
        timeout: Seconds that the service gives a call (``run_invocation_timeout``); None: no stacks before the end.
        logger: A logger, or its name; without it the one that `config` configured last, or else ``EntryScript``.

    Raises:
        UsageError: An argument can't be meant. This is when the function is decorated, never when it is called.
    """
    if timeout is not None and not _is_time(timeout):
        raise UsageError(f"timeout: {timeout!r} is not a time: give seconds, more than 0, or None")
    if function is None:
        return lambda function: _guarded(function, timeout, logger)
    return _guarded(function, timeout, logger)


def _guarded(function: Any, timeout: float | None, logger: str | logging.Logger | None) -> Any:  # noqa: ANN401
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(_guarded(function.__func__, timeout, logger))
    if not callable(function):
        raise UsageError(f"guard: {type(function).__name__} is not a function: put @guard above init, run or shutdown")
    from entry_script_helper.guardedcall import Guard  # noqa: PLC0415 - for those who guard

    return Guard(function, timeout, logger).wrapper()


def _is_time(timeout: object) -> bool:
    return isinstance(timeout, (int, float)) and not isinstance(timeout, bool) and timeout > 0
