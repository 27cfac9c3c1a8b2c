"""A traceback is written as the standard library writes it, whatever was raised, and sooner."""

from __future__ import annotations

import sys
import traceback

import pytest

from entry_script_helper import tracebacks


def plain():
    raise ValueError("a\nb")


def deep(depth):
    if depth:
        deep(depth - 1)
    raise KeyError("deep")


def mutual(depth):
    return other(depth)


def other(depth):
    if not depth:
        raise OSError(2, "none")
    return mutual(depth - 1)


def chained():
    try:
        plain()
    except ValueError as error:
        raise RuntimeError("second") from error


def within():
    try:
        plain()
    except ValueError:
        raise RuntimeError("second")  # noqa: B904


def hidden():
    try:
        plain()
    except ValueError:
        raise RuntimeError("second") from None


def noted():
    error = ValueError("noted")
    error.__notes__ = ["a note"]
    raise error


def misspelt():
    value = 1
    return valu + value  # noqa: F821


def absent():
    return "text".uppper()


def broken():
    compile("a b", "file.py", "exec")


def group():
    raise ExceptionGroup("two", [ValueError(1), KeyError(2)])  # noqa: F821 - since Python 3.11


def unreadable():
    class Unreadable(Exception):  # noqa: N818
        def __str__(self):
            raise ValueError

    raise Unreadable


RAISERS = [plain, chained, within, hidden, noted, misspelt, absent, broken, unreadable]
RAISERS += [lambda depth=depth: deep(depth) for depth in (0, 1, 2, 3, 4, 5, 30)]
RAISERS += [lambda depth=depth: mutual(depth) for depth in (1, 40, 80)]
if sys.version_info >= (3, 11):
    RAISERS.append(group)


@pytest.mark.parametrize("raiser", RAISERS)
def test_as_the_standard_library(raiser):
    """The text is that of `traceback.format_exception`, the first time and when the places are known."""
    for _ in range(2):
        with pytest.raises(Exception) as caught:
            raiser()
        error, trace = caught.value, caught.tb
        expected = "".join(traceback.format_exception(type(error), error, trace))
        assert tracebacks.formatted(error, trace) == expected


def test_without_a_traceback():
    """An exception that was never raised is its last line."""
    assert tracebacks.formatted(ValueError("never"), None) == "ValueError: never\n"


def test_a_limit_is_obeyed(monkeypatch):
    """``sys.tracebacklimit`` cuts the traceback."""
    monkeypatch.setattr(sys, "tracebacklimit", 1, raising=False)
    test_as_the_standard_library(lambda: deep(3))


def test_places_are_bounded(monkeypatch):
    """The known places never take more room than so much."""
    monkeypatch.setattr(tracebacks, "_MOST_PLACES", 3)
    for depth in range(3):
        test_as_the_standard_library(lambda depth=depth: other(depth))
    assert len(tracebacks._places) <= 3
