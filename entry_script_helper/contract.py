"""What run() may return: how many items, the rows that they become, and what is wrong with anything else.

The service takes a list, a tuple or a pandas DataFrame with one item (or row) for each item of the mini-batch that
succeeded; all else is a failed mini-batch (Azure ML, "Tutorial: Build an Azure Machine Learning pipeline for batch
scoring" and "ParallelRunStep troubleshooting guide"). Pure functions; pandas is never imported here.
"""

from __future__ import annotations

import sys
from collections import namedtuple

from entry_script_helper.jsontext import type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_RULE = "it must return a list, a tuple or a pandas DataFrame with one item for each of the mini-batch's that succeeded"

_WRAP = "wrap it: `return [result]` for one item, or a list of the items' results"
_LIST = "make it a list: `return list(result)`"
_AWAIT = "nobody awaits it: define run() without `async`, and call `asyncio.run()` in it"
_REMEDIES = {
    "NoneType": "is a `return` missing at its end?",
    "str": "its characters are not the items; " + _WRAP,
    "dict": "return its pairs or its values: `return list(result.items())`",
    "generator": "turn what it yields into a list, and return that",
    "coroutine": _AWAIT,
    "async_generator": _AWAIT,
    "set": "a set has no order and holds equal results once; " + _LIST,
}
# Methods by which what holds several items becomes what may be returned: (method, remedy), asked in this order.
_CONVERSIONS = (
    ("to_pandas", "convert it: `return result.to_pandas()`"),
    ("toPandas", "convert it: `return result.toPandas()`"),
    ("tolist", "convert it: `return result.tolist()`"),
    ("keys", _REMEDIES["dict"]),
)


class Returned(namedtuple("Returned", ["expected", "items", "problem", "is_right_type"])):  # noqa: PYI024 - environment.Choice says why
    """What one call of run() returned, held against its mini-batch.

    ``expected`` is the mini-batch's number of items, ``items`` the number returned (0 for a wrong type), ``problem``
    a sentence that says what came back, what was expected and how to fix it, empty where there is nothing to say.
    """

    __slots__ = ()

    @property
    def succeeded(self) -> int:
        """The mini-batch's items that count as succeeded: the service caps a surplus."""
        return int(min(self.items, self.expected))

    @property
    def failed(self) -> int:
        """The mini-batch's items that count as failed."""
        return int(self.expected - self.succeeded)

    @property
    def surplus(self) -> int:
        """The items returned beyond those of the mini-batch."""
        return int(max(self.items - self.expected, 0))


def count(mini_batch: Any) -> int:  # noqa: ANN401 - whatever was passed to run()
    """Return how many items a mini-batch has: paths in a list, rows in a DataFrame; 0 for what has no length."""
    try:
        return len(mini_batch)
    except Exception:  # noqa: BLE001 - a test may call run() with anything
        return 0


def judge(returned: Any, expected: int) -> Returned:  # noqa: ANN401 - whatever it is
    """Hold what run() returned against the number of items in its mini-batch. Nothing is consumed or changed."""
    if not (isinstance(returned, (list, tuple)) or is_data_frame(returned)):
        return Returned(expected, 0, _wrong_type(returned), is_right_type=False)
    items = len(returned)
    if items == expected:
        return Returned(expected, items, "", is_right_type=True)
    return Returned(expected, items, _wrong_count(items, expected), is_right_type=True)


def rows(returned: Any) -> bytes:  # noqa: ANN401 - a list, a tuple or a DataFrame
    """Return the bytes that the service writes for a result, with ``append_row``.

    A list or tuple gives ``str(item)`` and a newline for each item (an item may have newlines within); a DataFrame
    gives its rows, separated by spaces, without header or index. A file name that is no UTF-8 comes out as the bytes
    that it has on disk.

    Raises:
        UnicodeEncodeError: The text holds a surrogate that stands for no byte.
        Exception: Whatever an item's ``__str__`` raises.
    """
    if is_data_frame(returned):
        text: str = returned.to_csv(sep=" ", header=False, index=False)
    else:
        text = "".join([f"{item!s}\n" for item in returned])
    return text.encode("utf-8", "surrogateescape")


def is_data_frame(value: object) -> bool:
    """Tell whether a value is a pandas DataFrame; where pandas was not imported, it can't be."""
    # pandas may be half imported, by another thread.
    kind = getattr(sys.modules.get("pandas"), "DataFrame", None)
    return isinstance(kind, type) and isinstance(value, kind)


def _wrong_type(returned: object) -> str:
    what = "None" if returned is None else f"a value of type {_full_name(type(returned))}"
    return f"run() returned {what}, but {_RULE}; {_remedy(type(returned))}"


def _wrong_count(items: int, expected: int) -> str:
    if items > expected:
        effect = f"only {expected} of them {_count(expected)} as succeeded, though all {items} are written"
        remedy = "return one item for each, such as one text with all that is to be said of it"
    else:
        effect = f"{expected - items} of the mini-batch's {_count(expected - items)} as failed"
        remedy = "where they did not fail, return one item for each"
    return f"run() returned {_items(items)} for a mini-batch of {_items(expected)}: {effect}; {remedy}"


def _items(number: int) -> str:
    return f"{number} item" if number == 1 else f"{number} items"


def _count(number: int) -> str:
    return "counts" if number == 1 else "count"


def _full_name(kind: type) -> str:
    module = str(kind.__module__)
    name = type_name(kind)
    return name if module == "builtins" else f"{module.partition('.')[0]}.{name}"


def _remedy(kind: type) -> str:
    for ancestor in kind.__mro__:
        if ancestor.__module__ == "builtins" and type_name(ancestor) in _REMEDIES:
            return _REMEDIES[type_name(ancestor)]
    # A single number of numpy has tolist() too, but nothing to go through; bytes have, but their numbers aren't meant.
    if not _has(kind, "__iter__") or kind in (bytes, bytearray, memoryview):
        return _WRAP
    for method, remedy in _CONVERSIONS:
        if _has(kind, method):
            return remedy
    return _LIST


def _has(kind: type, method: str) -> bool:
    """Tell whether a type defines a method, running no code of it."""
    return any(method in vars(ancestor) for ancestor in kind.__mro__)
