"""Rows of a table in CSV (RFC 4180), in bounded memory, whatever is in the file."""

from __future__ import annotations

import csv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from entry_script_helper.logtree.sources import Entry

_CHUNK = 1 << 16
_LONGEST_LINE = 1 << 16
"""Bytes of a line beyond which it is no row of a table."""


def rows(entry: Entry) -> Iterator[list[str]]:
    """Yield a table's rows, the heading first; an empty one for what is none.

    Raises:
        OSError: The file can't be read.
    """
    reader = csv.reader(_lines(entry))
    while (row := _next(reader)) is not None:
        yield row


def named_rows(entry: Entry) -> Iterator[dict[str, str]]:
    """Yield a table's rows behind its heading, by the names that stand there. Empty ones are left out.

    Raises:
        OSError: The file can't be read.
    """
    table = rows(entry)
    names = [name.strip() for name in next(table, [])]
    return (dict(zip(names, row)) for row in table if row)


def _next(reader: Iterator[list[str]]) -> list[str] | None:
    try:
        return next(reader, None)
    except csv.Error:  # a field beyond the limit
        return []


def _lines(entry: Entry) -> Iterator[str]:
    """Yield a file's whole lines, without those that are too long for a row, in bounded memory.

    A last line without an end is left out: it may be half a row, and half of a number is another number.
    """
    offset, rest, is_too_long = 0, b"", False
    while chunk := entry.read(offset, _CHUNK):
        offset += len(chunk)
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if not is_too_long:
                yield line.replace(b"\0", b"").decode("utf-8-sig", "backslashreplace")
            is_too_long = False
        if len(rest) > _LONGEST_LINE:
            rest, is_too_long = b"", True
