"""Files as blocks of whole records: nothing lost, nothing broken, memory bounded, whatever is in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logtreebits import OURS, TEXTS, Bytes, Heard

from entry_script_helper.logtree.stream import blocks, shapes
from entry_script_helper.logtree.stream.blocks import LONGEST, Blocks


def read(data, *, size=4096, complaints=None):
    """Return (record, key, offset) of all records of a file."""
    file = Blocks(data if isinstance(data, Bytes) else Bytes(data), complaints or Heard())
    found = []
    while True:
        block = file.next(size)
        if block is None:
            assert file.is_at_end
            return found
        records, keys = block.records()
        assert len(records) == len(keys)
        found += zip(records, keys, block.offsets(records))


def raws(data, **options):
    return [record.encode("latin-1") for record, _, _ in read(data, **options)]


@given(st.one_of(TEXTS, OURS), st.integers(1, 300))
def test_size_changes_nothing(text, size):
    """Blocks of any size give the same records, keys and offsets."""
    data = text.encode()
    assert read(data, size=size) == read(data, size=LONGEST)


@given(st.one_of(TEXTS, OURS), st.integers(1, 300), st.sampled_from(["", "\n"]))
def test_nothing_is_lost(text, size, end):
    """Each byte of a file is in one record, in the file's order, and offsets say where."""
    data = (text + end).encode()
    found = read(data, size=size)
    assert b"\n".join(record.encode("latin-1") for record, _, _ in found) == data.removesuffix(b"\n")
    for record, _, offset in found:
        raw = record.encode("latin-1")
        assert data[offset : offset + len(raw)] == raw


@given(TEXTS)
def test_quick_ways_find_what_the_slow_way_finds(text):
    """The key of a record among others is the one that it has alone."""
    for record, key, _ in read(text.encode()):
        assert key in (shapes.key_of(record), "")
        if not key:
            assert shapes.key_of(record) == ""


@given(st.binary(max_size=300), st.integers(1, 64))
def test_any_bytes_can_be_read(data, size):
    """No bytes raise or hang, and blocks of any size give the same."""
    assert read(data, size=size) == read(data, size=LONGEST)


@given(
    st.lists(st.sampled_from([b"\0", b"\n", b"\0\0\0", b"a", b"2026-01-31 10:00:00,000|", b"\xff\xfe", b"\r"])).map(
        b"".join
    ),
    st.integers(1, 64),
)
def test_nuls_anywhere(data, size):
    """NULs at lines' beginnings and at the end are dropped, in blocks of any size alike."""
    found = read(data, size=size)
    assert found == read(data, size=LONGEST)
    if not data.startswith(b"\xff\xfe"):
        assert all(not raw.startswith(b"\0") for raw in raws(data))


LINE = b"2026-01-31 10:00:00,000|INFO|1|%d\n"


def test_a_line_of_any_length():
    """A line of 3 MB is cut into pieces of at most LONGEST bytes, which is said once, and nothing of it is lost."""
    data = LINE % 1 + b"2026-01-31 10:00:01,000|INFO|1|" + b"x" * 3_000_000 + b"\n" + LINE % 2
    heard = Heard()
    found = raws(data, complaints=heard)
    assert max(map(len, found)) <= LONGEST
    assert b"".join(found) == data.replace(b"\n", b"")
    assert [trouble for _, trouble in heard.heard] == ["has records that are too long"]
    assert [raw + b"\n" for raw in found[:1] + found[-1:]] == [LINE % 1, LINE % 2]


def test_pieces_are_cut_between_characters_and_lines():
    """A piece ends with a line where there are some, and never within a character."""
    for before in (b"", b"a"):
        pieces = raws(before + "é".encode() * LONGEST)
        assert "".join(piece.decode() for piece in pieces) == before.decode() + "é" * LONGEST
        assert len(pieces) == 3
    lines = LINE % 1 + b"\tx" * 5_000 + (b"\n\t" + b"y" * 99) * 9_000
    assert all(piece.endswith(b"y" * 99) for piece in raws(lines))


