"""Files as blocks of whole records: nothing lost, nothing broken, memory bounded, whatever is in them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from logtreebits import OURS, TEXTS, Bytes, Heard

from entry_script_helper.logtree import shapes
from entry_script_helper.logtree.blocks import LONGEST, Blocks


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
