"""All tries at mini-batches that a tree tells of, in its workers' logs and in its tables."""

from __future__ import annotations

from entry_script_helper.logtree import layouts, tryreading
from entry_script_helper.logtree.blocks import LONGEST, Blocks
from entry_script_helper.logtree.rows import named_rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from entry_script_helper.logtree.complaints import Complaints
    from entry_script_helper.logtree.layouts import Place
    from entry_script_helper.logtree.sources import Entry
    from entry_script_helper.logtree.tries import Try


def attempts(tree: Iterable[tuple[Entry, Place]], complaints: Complaints) -> Iterator[Try]:
    """Yield the tries that the files of a tree tell of, file by file; what can't be read is complained about."""
    for entry, place in tree:
        yield from _of(entry, place, complaints)


def _of(entry: Entry, place: Place, complaints: Complaints) -> Iterator[Try]:
    try:
        if place.kind == layouts.WORKER:
            yield from tryreading.from_worker_log(_datas(entry, complaints), place, entry.path)
        elif place.kind == layouts.TRIES:
            yield from tryreading.from_table(named_rows(entry), place, entry.path)
    except OSError as error:
        complaints.failed(entry.location, error)


def _datas(entry: Entry, complaints: Complaints) -> Iterator[bytes]:
    blocks = Blocks(entry, complaints)
    while (block := blocks.next(LONGEST)) is not None:
        yield block.data