def test_memory_of_a_large_file_is_bounded():
    """A file without a newline is read with little memory, whatever its size."""
    import tracemalloc

    class Endless(Bytes):
        def size(self):
            return 1 << 28

        def read(self, offset, length):
            return b"x" * max(0, min(length, self.size() - offset))

    file = Blocks(Endless(b""), Heard())
    tracemalloc.start()
    try:
        total = 0
        while True:
            block = file.next(4096)
            if block is None:
                break
            total += len(block.data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == 1 << 28
    assert peak < 8 * LONGEST


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_encodings(encoding):
    """A file in UTF-16, with or without its mark, is read as UTF-8, and offsets are the file's."""
    text = "2026-01-31 10:00:00,000|INFO|1|größe 🙂\n" * 300
    data = text.encode(encoding)
    found = read(data, size=100)
    assert "\n".join(record for record, _, _ in found).encode("latin-1").decode() == text[:-1]
    assert {key for _, key, _ in found} == {"2026-01-31 10:00:00,000"}
    plain = encoding if encoding[-2:] in ("le", "be") else encoding.replace("utf-16", "utf-16-le").replace("-sig", "")
    assert [data[at:].decode(plain, "replace")[:4] for _, _, at in found] == ["2026"] * 300


def test_nul_tail_is_said_once_and_looked_at_again():
    """A file that was allocated beforehand ends where its NULs begin; what is written there later is read."""
    entry, heard = Bytes(LINE % 1 + bytes(100_000)), Heard()
    file = Blocks(entry, heard)
    assert file.next(100).data == (LINE % 1)[:-1]
    assert file.next(100) is None
    reads = entry.reads
    assert file.next(100) is None
    assert entry.reads <= reads + 2
    entry.data = LINE % 1 + LINE % 2 + bytes(100_000 - len(LINE % 2))
    assert file.next(100).data == (LINE % 2)[:-1]
    assert len(heard.heard) == 1


def test_a_huge_hole_ends_a_file(monkeypatch):
    """More NULs than MOST_NULS are not read through."""
    monkeypatch.setattr(blocks, "MOST_NULS", 1 << 20)
    assert raws(LINE % 1 + bytes(1 << 22) + LINE % 2) == [(LINE % 1)[:-1]]
    assert raws(LINE % 1 + bytes(1 << 19) + LINE % 2) == [(LINE % 1)[:-1], (LINE % 2)[:-1]]


def test_what_fails_ends_the_file():
    """An error of reading is complained about once, and what was read before it stays."""
    entry, heard = Bytes(LINE % 1 * 10_000), Heard()
    file = Blocks(entry, heard)
    assert file.next(100)
    entry.error = OSError("gone")
    while file.next(100):
        pass
    assert heard.heard == [(entry.path, "gone")]
    assert file.has_failed


def test_the_end_of_a_growing_file_waits():
    """Without is_final the last record waits for what may come, and is whole then."""
    entry = Bytes(LINE % 1 + LINE % 2)
    file = Blocks(entry, Heard())
    assert file.next(100, is_final=False).data == (LINE % 1)[:-1]
    assert file.next(100, is_final=False) is None
    entry.data += b"\tmore\n" + LINE % 3
    assert file.next(1000, is_final=False).data == LINE % 2 + b"\tmore"
    assert file.next(100).data == (LINE % 3)[:-1]


def test_a_long_record_is_found_from_the_front():
    """A record of many lines, longer than is looked back line by line, is whole."""
    data = LINE % 1 + b"\tx\n" * 500 + LINE % 2 + b"\ty\n" * 5
    assert raws(data, size=900) == [LINE % 1 + b"\tx\n" * 499 + b"\tx", LINE % 2 + b"\ty\n" * 4 + b"\ty"]


def test_before_the_first_time_each_line_is_a_record():
    """Printed lines are records, but a traceback is one, however it ends."""
    trace = (
        b"Traceback (most recent call last):\n  File 'a'\nValueError: x\n\nDuring handling of the above exception, a\n"
    )
    lines = b"a\nb\n  c\n" + trace + b"d\n" + LINE % 1 + b"e\n"
    assert raws(lines, size=70) == [b"a", b"b\n  c", trace[:-1], b"d", LINE % 1 + b"e"]
