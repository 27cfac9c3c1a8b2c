"""What must outlive a reload, or a second import, of this package: it hangs on `logging`'s manager."""

from __future__ import annotations

import logging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    _Thing = TypeVar("_Thing")

_ATTRIBUTE = "_entry_script_helper"


def state() -> dict[str, Any]:
    """Return the mapping that all loads of this package in this process share."""
    shared: dict[str, Any] = vars(logging.Logger.manager).setdefault(_ATTRIBUTE, {})
    return shared


def only(name: str, make: Callable[[], _Thing], begin: Callable[[_Thing], object]) -> _Thing:
    """Return the one object of this name in the process, made when it is first asked for.

    Args:
        name: Its key in `state`.
        make: Makes it. May run in several threads at once.
        begin: Called with the one that is kept, once: registers it with the interpreter.
    """
    kept = state()
    found: _Thing | None = kept.get(name)
    if found is None:
        mine = make()
        found = kept.setdefault(name, mine)
        if found is mine:  # another thread may have been first
            begin(mine)
    return found
