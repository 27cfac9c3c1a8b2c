"""Tables as input: CSV, Parquet and JSON lines, cut by size or by key into mini-batches that are pandas DataFrames.

The master only looks for where to cut, a block at a time; a worker process loads the rows of its mini-batch. A
mini-batch by size never spans two files, and a file is cut between records only (a quoted field of CSV may hold
newlines). Types are pandas' own, found anew in each mini-batch; those of the keys in CSV are found over all of them.
"""

from __future__ import annotations

import dataclasses
import os
import re

from entry_script_helper.errors import UsageError
from entry_script_helper.simulator import partitions, tablefiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    import pandas as pd

    from entry_script_helper.simulator.settings import Settings
    from entry_script_helper.simulator.tablefiles import Piece

_SUFFIXES = {
    "csv": (".csv", ".tsv", ".txt"),
    "parquet": (".parquet", ".parq", ".pq"),
    "jsonl": (".jsonl", ".ndjson", ".json"),
}


class TableError(ValueError):
    """A part of a table can't be loaded."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """How the pieces of one run are read."""

    input_format: str
    delimiter: str | None = None
    partition_format: str | None = None
    key_types: tuple[tuple[str, str], ...] = ()
    """The types of the keys in CSV."""

    def __call__(self, piece: Piece, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the rows of a piece; of the columns only those asked for, where any are.

        Raises:
            TableError: They can't be read: the text names file and place.
        """
        try:
            if self.input_format == "parquet":
                frame = tablefiles.rows_of_parquet(piece, columns)
            elif self.input_format == "jsonl":
                frame = tablefiles.rows_of_jsonl(piece)
            else:
                frame = tablefiles.rows_of_csv(piece, self.delimiter, columns, dict(self.key_types))
        except Exception as error:
            unit = "rows" if self.input_format == "parquet" else "bytes"
            place = f"{piece.path}, {unit} {piece.start} to {piece.stop}"
            raise TableError(f"{place} can't be read as {self.input_format}: {error}") from error
        for name, value in partitions.PathColumns(self.partition_format).of(piece.path).items():
            frame[name] = value
        return frame


@dataclasses.dataclass(frozen=True)
class TableBatch:
    """Some rows of the input's tables, as a mini-batch."""

    index: int
    pieces: tuple[Piece, ...]
    items: int
    reading: Reading
    keys: tuple[tuple[str, Any], ...] = ()
    """The partition keys with their values in this mini-batch."""

    @property
    def partition_key_value(self) -> dict[str, Any] | None:
        """The keys and values, as the service's context has them; None where there are no keys."""
        return dict(self.keys) or None

    @property
    def dataset(self) -> list[str]:
        """The files that the rows are from."""
        return list(dict.fromkeys(piece.path for piece in self.pieces))

    def load(self) -> pd.DataFrame:
        """Return the rows, counted from 0.

        Raises:
            TableError: They can't be read.
        """
        frames = [_with_keys(self.reading(piece), self.keys) for piece in self.pieces]
        return frames[0].reset_index(drop=True) if len(frames) == 1 else _joined(frames)


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    joined: pd.DataFrame = tablefiles.pandas().concat(frames, ignore_index=True)
    return joined


def _with_keys(frame: pd.DataFrame, keys: tuple[tuple[str, Any], ...]) -> pd.DataFrame:
    """Return those rows that have the keys' values."""
    for name, value in keys:
        frame = frame[frame[name].isna() if value is None else frame[name] == value]
    return frame


