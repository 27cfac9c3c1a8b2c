"""The files of tables, piece by piece: where one can be cut without breaking a record, and the rows of a piece.

CSV and JSON lines are looked through a block at a time; of Parquet only the metadata is.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re

from entry_script_helper.errors import MissingExtraError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    import pandas as pd

_NOT_TEXT = {
    b"\x1f\x8b": "is compressed: unpack it",
    b"PK\x03\x04": "is compressed, or a workbook: give plain text",
    b"BZh": "is compressed: unpack it",
    b"\x28\xb5\x2f\xfd": "is compressed: unpack it",
    b"\xff\xfe": "is UTF-16: save it as UTF-8",
    b"\xfe\xff": "is UTF-16: save it as UTF-8",
}


@dataclasses.dataclass(frozen=True)
class Piece:
    """A part of one file: bytes of text, rows of Parquet."""

    path: str
    start: int
    stop: int
    rows: int
    header: int = 0
    """Where the header of CSV ends, in bytes."""


def pieces(path: str, input_format: str, size: int, delimiter: str | None) -> Iterator[Piece]:
    """Yield the pieces of a file, each of about *size* bytes, or of one record where that is larger.

    Raises:
        UsageError: It can't be read, or is not of the format.
        MissingExtraError: pyarrow is needed and not installed.
    """
    try:
        if input_format == "parquet":
            yield from _pieces_of_parquet(path, size)
        elif input_format == "jsonl":
            yield from _pieces_of_text(path, size)
        else:
            yield from _pieces_of_csv(path, size, _delimiter_of(path, delimiter))
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror or error}; give files that can") from error


def rows_of_csv(
    piece: Piece, delimiter: str | None, columns: Sequence[str] | None, types: Mapping[str, str]
) -> pd.DataFrame:
    """Return the rows of a piece of CSV; of the columns only those asked for, as text, where any are."""
    text = _bytes(piece.path, 0, piece.header) + _bytes(piece.path, piece.start, piece.stop)
    wanted = (lambda name: name in columns) if columns is not None else None
    frame: pd.DataFrame = pandas().read_csv(
        io.BytesIO(text),
        sep=_delimiter_of(piece.path, delimiter),
        usecols=wanted,
        dtype=types if columns is None else dict.fromkeys(columns, "str"),
    )
    return frame


# ---- text


def _delimiter_of(path: str, given: str | None) -> str:
    """Return the character between the columns of a CSV file."""
    return given or ("\t" if path.lower().endswith(".tsv") else ",")


def _bytes(path: str, start: int, stop: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(start)
        return file.read(stop - start)


def _pieces_of_text(path: str, size: int) -> Iterator[Piece]:
    """Yield pieces of whole lines."""
    with open(path, "rb") as file:
        _check_text(path, file.peek(4))
        start = 0
        while True:
            text = _whole_lines(file.read(size), file)
            if not text:
                return
            yield Piece(path, start, start + len(text), _count_lines(text))
            start += len(text)


def _whole_lines(text: bytes, file: io.BufferedReader) -> bytes:
    return text if text.endswith(b"\n") else text + file.readline()


def _count_lines(text: bytes) -> int:
    """Return how many lines there are, blank ones left out."""
    return sum(map(bool, map(bytes.strip, text.split(b"\n"))))


def _check_text(path: str, start: bytes) -> None:
    for sign, remedy in _NOT_TEXT.items():
        if start.startswith(sign):
            raise UsageError(f"{path} {remedy}")


def _pieces_of_csv(path: str, size: int, delimiter: str) -> Iterator[Piece]:
    """Yield pieces of whole records; the first record is the header."""
    quoting = _Quoting(delimiter)
    with open(path, "rb") as file:
        _check_text(path, file.peek(4))
        header = b""
        while not header.strip():
            line, _ = quoting.whole_records(b"", file)
            if not line:
                return
            header += line
        start = len(header)
        while True:
            text, rows = quoting.whole_records(file.read(size), file)
            if not text:
                return
            yield Piece(path, start, start + len(text), rows, len(header))
            start += len(text)


class _Quoting:
    """Where the quoted fields of CSV are: a quote opens one at a field's start only, and a doubled one stays within."""

    def __init__(self, delimiter: str) -> None:
        separator = rb"\r\n" + re.escape(delimiter.encode())
        self._closed = re.compile(rb"(\A|[" + separator + rb'])"[^"]*(?:""[^"]*)*"(?!")')
        self._opening = re.compile(rb"(\A|[" + separator + rb'])"')
        self._closing = re.compile(rb'[^"]*(?:""[^"]*)*"(?!")')
        self._within = re.compile(rb"\0(?<![\0" + separator + rb"]\0)")

    def whole_records(self, text: bytes, file: io.BufferedReader) -> tuple[bytes, int]:
        """Return *text*, which starts with a record, with as much more of the file as makes its last record whole.

        Also returned is how many records there are, blank ones left out.
        """
        lines = [_whole_lines(text, file)]
        is_open, rows = self._look(lines[0])
        if not is_open:
            return lines[0], rows
        while is_open:
            line = file.readline()
            if not line:
                break  # what loads it will say that a quote is missing
            lines.append(line)
            closing = self._closing.match(line)
            # What stands behind the closing quote is no field's start.
            is_open = closing is None or self._look(b"x" + line[closing.end() :])[0]
        whole = b"".join(lines)
        return whole, self._look(whole)[1]

    def _look(self, text: bytes) -> tuple[bool, int]:
        """Return whether *text*, which starts outside of quotes, ends within a quoted field, and its records."""
        if b'"' not in text:
            return False, _count_lines(text)
        # Each quote opens or closes, a doubled one does both: so every other part is outside, if no quote stands
        # within a field that is not quoted. The marks between them must come behind a separator, or another mark.
        parts = text.split(b'"')
        is_open = len(parts) % 2 == 0
        outside = b"\n" + b"\0".join(parts[::2]) + b"\0" * is_open
        if b"\0" not in text and not self._within.search(outside):
            return is_open, _count_lines(outside)
        rest = self._closed.sub(rb"\1q", text)
        return self._opening.search(rest) is not None, _count_lines(rest)


