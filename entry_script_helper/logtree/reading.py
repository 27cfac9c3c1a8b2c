"""The records of log trees, merged by time, as objects."""

from __future__ import annotations

import os
import warnings
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple, Union

from entry_script_helper.logtree import filters, layouts, merge, parsing, shapes, sources, tryreading
from entry_script_helper.logtree.blocks import LONGEST, Blocks
from entry_script_helper.logtree.complaints import Complaints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from typing import TypeVar

    from entry_script_helper.logtree.blocks import Block
    from entry_script_helper.logtree.records import Record
    from entry_script_helper.logtree.sources import Entry
    from entry_script_helper.logtree.tries import Try

    Item = TypeVar("Item")
    Place = layouts.Place
    Found = tuple["LogFile", int, str, str]
    """A record as it was found: its file, where it begins there, its text, the key of its time."""

_NO_LOGS = (layouts.TRIES, layouts.TABLE, layouts.NODE_RESOURCES, layouts.PROCESS_RESOURCES, layouts.DATA)
_TAIL = 1 << 16

OneOrMore = Union[str, "Sequence[str]", None]


class LogFile(NamedTuple):
    """A file with records."""

    entry: Entry
    place: Place


def read(  # noqa: PLR0913 - as many as there are filters
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    level: str | None = None,
    logger: OneOrMore = None,
    process: OneOrMore | int = None,
    node: OneOrMore = None,
    since: str | datetime | None = None,
    until: str | datetime | None = None,
    grep: OneOrMore = None,
    mini_batch: OneOrMore | int = None,
) -> Iterator[Record]:
    """Yield the records of log trees, all processes and nodes merged by time.

    What can't be read is passed over with a `RuntimeWarning`; memory is bounded by the number of files.

    Args:
        paths: A run's folder, its ``logs/``, a zip archive of either, a file; or several of them.
        level: The lowest level that is wanted. A record that tells none counts as ``INFO``, with a traceback as
            ``ERROR``.
        logger: Names of loggers, or patterns such as ``azure.*``.
        process: Names of processes, or patterns such as ``Process-*``, or process ids.
        node: Nodes, or patterns such as ``10.0.0.*``.
        since: The first time that is wanted, by ISO 8601, in UTC if it has no offset; or a span such as ``10m``,
            counted back from the last record of the tree.
        until: The last time that is wanted, given alike.
        grep: A regular expression that is searched for in each record; of several, all must be found.
        mini_batch: Numbers of mini-batches: the records of the process that worked on one, in the time in which it
            did, and all that name it.

    Raises:
        UsageError: A path is missing or has no log in it, or an argument can't be meant. Raised by the call itself.
    """
    complaints = Complaints(lambda line: warnings.warn(line, RuntimeWarning, stacklevel=3))
    files = log_files([paths] if isinstance(paths, (str, os.PathLike)) else paths, complaints)
    wanted = wanted_of(
        files,
        complaints,
        level=level or "",
        loggers=_several(logger),
        processes=_several(process),
        nodes=_several(node),
        since=_moment(since),
        until=_moment(until),
        greps=_several(grep),
        mini_batches=_several(mini_batch),
    )
    return _records(found(files, wanted, complaints), complaints)


def log_files(paths: Iterable[str | os.PathLike[str]], complaints: Complaints) -> list[LogFile]:
    """Return the files of trees that hold records: all but tables and data; a table that was itself given, too."""
    entries = sources.entries(paths, complaints)
    files = [LogFile(entry, layouts.place(entry.path)) for entry in entries]
    return list(filter(_is_log, files)) or files


def wanted_of(  # noqa: PLR0913 - as many as there are filters
    files: Sequence[LogFile],
    complaints: Complaints,
    *,
    level: str,
    loggers: Sequence[str],
    processes: Sequence[str],
    nodes: Sequence[str],
    since: str,
    until: str,
    greps: Sequence[str],
    mini_batches: Sequence[str],
) -> filters.Filters:
    """Return filters, made of what a user gave; the files are looked at only where a filter needs to.

    Raises:
        UsageError: Something given can't be meant.
    """

    def last() -> str:
        return last_key(files, complaints)

    return filters.Filters(
        level=filters.level(level) if level else "",
        loggers=loggers,
        processes=processes,
        nodes=nodes,
        greps=[filters.expression(grep) for grep in greps],
        since=filters.earliest(filters.moment(since, last)) if since else "",
        until=filters.moment(until, last) if until else "",
        mini_batches=mini_batches,
        tries=_tries(files, set(mini_batches), complaints) if mini_batches else (),
    )


