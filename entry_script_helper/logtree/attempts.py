"""All tries at mini-batches that a tree tells of, in its workers' logs and in its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entry_script_helper.logtree import layouts, scanning, tables, tryreading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from entry_script_helper.logtree.complaints import Complaints
    from entry_script_helper.logtree.layouts import Place
    from entry_script_helper.logtree.sources import Entry
    from entry_script_helper.logtree.tries import Try


def attempts(tree: Iterable[tuple[Entry, Place]], complaints: Complaints) -> Iterator[Try]:
    """Yield the tries that the files of a tree tell of, file by file.

    Args:
        tree: The files with what they are; those that tell of no tries are passed over.
        complaints: Told what can't be read.
    """
    for entry, place in tree:
        if place.kind == layouts.WORKER:
            blocks = (block.data for block in scanning.blocks(entry, complaints))
            yield from tryreading.from_worker_log(blocks, place, entry.path)
        elif place.kind == layouts.TRIES:
            yield from tryreading.from_table(tables.rows(entry, complaints), place, entry.path)
