"""CSV files of a log tree, of any era, as rows by column name.

A file may be appended to by several runs (a heading in its middle), be cut anywhere, end in NULs, have been saved by
another program, or be no table at all: what can be read of it is read, in bounded memory.
"""

from __future__ import annotations

import codecs
import csv
import functools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entry_script_helper.logtree.complaints import Complaints
    from entry_script_helper.logtree.layouts import Entry

LONGEST_LINE = 50_000
"""Characters of a line; of a longer one the end is left out."""

MOST_LINES = 1000
"""Lines of a row: a value in quotation marks may have several, as a traceback has."""

NO_TABLE = "a table without a heading, so it is not read"
LONG_LINES = f"a table with lines of more than {LONGEST_LINE:,} characters, the ends of which are not read"

_BLOCK = 64 * 1024
_DELIMITERS = ",;\t"
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def rows(entry: Entry, complaints: Complaints) -> Iterator[dict[str, str]]:
    """Yield the rows of a table, as `cells` does, as the values by their columns' names, as the heading has them."""
    return (dict(zip(heading, values)) for heading, values in cells(entry, complaints))


def cells(entry: Entry, complaints: Complaints) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the rows of a table, each as the columns' names and the values; it takes less time than `rows`.

    A heading that comes again is no row, whatever its case and spacing; where it has other columns, those count from
    there on. The names are the same list until a heading comes. Values beyond the columns are without a name, and a row
    that ends too early has those that there are; but a last line without an end counts only where it has them all, and
    then without the last, which may be half of one.

    Args:
        entry: The file: in UTF-8, or in what its byte order mark says; its values between commas, semicolons or tabs.
        complaints: Told where the file can't be read, is no table, or has lines that are too long.
    """
    heading: list[str] = []
    delimiter = ","
    for text, is_whole in _records(_lines(entry, complaints)):
        if not heading:
            delimiter = max(_DELIMITERS, key=text.count)
        for values in _parsed(text, delimiter):
            if not heading and (len(values) == 1 or not all(map(_can_be_name, values))):
                complaints.add(entry.location, NO_TABLE)
                return
            if not heading or _is_same_name(values[0], heading[0]):
                heading = values
            elif is_whole:
                yield heading, values
            elif len(values) >= len(heading):
                yield heading, values[: len(heading) - 1]  # the last may be half of one: half a number is another


def _is_same_name(value: str, name: str) -> bool:
    return not value[:1].isdigit() and plain(value) == plain(name)  # a name begins with no digit, most rows do


@functools.lru_cache(maxsize=1000)
def plain(name: str) -> str:
    """Return a column's name without what writers differ in: case, spaces, hyphens, underscores."""
    return re.sub(r"[\s_-]+", "", name).casefold()


def _can_be_name(value: str) -> bool:
    """Tell whether a value of a first row can be a column's name: it has a letter, and does not begin with a digit."""
    return re.match(r"[^\d\W]|[#%(]", value) is not None


def _parsed(text: str, delimiter: str) -> Iterator[list[str]]:
    """Yield the values of a row; of several, where a quotation mark was none, those of each."""
    if '"' not in text:
        yield [value.strip() for value in text.split(delimiter)]
        return
    lines = [f"{line}\n" for line in text.split("\n")]
    try:
        for values in csv.reader(lines, delimiter=delimiter):
            yield [value.strip() for value in values]
    except csv.Error:  # beyond csv.field_size_limit(), which is the whole program's to set
        return


def _records(lines: Iterator[tuple[str, bool]]) -> Iterator[tuple[str, bool]]:
    """Yield each row's text and whether it is whole: the lines up to that which closes the last quotation mark.

    A mark that nothing closes (its process was killed) would swallow what follows: then its line is a row of its own,
    and the lines behind it are looked at anew.
    """
    anew: list[tuple[str, bool]] = []

    def following() -> tuple[str, bool] | None:
        return anew.pop() if anew else next(lines, None)

    while (line := following()) is not None:
        held, marks, length = [line], line[0].count('"'), len(line[0])
        while marks % 2 and len(held) < MOST_LINES and length <= LONGEST_LINE and (line := following()) is not None:
            held.append(line)
            marks += line[0].count('"')
            length += len(line[0])
        if marks % 2:
            anew += reversed(held[1:])
            del held[1:]
        yield "\n".join(text for text, _ in held), held[-1][1]


def _lines(entry: Entry, complaints: Complaints) -> Iterator[tuple[str, bool]]:
    """Yield a file's lines, and whether each has an end; the ends of those that are too long are left out."""
    decoder = None
    rest = ""
    offset = 0
    data = b" "
    while data:
        try:
            data = entry.read(offset, _BLOCK)
        except OSError as error:
            complaints.failed(entry.location, error)
            data = b""
        offset += len(data)
        decoder = decoder or _decoder(data)
        *lines, rest = (rest + decoder.decode(data, final=not data).replace("\0", "")).split("\n")
        if any(len(line) > LONGEST_LINE for line in (*lines, rest)):
            complaints.add(entry.location, LONG_LINES)
        for line in lines:
            if line.strip():
                yield _cut(line), True
        rest = rest[: LONGEST_LINE + 1]
    if rest.strip():
        yield _cut(rest), False


def _decoder(beginning: bytes) -> codecs.IncrementalDecoder:
    encoding = next((name for mark, name in _MARKS if beginning.startswith(mark)), "utf-8")
    return codecs.getincrementaldecoder(encoding)("backslashreplace")


def _cut(line: str) -> str:
    return line[:LONGEST_LINE].rstrip("\r").replace("\r", " ")