def found(files: Iterable[LogFile], wanted: filters.Filters, complaints: Complaints) -> Iterator[Found]:
    """Yield what is wanted of files, merged."""
    for items in merge.merged(streams(files, wanted, complaints, _as_found)):
        yield from items


def streams(
    files: Iterable[LogFile],
    wanted: filters.Filters,
    complaints: Complaints,
    make: Callable[[LogFile, Block, list[str], list[str]], list[Item]],
) -> list[merge.Stream[Item]]:
    """Return the streams that files are merged by.

    Args:
        files: The files.
        wanted: What is wanted of them.
        complaints: Told what can't be read.
        make: Makes items of a block's records and keys, one of each.
    """
    made = []
    for file in files:
        choose = _chooser(file, wanted, make)
        if choose:
            made.append(merge.Stream(file.entry, complaints, choose))
    return made


def last_key(files: Iterable[LogFile], complaints: Complaints) -> str:
    """Return the largest key in the files' last 64 KiB."""
    return max((_last_of(file.entry, complaints) for file in files), default=shapes.NO_TIME)


def as_record(item: Found) -> Record:
    """Return what was found as a record."""
    file, offset, raw, key = item
    return parsing.parse(raw, path=file.entry.path, offset=offset, place=file.place, key=key)


def _is_log(file: LogFile) -> bool:
    return file.place.kind not in _NO_LOGS and not file.entry.path.endswith(".error.json")


def _records(items: Iterator[Found], complaints: Complaints) -> Iterator[Record]:
    yield from map(as_record, items)
    complaints.close()


def _chooser(
    file: LogFile,
    wanted: filters.Filters,
    make: Callable[[LogFile, Block, list[str], list[str]], list[Item]],
) -> Callable[[Block, list[str], list[str]], tuple[list[Item], list[str]]] | None:
    of_file = wanted.for_file(file.place)
    if of_file is None:
        return None
    wants_all = not (of_file.since or of_file.until or of_file.checks)

    def choose(block: Block, records: list[str], keys: list[str]) -> tuple[list[Item], list[str]]:
        if wants_all:
            return make(file, block, records, keys), keys
        positions = of_file.positions(block, records, keys)
        if not positions:
            return [], []
        items = make(file, block, records, keys)
        return [items[at] for at in positions], [keys[at] for at in positions]

    return choose


def _as_found(file: LogFile, block: Block, records: list[str], keys: list[str]) -> list[Found]:
    if not block.is_timed:
        keys = [shapes.NO_TIME] * len(keys)
    return list(zip(repeat(file), block.offsets(records), records, keys))


def _last_of(entry: Entry, complaints: Complaints) -> str:
    try:
        offset = max(0, entry.size() - _TAIL)
        data = entry.read(offset, _TAIL)
    except OSError as error:
        complaints.failed(entry.location, error)
        return shapes.NO_TIME
    records = shapes.NEXT_RECORD.split(data.decode("latin-1"))
    return max(map(shapes.key_of, records), default=shapes.NO_TIME)


def _tries(files: Iterable[LogFile], mini_batches: set[str], complaints: Complaints) -> list[Try]:
    return [
        found
        for file in files
        if file.place.kind == layouts.WORKER
        for found in tryreading.from_worker_log(_datas(file.entry, complaints), file.place, file.entry.path)
        if found.mini_batch in mini_batches
    ]


def _datas(entry: Entry, complaints: Complaints) -> Iterator[bytes]:
    blocks = Blocks(entry, complaints)
    while True:
        block = blocks.next(LONGEST)
        if block is None:
            return
        yield block.data


def _several(given: OneOrMore | int) -> list[str]:
    if given is None:
        return []
    return [str(given)] if isinstance(given, (str, int)) else [str(one) for one in given]


def _moment(given: str | datetime | None) -> str:
    return "" if given is None else given if isinstance(given, str) else given.isoformat()
