"""Many files merged by time: the order is the naive one's, memory is bounded, each byte comes once."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from logtreebits import OURS, TEXTS, Bytes, Heard

from entry_script_helper.logtree.stream import merge
from entry_script_helper.logtree.stream.blocks import LONGEST, Blocks


def streams_of(texts, choose=merge.everything):
    heard = Heard()
    return [
        merge.Stream(Bytes(text.encode(), f"{at}.txt", modified=float(at)), heard, choose)
        for at, text in enumerate(texts)
    ]


def merged(texts):
    return [item for items in merge.merged(streams_of(texts)) for item in items]


def naive(texts):
    """Return what a merge must give, made in the simplest way: all keys in memory, one sort."""
    found = []
    for at, text in enumerate(texts):
        entry = Bytes(text.encode(), modified=float(at))
        block = Blocks(entry, Heard())
        last = merge.first_key(entry, Heard())
        while True:
            whole = block.next(LONGEST)
            if whole is None:
                break
            for record, key in zip(*whole.records()):
                last = max(last, key)
                found.append((last, at, record))
    return [record for _, _, record in sorted(found, key=lambda item: item[:2])]


def check(texts):
    expected = naive(texts)
    for smallest in (1, 4096):
        before, merge.SMALLEST, merge.BUDGET = (merge.SMALLEST, merge.BUDGET), smallest, smallest
        try:
            assert merged(texts) == expected
        finally:
            merge.SMALLEST, merge.BUDGET = before


@given(st.lists(TEXTS, max_size=5))
def test_order_of_any_logs(texts):
    """The order is that of a stable sort by time, then file, where a clock that goes back counts as standing still."""
    check(texts)


@given(st.lists(OURS, max_size=5))
def test_order_of_our_logs(texts):
    """The same of logs in one format, which takes the quickest way."""
    check(texts)


@given(st.lists(st.one_of(TEXTS, OURS), max_size=5))
def test_each_byte_comes_once(texts):
    """What is merged are the lines of all files, each once and as it is."""
    lines = Counter(line for text in texts if text for line in text.encode().removesuffix(b"\n").split(b"\n"))
    assert Counter(line for record in merged(texts) for line in record.encode("latin-1").split(b"\n")) == lines


@given(st.lists(TEXTS, max_size=5))
def test_a_file_keeps_its_order(texts):
    """The records of a file come in the file's order."""

    def mark(block, records, keys):
        return list(zip(block.offsets(records), records)), keys

    for _at, stream in enumerate(streams_of(texts, mark)):
        found = [item for items in merge.merged([stream]) for item in items]
        assert [offset for offset, _ in found] == sorted(offset for offset, _ in found)


class Gone(Bytes):
    """A file that can be read, but not looked at."""

    def modified(self):
        raise FileNotFoundError


def test_where_records_without_a_time_stand():
    """They have the file's first time if it is near, else the time at which the file was last written to."""
    timed = b"2026-01-31 10:00:00,000|INFO|1|a\n"
    assert merge.first_key(Bytes(b"printed\n" * 1_000 + timed), Heard()) == "2026-01-31 10:00:00,000"
    assert merge.first_key(Bytes(b'{"a": 1}\n' * 600 + timed), Heard()) == "2026-01-31 10:00:00,000"
    for data in (b"printed\n", b"", b"printed\n" * 10_000 + timed, b'{"a": 1}\n' * 10_000):
        assert merge.first_key(Bytes(data, modified=1769853600.5), Heard()) == "2026-01-31 10:00:00,500000"
        assert merge.first_key(Gone(data), Heard()) == ""