class TableInput:
    """All mini-batches of tables, in the order of the files and of the rows in them. None of them is empty.

    Args:
        files: The files' absolute paths.
        settings: How they are cut and read.

    Raises:
        UsageError: A file is not of the format, or lacks a key, or there are no rows.
        MissingExtraError: pandas, or for Parquet pyarrow, is not installed.
    """

    def __init__(self, files: Iterable[str], settings: Settings) -> None:
        tablefiles.pandas()  # to be told now if it is missing
        reading = Reading(settings.input_format, settings.delimiter, settings.partition_format)
        columns_of = partitions.PathColumns(settings.partition_format)
        pieces: list[Piece] = []
        for path in _fitting(files, settings.input_format):
            if settings.partition_format is not None:
                columns_of.of(path)  # what doesn't fit is told now, and not by a worker process
            found = tablefiles.pieces(path, settings.input_format, settings.mini_batch_size, settings.delimiter)
            pieces += [piece for piece in found if piece.rows]
        if not pieces:
            raise UsageError(f"the {settings.input_format} input has no rows: give files that have some")
        if settings.partition_keys:
            self._batches = _by_key(pieces, settings.partition_keys, reading)
        else:
            self._batches = [TableBatch(index, (piece,), piece.rows, reading) for index, piece in enumerate(pieces)]
        self.mini_batches = len(self._batches)
        self.items: int | None = sum(batch.items for batch in self._batches)

    @property
    def digest(self) -> str:
        """A digest of all pieces and how they are read."""
        from hashlib import sha256  # noqa: PLC0415 - heavy, and not needed to import this

        return sha256("\n".join(map(repr, self._batches)).encode("utf-8", "surrogateescape")).hexdigest()

    def mini_batch(self, index: int) -> TableBatch:
        """Return the mini-batch of this index."""
        return self._batches[index]


def _fitting(files: Iterable[str], input_format: str) -> list[str]:
    """Return the files whose names are those of the format, or all where none is: some tools leave others beside."""
    everything = list(files)
    fitting = [path for path in everything if path.lower().endswith(_SUFFIXES[input_format])]
    return [path for path in fitting or everything if not os.path.basename(path).startswith(("_", "."))]


# ---- by key


def _by_key(pieces: list[Piece], keys: tuple[str, ...], reading: Reading) -> list[TableBatch]:
    """Return a mini-batch for each value of the keys, in the order in which these first come."""
    groups: dict[tuple[Any, ...], list[Piece]] = {}
    for piece in pieces:
        for value, rows in _values_of(piece, keys, reading):
            groups.setdefault(value, []).append(dataclasses.replace(piece, rows=rows))
    if reading.input_format == "csv":
        in_path = partitions.PathColumns(reading.partition_format).of(pieces[0].path)
        types = tuple((key, kind) for key, kind in _types(keys, groups) if key not in in_path)
        reading = dataclasses.replace(reading, key_types=types)
    kinds = dict(reading.key_types)
    return [
        TableBatch(
            index,
            tuple(found),
            sum(piece.rows for piece in found),
            reading,
            tuple((key, _as(kinds.get(key), value)) for key, value in zip(keys, values)),
        )
        for index, (values, found) in enumerate(groups.items())
    ]


def _values_of(piece: Piece, keys: tuple[str, ...], reading: Reading) -> list[tuple[tuple[Any, ...], int]]:
    """Return the values of the keys in a piece, each with the number of its rows."""
    in_path = partitions.PathColumns(reading.partition_format).of(piece.path)
    if all(key in in_path for key in keys):
        return [(tuple(in_path[key] for key in keys), piece.rows)]
    try:
        frame = reading(piece, keys)
    except TableError as error:
        raise UsageError(str(error)) from error
    for key in keys:
        if key not in frame.columns:
            raise UsageError(f"partition keys: {piece.path} has no column {key}: name one that all its files have")
    counts: Any = frame.groupby(list(keys), sort=False, dropna=False).size()
    return [(tuple(map(_plain, value if len(keys) > 1 else (value,))), int(rows)) for value, rows in counts.items()]


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
    """Return a value of pandas as Python's own; what is missing is None, which equals itself."""
    if tablefiles.pandas().isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def _types(keys: tuple[str, ...], groups: Iterable[tuple[Any, ...]]) -> tuple[tuple[str, str], ...]:
    """Return the types of the keys' columns in CSV: numbers only where all values are numbers, written as such.

    Found over the whole input: in one mini-batch 007 might be a number, and in the next a text.
    """
    found = []
    for key, values in zip(keys, zip(*groups)):
        texts = [value for value in values if value is not None]
        if all(re.fullmatch(r"(?a:-?(0|[1-9]\d{0,17}))", str(text)) for text in texts):
            found.append((key, "int64" if len(texts) == len(values) else "float64"))
        else:
            found.append((key, "str"))
    return tuple(found)


def _as(kind: str | None, value: Any) -> Any:  # noqa: ANN401 - as `_plain`
    if value is None or kind in {None, "str"}:
        return value
    return int(value) if kind == "int64" else float(value)
