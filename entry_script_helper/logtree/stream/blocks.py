"""A file as blocks of whole records, with bounded memory whatever is in it.

A record begins at a line that begins with a time, or with ``{"``; other lines are further lines of it. Before a file's
first time each line is a record, but indented ones and the last line of a traceback. What a file holds is told the
same in blocks of any size.
"""

from __future__ import annotations

import re
from collections import deque
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from entry_script_helper.logtree.stream import shapes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from entry_script_helper.logtree.complaints import Complaints
    from entry_script_helper.logtree.layouts import Entry


LONGEST = 1 << 18
"""Bytes: a longer record is given in pieces of this size, cut between lines where there are some."""
MOST_NULS = 1 << 30
"""Bytes: of a file that holds more NULs in a row, the rest is not looked at."""

_LINES_BACK = 64  # to look at one by one for the last record's beginning; then one search from the front is quicker
_SNIFFED = 64
_NO_TIME_YET = (
    r"(?=\S)(?!(?:[A-Za-z_][\w.]*)?(?:Error|Exception|Exit|Group|Interrupt|Iteration|Warning)(?::|\r?\n|\r?\Z)"
    r"|During handling of the above exception|The above exception was the direct cause)"
)
_FIRST = re.compile(rb"(?m)^(?=" + shapes.BYTES_BEGINNING.pattern + rb")")
_UNTIMED = re.compile(_NO_TIME_YET.encode())
_NEXT_UNTIMED_IN_BYTES = re.compile(rb"\n(?=" + _UNTIMED.pattern + rb")")
_NEXT_UNTIMED = re.compile(rf"\n(?={_NO_TIME_YET})", re.ASCII)
_CUT_CHARACTER = re.compile(rb"[\xc0-\xff][\x80-\xbf]{0,2}\Z")


class Block(NamedTuple):
    """Whole records that follow each other in a file."""

    offset: int
    """Where it begins in the file, in bytes."""
    data: bytes
    """The records, without the last one's newline; of a file in UTF-16 as UTF-8."""
    is_timed: bool
    """Whether a time stands in the file before the end of this block's first line."""
    encoding: str = ""
    """The file's encoding where it isn't the data's."""

    def records(self) -> tuple[list[str], list[str]]:
        """Return the records as Latin-1 text, and their keys: `shapes.NO_TIME` for those that have none."""
        text = self.data.decode("latin-1")
        if not self.is_timed:
            records = _NEXT_UNTIMED.split(text)
            return records, [shapes.NO_TIME] * len(records)
        shape = shapes.shape_of(text)
        records = text.split("\n")
        keys = shape.keys(records)
        if keys is None:  # there are further lines, or there is another shape, or both
            records = shapes.NEXT_RECORD.split(text)
            keys = shape.keys(records) or list(map(shapes.key_of, records))
        return records, keys

    def offsets(self, records: Sequence[str]) -> list[int]:
        """Return where each of its records begins in the file, in bytes."""
        if self.encoding:
            sizes = [len(_recoded(f"{record}\n".encode("latin-1"), self.encoding)) for record in records]
        else:
            sizes = [len(record) + 1 for record in records]
        return list(accumulate(sizes[:-1], initial=self.offset))


