"""Which files are logs in a folder or an archive in which nothing tells of a log tree: by looking into them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entry_script_helper.logtree import layouts
from entry_script_helper.logtree.complaints import Complaints
from entry_script_helper.logtree.stream.blocks import Blocks

if TYPE_CHECKING:
    from entry_script_helper.logtree.layouts import Entry

ENDINGS = (".log", ".out", ".err")
"""Endings of files that are logs, whatever is in them."""

DOUBTFUL_ENDINGS = (".txt", ".jsonl", ".json")
"""Endings of files that are logs where a record with a time is near their beginning. Others are data, or notes."""

_NEAR = 1 << 16
_LOOK = 1 << 12


def is_log(entry: Entry) -> bool:
    """Tell whether a file is a log: by its name, or by a time near its beginning.

    One that can't be read is taken for a log: who reads it says so.
    """
    path = entry.path.lower()
    if path.endswith(ENDINGS):
        return True
    is_known = layouts.place(entry.path).kind not in (layouts.OTHER, layouts.DATA)
    if is_known and not path.endswith(".jsonl"):  # which data often have
        return True
    return path.endswith(DOUBTFUL_ENDINGS) and _has_times(entry)


def _has_times(entry: Entry) -> bool:
    blocks = Blocks(entry, Complaints())
    while blocks.offset < _NEAR:
        block = blocks.next(_LOOK)
        if block is None:
            return blocks.has_failed
        if any(block.records()[1]):
            return True
    return False
