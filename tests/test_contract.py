"""What run() may return: counted, turned into rows, or explained."""

from __future__ import annotations

import collections
import subprocess
import sys
import types

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entry_script_helper import contract


async def asynchronous():
    yield 1


class Spark:
    def toPandas(self): ...  # noqa: N802
    def __iter__(self): ...


class Table:
    def to_pandas(self): ...
    def __iter__(self): ...


Table.__module__ = "pyarrow.lib"

WRONG = [
    (None, "None", "is a `return` missing at its end?"),
    ("ab", "a value of type str", "its characters are not the items; wrap it: `return [result]`"),
    (np.str_("ab"), "a value of type numpy.str_", "its characters are not the items; wrap it"),
    (b"ab", "a value of type bytes", "wrap it: `return [result]` for one item, or a list of the items' results"),
    (7, "a value of type int", "wrap it: `return [result]`"),
    (np.float32(7), "a value of type numpy.float32", "wrap it: `return [result]`"),
    (object(), "a value of type object", "wrap it: `return [result]`"),
    ({}, "a value of type dict", "return its pairs or its values: `return list(result.items())`"),
    (collections.OrderedDict(), "a value of type collections.OrderedDict", "return its pairs or its values"),
    (types.MappingProxyType({}), "a value of type mappingproxy", "return its pairs or its values"),
    ((x for x in "ab"), "a value of type generator", "turn what it yields into a list, and return that"),
    (map(str, "ab"), "a value of type map", "make it a list: `return list(result)`"),
    (range(2), "a value of type range", "make it a list: `return list(result)`"),
    ({1}, "a value of type set", "a set has no order and holds equal results once; make it a list"),
    (asynchronous(), "a value of type async_generator", "nobody awaits it: define run() without `async`"),
    (np.zeros(2), "a value of type numpy.ndarray", "convert it: `return result.tolist()`"),
    (pd.Series([1, 2]), "a value of type pandas.Series", "convert it: `return result.tolist()`"),
    (Table(), "a value of type pyarrow.Table", "convert it: `return result.to_pandas()`"),
    (Spark(), "a value of type test_contract.Spark", "convert it: `return result.toPandas()`"),
]


@pytest.mark.parametrize(("returned", "what", "remedy"), WRONG, ids=[what for _, what, _ in WRONG])
def test_wrong_types(returned, what, remedy):
    """What is neither a list, a tuple nor a DataFrame is named, and so is how to make one of it."""
    judged = contract.judge(returned, 2)
    assert not judged.is_right_type
    assert (judged.items, judged.succeeded, judged.failed, judged.surplus) == (0, 0, 2, 0)
    assert judged.problem.startswith(
        f"run() returned {what}, but it must return a list, a tuple or a pandas DataFrame with one item for each of "
        f"the mini-batch's that succeeded; {remedy}"
    )


@pytest.mark.parametrize("returned", [["a", "b"], ("a", "b"), pd.DataFrame({"x": [1, 2]})], ids=type)
def test_right_types(returned):
    """A list, a tuple and a DataFrame are right, and there is nothing to say of one item for each."""
    judged = contract.judge(returned, 2)
    assert judged == (2, 2, "", True)
    assert (judged.succeeded, judged.failed, judged.surplus) == (2, 0, 0)


def test_wrong_count():
    """Too few items and too many are right types, with a sentence that says what they count for."""
    few, many = contract.judge(["a"], 3), contract.judge(["a", "b", "c"], 1)
    assert (few.is_right_type, few.succeeded, few.failed, few.surplus) == (True, 1, 2, 0)
    assert (many.is_right_type, many.succeeded, many.failed, many.surplus) == (True, 1, 0, 2)
    assert few.problem == (
        "run() returned 1 item for a mini-batch of 3 items: 2 of the mini-batch's count as failed; "
        "where they did not fail, return one item for each"
    )
    assert many.problem == (
        "run() returned 3 items for a mini-batch of 1 item: only 1 of them counts as succeeded, though all 3 are "
        "written; return one item for each, such as one text with all that is to be said of it"
    )


def test_an_iterator_is_not_consumed():
    """Judging takes nothing out of what was returned."""
    numbers = iter([1, 2])
    contract.judge(numbers, 2)
    assert list(numbers) == [1, 2]


def test_count():
    """A list has its length, a DataFrame its rows; what has no length has no items."""
    assert [contract.count(batch) for batch in (["a", "b"], pd.DataFrame({"x": [1, 2, 3]}), None)] == [2, 3, 0]


@given(st.lists(st.one_of(st.text(st.characters(codec="utf-8")), st.integers(), st.none(), st.floats())))
def test_rows_of_a_list(items):
    """A list's rows are str() of each item and a newline, whatever is within."""
    assert contract.rows(items) == b"".join(str(item).encode() + b"\n" for item in items)
    assert contract.rows(tuple(items)) == contract.rows(items)


def test_rows_of_odd_items():
    """A newline in an item stays, a file name that is no UTF-8 comes out as its bytes, other surrogates are refused."""
    assert contract.rows(["a\nb", b"caf\xe9".decode("utf-8", "surrogateescape")]) == b"a\nb\ncaf\xe9\n"
    with pytest.raises(UnicodeEncodeError):
        contract.rows(["\ud800"])


def test_rows_of_a_data_frame():
    """A DataFrame's rows are separated by spaces, without header or index."""
    frame = pd.DataFrame({"name": ["a", "b c"], "score": [1.5, None]}, index=["i", "j"])
    assert contract.rows(frame) == b'a 1.5\n"b c" \n'


def test_pandas_is_not_imported():
    """Whoever returns lists never pays for pandas."""
    code = (
        "import sys; from entry_script_helper import contract; contract.judge([1], 1); contract.judge(None, 1);"
        "contract.rows([1]); assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