class Blocks:
    """Reads a file, block by block, from its beginning on.

    Args:
        entry: The file. Nothing of it is kept open, and next to nothing in memory, between two blocks.
        complaints: Told, once for each kind of trouble, what was dropped or cut.
    """

    __slots__ = (
        "_ahead",
        "_at",
        "_complaints",
        "_encoding",
        "_is_timed",
        "_nuls_to",
        "entry",
        "has_failed",
        "is_at_end",
        "offset",
    )

    def __init__(self, entry: Entry, complaints: Complaints) -> None:
        self.entry = entry
        self.offset = 0
        """Where the next block begins in the file, in bytes."""
        self.is_at_end = False
        """Whether nothing followed the last block when it was read; what has been added since can still be read."""
        self.has_failed = False
        """Whether it could not be read any further."""
        self._complaints = complaints
        self._encoding: str | None = None
        self._is_timed = False
        self._nuls_to = 0
        self._ahead, self._at = b"", 0  # what was read ahead, and how much of it has been given

    def next(self, size: int, ahead: int = 0, *, is_final: bool = True) -> Block | None:
        """Return the next whole records: those in about *size* bytes, at least one; None where there are no more.

        What can't be read is complained about, and ends the file.

        Args:
            size: About how many bytes the block has.
            ahead: How many bytes to read at a time, where that is more; those that are not needed yet are kept.
            is_final: Whether the file's end ends its last record; otherwise more of it may come, and it waits.
        """
        try:
            return self._next(min(size, LONGEST), ahead, is_final=is_final)
        except OSError as error:
            self._complaints.failed(self.entry.location, error)
            self.is_at_end = self.has_failed = True
            return None

    def _next(self, size: int, ahead: int, *, is_final: bool) -> Block | None:
        while True:
            data = self._fetch(size, ahead)
            if data.startswith(b"\0"):
                data = self._past_nuls(data)
            if not data:
                return None
            end = self._end(data, is_final=is_final, is_cut=size == LONGEST and not self.is_at_end)
            if end:
                return self._block(data[:end])
            if self.is_at_end:  # more may come
                self._ahead, self._at = b"", 0
                return None
            size = min(2 * size, LONGEST)

    def _block(self, data: bytes) -> Block:
        offset = self.offset
        self._go_on(len(_recoded(data, self._encoding)) if self._encoding else len(data))
        if data.endswith(b"\0"):
            data = data.rstrip(b"\0")
            self._complain_of_nuls()
        if data.endswith(b"\n"):
            data = data[:-1]
        return Block(offset, data, self._is_timed, self._encoding or "")

    def _end(self, data: bytes, *, is_final: bool, is_cut: bool) -> int:
        """Return where the last whole record ends in *data*; 0 where none does, but never with *is_cut*."""
        end, is_whole = len(data), self.is_at_end and is_final
        hole = data.find(b"\n\0") if b"\0" in data else -1  # one byte is found far quicker than two
        if hole >= 0:
            end, is_whole = hole + 1, True
        if not self._is_timed:
            first = _FIRST.search(data, 0, end)
            self._is_timed = first is not None and first.start() == 0
            if first and first.start():
                end, is_whole = first.start(), True
        if is_whole:
            return end
        at = _last_record(data) if self._is_timed else _last_untimed_record(data)
        return at or (self._cut(data) if is_cut else 0)

    def _cut(self, data: bytes) -> int:
        detail = f"they are cut into pieces of at most {LONGEST:,} bytes"
        self._complaints.add(self.entry.location, "has records that are too long", detail)
        cut = data.rfind(b"\n") + 1
        if cut:
            return cut
        character = _CUT_CHARACTER.search(data, len(data) - 3)
        return character.start() if character else len(data)

    def _fetch(self, size: int, ahead: int = 0) -> bytes:
        """Return what follows, about *size* bytes of it, as UTF-8 where it is UTF-16; says whether that is all."""
        size = max(size, _SNIFFED)
        if len(self._ahead) - self._at < size:
            self._read_ahead(max(size, ahead))
        raw = self._ahead[self._at : self._at + size]
        self.is_at_end = len(raw) < size
        if self._encoding is None and raw:
            self._encoding, mark = _encoding_of(raw)
            self._go_on(mark)
            raw = raw[mark:]
        return _decoded(raw, self._encoding) if self._encoding else raw

    def _read_ahead(self, length: int) -> None:
        """Let there be as many bytes, where the file has as many."""
        data = self._ahead[self._at :]
        while len(data) < length:
            more = self.entry.read(self.offset + len(data), length - len(data))
            if not more:
                break
            data = data + more if data else more
        self._ahead, self._at = data, 0

    def _go_on(self, length: int) -> None:
        self.offset += length
        self._at = min(self._at + length, len(self._ahead))

    def _past_nuls(self, data: bytes) -> bytes:
        """Go on to what follows NULs, and return it; nothing where they reach to the end, to look there again."""
        start, unit = self.offset, 2 if self._encoding else 1
        if self._nuls_to == self.entry.size() and not data.strip(b"\0"):  # as they were the last time
            self.is_at_end = True
            self._ahead, self._at = b"", 0
            return b""
        while data.startswith(b"\0"):
            rest = data.lstrip(b"\0")
            self._go_on((len(data) - len(rest)) * unit)
            self._complain_of_nuls()
            if self.offset - start > MOST_NULS:
                self.is_at_end = True
                return b""
            data = rest if rest and self.is_at_end else self._fetch(LONGEST)
        if not data:
            self._nuls_to, self.offset = self.offset, start
            self._ahead, self._at = b"", 0
        return data

    def _complain_of_nuls(self) -> None:
        self._complaints.add(self.entry.location, "has NUL bytes at its end or between lines", "they are left out")


def _last_record(data: bytes) -> int:
    """Return where the last record begins, which may go on behind *data*; 0 where none begins behind the first byte."""
    at = len(data)
    for _ in range(_LINES_BACK):
        at = data.rfind(b"\n", 0, at)
        if at < 0:
            return 0
        if shapes.BYTES_BEGINNING.match(data, at + 1):
            return at + 1
    return _last_match(shapes.NEXT_RECORD_IN_BYTES, data, at)


def _last_untimed_record(data: bytes) -> int:
    """Return the same where no time was seen yet; a line must be whole to tell whether it is a further line."""
    return _last_match(_NEXT_UNTIMED_IN_BYTES, data, data.rfind(b"\n") + 1)


def _last_match(pattern: re.Pattern[bytes], data: bytes, end: int) -> int:
    found = deque(pattern.finditer(data, 0, end), maxlen=1)
    return found[0].end() if found else 0


def _encoding_of(raw: bytes) -> tuple[str, int]:
    """Return the encoding of a file that begins so, nothing for UTF-8, and how many bytes its mark has."""
    for mark, encoding in ((b"\xef\xbb\xbf", ""), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if raw.startswith(mark):
            return encoding, len(mark)
    even, odd = raw[:_SNIFFED:2], raw[1:_SNIFFED:2]
    for nuls, others, encoding in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if not others.count(0) and nuls.count(0) > len(nuls) // 2 > 1:
            return encoding, 0
    return "", 0


def _decoded(raw: bytes, encoding: str) -> bytes:
    """Return UTF-16 as UTF-8, whatever it holds: half pairs stay, an odd byte at the end waits for the other."""
    text = raw[: len(raw) // 2 * 2].decode(encoding, "surrogatepass")
    return text.encode("utf-8", "surrogatepass")


def _recoded(data: bytes, encoding: str) -> bytes:
    return data.decode("utf-8", "surrogatepass").encode(encoding, "surrogatepass")
