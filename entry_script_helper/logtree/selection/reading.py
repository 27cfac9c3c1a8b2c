"""The records of log trees, merged by time, as objects."""

from __future__ import annotations

import os
import warnings
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Union

from entry_script_helper.logtree import layouts
from entry_script_helper.logtree.activity import attempts
from entry_script_helper.logtree.complaints import Complaints
from entry_script_helper.logtree.files import sources
from entry_script_helper.logtree.layouts import LogFile
from entry_script_helper.logtree.selection import filters
from entry_script_helper.logtree.selection.follow import Follower
from entry_script_helper.logtree.stream import merge, parsing, shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from typing import TypeVar

    from entry_script_helper.logtree.activity.tries import Try
    from entry_script_helper.logtree.layouts import Entry
    from entry_script_helper.logtree.stream.blocks import Block
    from entry_script_helper.logtree.stream.records import Record

    Item = TypeVar("Item")
    Choose = Callable[[Block, list[str], list[str]], tuple[list[Item], list[str]]]
    Make = Callable[[LogFile, Block, list[str], list[str]], list[Item]]
    Found = tuple[LogFile, int, str, str]
    """A record as it was found: its file, where it begins there, its text, the key of its time."""

_NO_LOGS = (layouts.TRIES, layouts.TABLE, layouts.NODE_RESOURCES, layouts.PROCESS_RESOURCES, layouts.DATA)
_TAIL = 1 << 16

OneOrMore = Union[str, "Sequence[str]", None]


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
    selection = Selection([paths] if isinstance(paths, (str, os.PathLike)) else paths, complaints)
    wanted = selection.wanted(
        level=level or "",
        loggers=_several(logger),
        processes=_several(process),
        nodes=_several(node),
        since=_moment(since),
        until=_moment(until),
        greps=_several(grep),
        mini_batches=_several(mini_batch),
    )
    return _records(selection.merged(wanted, as_found), complaints)


class Selection:
    """The files of log trees that hold records, to be merged: all but tables and data, unless those alone were given.

    Args:
        paths: Folders, files, zip archives.
        complaints: Told what can't be read.

    Raises:
        UsageError: A path is missing or has no log in it.
    """

    def __init__(self, paths: Iterable[str | os.PathLike[str]], complaints: Complaints) -> None:
        self._complaints = complaints
        self._sources = sources.Sources(paths, complaints)
        files = list(map(_log_file, self._sources.all()))
        self.files = list(filter(_is_log, files)) or files
        self._telling = [file for file in files if file.place.kind in (layouts.WORKER, layouts.TRIES)]

    def wanted(  # noqa: PLR0913 - as many as there are filters
        self,
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
        return filters.Filters(
            level=filters.level(level) if level else "",
            loggers=loggers,
            processes=processes,
            nodes=nodes,
            greps=[filters.expression(grep) for grep in greps],
            since=filters.earliest(filters.moment(since, self._last_key)) if since else "",
            until=filters.moment(until, self._last_key) if until else "",
            mini_batches=mini_batches,
            tries=self._tries(set(mini_batches)) if mini_batches else (),
        )

    def merged(self, wanted: filters.Filters, make: Make[Item], *, follow: bool = False) -> Iterator[list[Item]]:
        """Yield items of the records that are wanted, merged, some at a time.

        Args:
            wanted: Which records.
            make: Makes items of a block's records and keys, one of each.
            follow: Whether to go on with what is added to files, and with files that appear; then it does not end.
        """
        if follow:
            return Follower(self.files, self._appeared, partial(self._stream, wanted, make)).run()
        streams = (self._stream(wanted, make, file) for file in self.files if not _is_empty(file.entry))
        return merge.merged([stream for stream in streams if stream])

    def _stream(self, wanted: filters.Filters, make: Make[Item], file: LogFile) -> merge.Stream[Item] | None:
        of_file = wanted.for_file(file.place)
        return of_file and merge.Stream(file.entry, self._complaints, _chooser(file, of_file, make))

    def _appeared(self) -> list[LogFile]:
        return list(filter(_is_log, map(_log_file, self._sources.rescan())))

    def _last_key(self) -> str:
        return max((_last_of(file.entry, self._complaints) for file in self.files), default=shapes.NO_TIME)

    def _tries(self, mini_batches: set[str]) -> list[Try]:
        tree = [(file.entry, file.place) for file in self._telling]
        return attempts.attempts_at(mini_batches, tree, self._complaints)


def as_record(item: Found) -> Record:
    """Return what was found as a record."""
    file, offset, raw, key = item
    return parsing.parse(raw, path=file.path, offset=offset, place=file.place, key=key)


def as_found(file: LogFile, block: Block, records: list[str], keys: list[str]) -> list[Found]:
    """Make items that tell where each record was found."""
    if not block.is_timed:
        keys = [shapes.NO_TIME] * len(keys)
    return list(zip(repeat(file), block.offsets(records), records, keys))


def as_text(_file: LogFile, _block: Block, records: list[str], _keys: list[str]) -> list[str]:
    """Make items that are the records' text alone."""
    return records


def _log_file(entry: Entry) -> LogFile:
    path = entry.path
    return LogFile(entry, layouts.place(path), path)


def _is_log(file: LogFile) -> bool:
    return file.place.kind not in _NO_LOGS and not file.path.endswith(".error.json")


def _records(found: Iterator[list[Found]], complaints: Complaints) -> Iterator[Record]:
    for items in found:
        yield from map(as_record, items)
    complaints.close()


def _chooser(file: LogFile, wanted: filters.FileFilter, make: Make[Item]) -> Choose[Item]:
    wants_all = not (wanted.since or wanted.until or wanted.checks)

    def choose(block: Block, records: list[str], keys: list[str]) -> tuple[list[Item], list[str]]:
        if wants_all:
            return make(file, block, records, keys), keys
        positions = wanted.positions(block, records, keys)
        if not positions:
            return [], []
        items = make(file, block, records, keys)
        return [items[at] for at in positions], [keys[at] for at in positions]

    return choose


def _is_empty(entry: Entry) -> bool:
    """Tell whether a file has nothing in it: some trees have a hundred thousand of these."""
    try:
        return not entry.size()
    except OSError:
        return False  # who reads it complains


def _last_of(entry: Entry, complaints: Complaints) -> str:
    try:
        offset = max(0, entry.size() - _TAIL)
        data = entry.read(offset, _TAIL)
    except OSError as error:
        complaints.failed(entry.location, error)
        return shapes.NO_TIME
    records = shapes.NEXT_RECORD.split(data.decode("latin-1"))
    return max(map(shapes.key_of, records))


def _several(given: OneOrMore | int) -> list[str]:
    if given is None:
        return []
    return [str(given)] if isinstance(given, (str, int)) else [str(one) for one in given]


def _moment(given: str | datetime | None) -> str:
    return "" if given is None else given if isinstance(given, str) else given.isoformat()