def rows_of_jsonl(piece: Piece) -> pd.DataFrame:
    """Return the rows of a piece of JSON lines."""
    # Not pandas.read_json: it makes the text "007" the number 7, and dates of texts that look like one.
    lines = _bytes(piece.path, piece.start, piece.stop).decode("utf-8-sig").split("\n")
    frame: pd.DataFrame = pandas().DataFrame([json.loads(line) for line in lines if line.strip()])
    return frame


# ---- Parquet


def _pieces_of_parquet(path: str, size: int) -> Iterator[Piece]:
    """Yield pieces of whole row groups, or parts of one that is larger than a mini-batch."""
    parquet = _parquet()
    try:
        metadata = parquet.read_metadata(path)
    except ValueError as error:
        raise UsageError(f"{path} is no Parquet file: {error}") from error
    start = stop = gathered = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if gathered and gathered + group.total_byte_size > size:
            yield Piece(path, start, stop, stop - start)
            start, gathered = stop, 0
        stop += group.num_rows
        gathered += group.total_byte_size
        if gathered > size:
            parts = min(-(-gathered // size), stop - start)
            cuts = [start + (stop - start) * part // parts for part in range(parts + 1)]
            yield from [Piece(path, first, last, last - first) for first, last in zip(cuts, cuts[1:])]
            start, gathered = stop, 0
    yield Piece(path, start, stop, stop - start)


_last_group: list[tuple[Any, Any]] = []
"""The row group that was read last, and what it is: its parts are mini-batches that often come one after the other."""


def rows_of_parquet(piece: Piece, columns: Sequence[str] | None) -> pd.DataFrame:
    """Return the rows of a piece of Parquet; of the columns only those asked for, where any are."""
    with _parquet().ParquetFile(piece.path) as file:
        wanted = None if columns is None else [name for name in file.schema_arrow.names if name in columns]
        tables = []
        first = 0
        for number in range(file.metadata.num_row_groups):
            last = first + file.metadata.row_group(number).num_rows
            if first < piece.stop and last > piece.start:
                table = _row_group(file, piece.path, number, wanted)
                start = max(piece.start - first, 0)
                tables.append(table.slice(start, min(piece.stop, last) - first - start))
            first = last
    import pyarrow as pa  # noqa: PLC0415 - for Parquet alone

    frame: pd.DataFrame = pa.concat_tables(tables).to_pandas(ignore_metadata=True)
    return frame


def _row_group(file: Any, path: str, number: int, columns: Sequence[str] | None) -> Any:  # noqa: ANN401 - pyarrow's
    state = os.stat(path)
    name = (path, state.st_mtime_ns, state.st_size, number, columns and tuple(columns))
    if not _last_group or _last_group[0][0] != name:
        _last_group[:] = [(name, file.read_row_group(number, columns=columns))]
    return _last_group[0][1]


# ---- the packages


def pandas() -> Any:  # noqa: ANN401 - a module
    """Import pandas and return it.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import pandas as module  # noqa: ICN001, PLC0415 - half a second, for tables alone
    except ImportError as error:
        raise MissingExtraError("pandas", "tabular", "a table as input") from error
    return module


def _parquet() -> Any:  # noqa: ANN401 - a module
    try:
        from pyarrow import parquet  # noqa: PLC0415 - as pandas
    except ImportError as error:
        raise MissingExtraError("pyarrow", "tabular", "a Parquet file as input") from error
    return parquet
