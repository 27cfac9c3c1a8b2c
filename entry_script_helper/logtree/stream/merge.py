"""Many files as one stream of records in order of time.

The order is total: by key, then by the files' order, then as in the file. A file's own order is never changed: where
its clock goes back, its records keep the largest key that was before them. Where a record has no time it has the key of
the record before it. Records before a file's first time have that first time, if it stands in the file's first 64 KiB:
what a process prints before it first logs belongs there. Those of a file that has none there have the time at which the
file was last written to: what was printed without a time was printed until then.

Work is done for blocks of records, not for each record, as far as that goes: that makes it quick.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Generic, TypeVar

from entry_script_helper.logtree.stream import shapes
from entry_script_helper.logtree.stream.blocks import Blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from entry_script_helper.logtree.complaints import Complaints
    from entry_script_helper.logtree.layouts import Entry
    from entry_script_helper.logtree.stream.blocks import Block

HEAD = 1 << 16
"""Bytes at a file's beginning in which its first time is looked for."""
BUDGET = 1 << 19
"""Bytes of blocks that files share; many files have `SMALLEST` each. Beyond a processor's cache it gets slower."""
BUDGET_AHEAD = 1 << 21
"""Bytes that are read ahead, of all files: a read costs more than what it reads."""
SMALLEST, LARGEST = 1 << 12, 1 << 16
"""Bytes of a block."""

_FIRST_LOOK = 1 << 12

Item = TypeVar("Item")


class Stream(Generic[Item]):
    """One file's records and keys, in its own order.

    Args:
        entry: The file.
        complaints: Told what can't be read.
        choose: Makes items of the records that are wanted: takes a block, its records and their keys, and returns the
            items and their keys.
    """

    __slots__ = ("_choose", "blocks", "is_done", "is_final", "items", "keys", "last")

    def __init__(
        self,
        entry: Entry,
        complaints: Complaints,
        choose: Callable[[Block, list[str], list[str]], tuple[list[Item], list[str]]],
    ) -> None:
        self.blocks = Blocks(entry, complaints)
        self._choose = choose
        self.keys: list[str] = []
        self.items: list[Item] = []
        self.is_final = True
        """Whether the file's end ends its last record."""
        self.is_done = False
        self.last = first_key(entry, complaints)
        """The key that no further record is below."""

    def load(self, size: int, ahead: int) -> int:
        """Append the next block's items and keys, and return how many bytes it had; 0 at the file's end."""
        block = self.blocks.next(size, ahead, is_final=self.is_final)
        if block is None:
            self.is_done = True
            return 0
        records, keys = block.records()
        if keys[0] < self.last or sorted(keys) != keys:
            keys = list(accumulate(keys, max, initial=self.last))[1:]
        self.last = keys[-1]
        items, keys = self._choose(block, records, keys)
        if self.keys:
            self.items += items
            self.keys += keys
        else:
            self.items, self.keys = items, keys
        return len(block.data)

    def take(self, bound: str | None, *, inclusive: bool) -> tuple[list[Item], list[str]]:
        """Remove and return items and keys below a key, or up to it; all of them without one."""
        cut = len(self.keys) if bound is None else (bisect_right if inclusive else bisect_left)(self.keys, bound)
        items, keys = self.items[:cut], self.keys[:cut]
        self.items, self.keys = self.items[cut:], self.keys[cut:]
        return items, keys


def everything(_block: Block, records: list[str], keys: list[str]) -> tuple[list[str], list[str]]:
    """Choose every record, as the Latin-1 text that it is."""
    return records, keys


def merged(streams: Sequence[Stream[Item]]) -> Iterator[list[Item]]:
    """Yield the items of all streams, in order, some at a time; the first ones as soon as they are known to be.

    Memory is bounded by the number of streams whose times overlap: a block of each is in it, or a single record.
    """
    heap = [(stream.last, index) for index, stream in enumerate(streams)]
    heapq.heapify(heap)
    active: list[int] = []
    started: set[int] = set()
    target = 0
    while heap:
        share = 1 / (len(active) or 1)
        size = max(SMALLEST, min(LARGEST, int(BUDGET * share)))
        ahead = min(LARGEST, int(BUDGET_AHEAD * share))
        fresh = 0
        while heap and fresh <= target:
            index = heapq.heappop(heap)[1]
            stream = streams[index]
            if index not in started:
                started.add(index)
                insort(active, index)
            fresh += stream.load(size, ahead)
            if not stream.is_done:
                heapq.heappush(heap, (stream.last, index))
        items = _settled([(index, streams[index]) for index in active], heap[0] if heap else None)
        active = [index for index in active if streams[index].keys or not streams[index].is_done]
        target = min(2 * target + size, size * len(active))
        if items:
            yield items


def first_key(entry: Entry, complaints: Complaints) -> str:
    """Return the key of a file's first time, or of when it was last written to."""
    blocks = Blocks(entry, complaints)
    size = _FIRST_LOOK
    while blocks.offset < HEAD:
        block = blocks.next(size)
        if block is None:
            break
        if block.is_timed:
            key = next(filter(None, map(shapes.key_of, _few_records(block))), shapes.NO_TIME)
            if key:
                return key
        size = HEAD
    return _last_written(entry)


def _few_records(block: Block) -> Iterator[str]:
    text = block.data.decode("latin-1")
    start = 0
    while True:
        match = shapes.NEXT_RECORD.search(text, start)
        yield text[start : match.start() if match else len(text)]
        if not match:
            return
        start = match.end()


def _last_written(entry: Entry) -> str:
    try:
        return shapes.key_of_seconds(entry.modified())
    except OSError:
        return shapes.NO_TIME


def _settled(streams: list[tuple[int, Stream[Item]]], bound: tuple[str, int] | None) -> list[Item]:
    """Take what nothing can come before that isn't loaded yet, and return it in order."""
    items: list[Item] = []
    keys: list[str] = []
    contributors = 0
    for index, stream in streams:
        if stream.keys and (bound is None or stream.keys[0] <= bound[0]):
            more, their_keys = stream.take(bound and bound[0], inclusive=bound is None or index <= bound[1])
            items += more
            keys += their_keys
            contributors += 1
    if contributors > 1:
        # sort() asks for the key of each item once, in the list's order, and is stable: so the keys that are at hand
        # serve, without a step of Python's or an index for each item.
        items.sort(key=partial(next, iter(keys)))
    return items
