"""The log tree reader: records of any log tree, merged by time, and what they say about a run."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entry_script_helper.logtree.reading import read
    from entry_script_helper.logtree.records import Record
    from entry_script_helper.logtree.summarising import summarise
    from entry_script_helper.logtree.summary import Summary

__all__ = ["Record", "Summary", "read", "summarise"]

_HOMES = {"Record": "records", "Summary": "summary", "read": "reading", "summarise": "summarising"}


def __getattr__(name: str) -> object:
    """Import what is exported when it is first asked for: each command and each user needs little of it."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - this module is imported by all others of this room

    return getattr(import_module(f"{__name__}.{home}"), name)
