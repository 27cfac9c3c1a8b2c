"""The log tree reader: records of any log tree, merged by time, and what they say about a run."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entry_script_helper.logtree.findings.summarising import summarise
    from entry_script_helper.logtree.findings.summary import Summary
    from entry_script_helper.logtree.selection.reading import read
    from entry_script_helper.logtree.stream.records import Record

__all__ = ["Record", "Summary", "read", "summarise"]

_HOMES = {
    "Record": "stream.records",
    "Summary": "findings.summary",
    "read": "selection.reading",
    "summarise": "findings.summarising",
}


def __getattr__(name: str) -> object:
    """Import what is exported when it is first asked for: each command and each user needs little of it."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - this module is imported by all others of this room

    return getattr(import_module(f"{__name__}.{home}"), name)
