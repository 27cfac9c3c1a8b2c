"""What must outlive a reload, or a second import, of this package: it hangs on `logging`'s manager."""

from __future__ import annotations

import logging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ATTRIBUTE = "_entry_script_helper"


def state() -> dict[str, Any]:
    """Return the mapping that all loads of this package in this process share."""
    shared: dict[str, Any] = vars(logging.Logger.manager).setdefault(_ATTRIBUTE, {})
    return shared
