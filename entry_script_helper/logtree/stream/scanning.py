"""The records of a file that matter, found without looking at the others: most of a log says that all is well.

Blocks of bytes are searched for a few signs at the speed of memory, and only the records around a hit are parsed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entry_script_helper.logtree.stream import shapes
from entry_script_helper.logtree.stream.blocks import LONGEST, Blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from entry_script_helper.logtree.complaints import Complaints
    from entry_script_helper.logtree.layouts import Entry
    from entry_script_helper.logtree.stream.blocks import Block


def blocks(entry: Entry, complaints: Complaints) -> Iterator[Block]:
    """Yield a file's blocks of whole records."""
    reader = Blocks(entry, complaints)
    while (block := reader.next(LONGEST)) is not None:
        yield block


def found(block: Block, signs: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the records of a block that hold a sign, each with its offset in the file."""
    hits = _hits(block.data, signs)
    if not hits:
        return
    if block.is_timed and not block.encoding:
        yield from _around(block, hits)
        return
    records, _ = block.records()
    for offset, record in zip(block.offsets(records), records):
        data = record.encode("latin-1")
        if any(sign in data for sign in signs):
            yield offset, data


def _hits(data: bytes, signs: Sequence[bytes]) -> list[int]:
    hits = []
    for sign in signs:
        position = data.find(sign)
        while position >= 0:
            hits.append(position)
            position = data.find(sign, position + len(sign))
    hits.sort()
    return hits


def _around(block: Block, hits: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """Yield the records at these positions: each begins at a line with a time, and ends before the next such line."""
    data, end = block.data, 0
    for hit in hits:
        if hit < end:
            continue
        begin = data.rfind(b"\n", end, hit) + 1 or end
        while begin > end and not shapes.BYTES_BEGINNING.match(data, begin):
            begin = data.rfind(b"\n", end, begin - 1) + 1 or end
        following = shapes.NEXT_RECORD_IN_BYTES.search(data, hit)
        end = following.end() if following else len(data)
        yield block.offset + begin, data[begin:end].rstrip(b"\n")
