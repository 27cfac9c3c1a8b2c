"""Columns that a file's path holds, as the service's ``partition_format`` finds them.

That is documented for azureml-core's `FileDatasetFactory.from_files`.

``{store}`` is a text column, ``{day:yyyy/MM/dd}`` one of dates; the format describes the path's end, from its first
column on. Without a format, folders named ``key=value`` are columns, as Spark and Hive write them.
"""

from __future__ import annotations

import datetime as dt
import re
from urllib.parse import unquote

from entry_script_helper.errors import UsageError
from entry_script_helper.simulator.minibatches import FileMiniBatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_COLUMN = r"\{(\w+)(?::([^{}]*))?\}|\*"
_DATE_PARTS = {"yyyy": ("year", 4), "MM": ("month", 2), "dd": ("day", 2), "HH": ("hour", 2), "mm": ("minute", 2)}
_DATE_PARTS["ss"] = ("second", 2)
_HIVE = r"/([^/=]+)=([^/]*)(?=/)"
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


class PathColumns:
    """The columns in the paths of one run's files.

    Args:
        partition_format: The format, or None for folders named ``key=value``.

    Raises:
        UsageError: The format has no column, one twice, or a date of no known parts.
    """

    def __init__(self, partition_format: str | None) -> None:
        self._format = partition_format
        self._dates: dict[str, dict[str, str]] = {}
        """The groups of each column of dates, by the names that `datetime` has for them."""
        self.names: tuple[str, ...] = ()
        """The columns of the format."""
        if partition_format is not None:
            self._pattern = re.compile(self._regular_expression(partition_format))

    def of(self, path: str) -> dict[str, Any]:
        """Return the columns of a file and their values, text or datetimes.

        Raises:
            UsageError: The path does not fit the format.
        """
        if self._format is None:
            return {name: None if value == _HIVE_NULL else unquote(value) for name, value in re.findall(_HIVE, path)}
        match = self._pattern.search(path)
        values = self._values(match) if match else None
        if values is None:
            raise UsageError(f"the path {path} does not fit the partition format {self._format}: give one that all fit")
        return values

    def _values(self, match: re.Match[str]) -> dict[str, Any] | None:
        values: dict[str, Any] = {}
        for name in self.names:
            if name not in self._dates:
                values[name] = match.group(name)
                continue
            parts = {part: int(match.group(group)) for part, group in self._dates[name].items()}
            try:
                values[name] = dt.datetime(**{"year": 1, "month": 1, "day": 1, **parts})  # type: ignore[arg-type]  # noqa: DTZ001 - a path has no zone
            except ValueError:  # the 31st of June
                return None
        return values

    def _regular_expression(self, partition_format: str) -> str:
        pieces = []
        end = 0
        for found in re.finditer(_COLUMN, partition_format):
            pieces.append(re.escape(partition_format[end : found.start()]))
            end = found.end()
            name, date = found.groups()
            if name is None:
                pieces.append("[^/]*")
            elif name in self.names:
                raise UsageError(f"the partition format {partition_format} has {{{name}}} twice: name each once")
            else:
                self.names += (name,)
                pieces.append(self._date(name, date) if date else f"(?P<{name}>[^/]+)")
        if not self.names:
            raise UsageError(f"the partition format {partition_format} has no column: write one as {{name}}")
        return "".join([*pieces, re.escape(partition_format[end:]), r"\Z"])

    def _date(self, name: str, date: str) -> str:
        groups = self._dates.setdefault(name, {})

        def group(match: re.Match[str]) -> str:
            part, digits = _DATE_PARTS[match.group()]
            groups[part] = f"{name}__{part}"
            return f"(?P<{groups[part]}>[0-9]{{{digits}}})"

        pattern = re.sub("|".join(_DATE_PARTS), group, re.escape(date))
        if "year" not in groups:
            raise UsageError(f"the partition format's {{{name}:{date}}} is no date: write it as {{{name}:yyyy/MM/dd}}")
        return pattern


class FilesByKey:
    """Files, with a mini-batch for each value of the keys in their paths, in the order in which these first come.

    Args:
        files: The files' absolute paths.
        keys: The columns that are keys.
        partition_format: As for `PathColumns`.

    Raises:
        UsageError: A path lacks a key.
    """

    def __init__(self, files: Iterable[str], keys: tuple[str, ...], partition_format: str | None) -> None:
        columns = PathColumns(partition_format)
        self._groups: dict[tuple[Any, ...], list[str]] = {}
        self.items = 0
        for path in files:
            found = columns.of(path)
            for key in keys:
                if key not in found:
                    raise UsageError(_missing(key, path, found, partition_format))
            self._groups.setdefault(tuple(found[key] for key in keys), []).append(path)
            self.items += 1
        self._keys = keys
        self._values = list(self._groups)
        self.mini_batches = len(self._values)

    @property
    def digest(self) -> str:
        """A digest of all groups and their paths."""
        from hashlib import sha256  # noqa: PLC0415 - heavy, and not needed to import this

        return sha256(repr((self._keys, self._groups)).encode("utf-8", "surrogateescape")).hexdigest()

    def mini_batch(self, index: int) -> FileMiniBatch:
        """Return the mini-batch of this index."""
        values = self._values[index]
        return FileMiniBatch(index, self._groups[values], dict(zip(self._keys, values)))


def _missing(key: str, path: str, found: Mapping[str, Any], partition_format: str | None) -> str:
    if partition_format is not None:
        return f"there is no partition key {key} in {partition_format}: write it as {{{key}}}"
    has = f"it has {', '.join(found)}" if found else "no folder in it is named key=value"
    return f"the path {path} has no partition key {key}: {has}; say by a partition format where it is"
