"""All tries at mini-batches that a tree tells of, in its workers' logs and in its tables."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from entry_script_helper.logtree import layouts
from entry_script_helper.logtree.activity import tryreading
from entry_script_helper.logtree.activity.tries import Try
from entry_script_helper.logtree.files import tables
from entry_script_helper.logtree.stream import scanning, shapes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from entry_script_helper.logtree.complaints import Complaints
    from entry_script_helper.logtree.layouts import Entry, Place

_PICK_UP = re.compile(rb"\bpicked up (?:mini.?batch|task) ([\w-]+)", re.IGNORECASE)
"""What a worker's log of the service says when it begins with a mini-batch."""


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


def attempts_at(
    mini_batches: Collection[str], tree: Sequence[tuple[Entry, Place]], complaints: Complaints
) -> list[Try]:
    """Return the tries at some mini-batches, with the time and the node of each as well as the tree tells them.

    A table of the service's may tell when a process was started, where one looks for when a mini-batch was begun, and
    the process's name without its node. Then the worker's log counts: from where it picked the mini-batch up to where
    it picked up the next one.

    Args:
        mini_batches: Their numbers or ids.
        tree: The files with what they are.
        complaints: Told what can't be read.
    """
    told = [*_timed(mini_batches, tree, complaints)]
    found = [one for one in told if one.node and one.start is not None]
    left = set(mini_batches).difference(one.mini_batch for one in found)
    if left:
        found += [one for one in _picked_up(tree, complaints) if one.mini_batch in left]
        left.difference_update(one.mini_batch for one in found)
    return found + [one for one in told if one.mini_batch in left]


def _timed(mini_batches: Collection[str], tree: Sequence[tuple[Entry, Place]], complaints: Complaints) -> Iterator[Try]:
    """Yield the tries as the files tell them; without a start where the next one of the process has the same."""
    for file in tree:
        latest: dict[tuple[str, str], float | None] = {}
        shared: set[tuple[str, str, float | None]] = set()
        found = []
        for one in attempts([file], complaints):
            process = one.node, one.process_name
            if process in latest and latest[process] == one.start:
                shared.add((*process, one.start))
            latest[process] = one.start
            if one.mini_batch in mini_batches:
                found.append(one)
        for one in found:
            is_shared = (one.node, one.process_name, one.start) in shared
            yield dataclasses.replace(one, start=None) if is_shared else one


def _picked_up(tree: Sequence[tuple[Entry, Place]], complaints: Complaints) -> Iterator[Try]:
    """Yield a try for each mini-batch that a worker's log says it has picked up."""
    for entry, place in tree:
        if place.kind == layouts.WORKER:
            latest: Try | None = None
            for mini_batch, start in _pick_ups(entry, complaints):
                if latest:
                    yield dataclasses.replace(latest, end=start)
                latest = Try(
                    mini_batch=mini_batch,
                    number=1,
                    node=place.node,
                    process_name=place.process_name,
                    process=place.process,
                    status=tryreading.RUNNING,
                    total=None,
                    succeeded=None,
                    start=start,
                    end=None,
                    path=entry.path,
                )
            if latest:
                yield latest


def _pick_ups(entry: Entry, complaints: Complaints) -> Iterator[tuple[str, float]]:
    """Yield the mini-batches that a worker's log says it has picked up, and when, in seconds since the epoch."""
    for block in scanning.blocks(entry, complaints):
        for _, data in scanning.found(block, (b"icked up ",)):
            match = _PICK_UP.search(data)
            time = shapes.moment_of(shapes.key_of(data.decode("latin-1")))
            if match and time:
                yield match[1].decode(), time.timestamp()
