"""What each kind of option takes, from text, YAML or Python: readers that return the value.

A reader raises `UnfitError` for what can't be meant, with what to give instead. Reading what was read changes nothing.
"""

from __future__ import annotations

import json
import math
import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class UnfitError(ValueError):
    """What was given can't be meant; the text says what to give instead."""


def whole(minimum: int, maximum: float = math.inf) -> Callable[[object], int]:
    """Return a reader of whole numbers."""
    what = f"a whole number, {minimum} or more" if maximum == math.inf else f"a whole number, {minimum} to {maximum}"

    def read(value: object) -> int:
        number = _number(value, f"give {what}")
        if number != int(number) or not minimum <= number <= maximum:
            raise UnfitError(f"give {what}")
        return int(number)

    return read


def seconds(minimum: str) -> Callable[[object], float]:
    """Return a reader of times: *minimum* says whether "more than 0" or "0 or more"."""

    def read(value: object) -> float:
        number = _number(value, f"give seconds, {minimum}")
        if number < 0 or (number == 0 and minimum == "more than 0"):
            raise UnfitError(f"give seconds, {minimum}")
        return number

    return read


def percent(value: object) -> float:
    """Read a number from 0 to 100."""
    number = _number(value, "give a number from 0 to 100")
    if not 0 <= number <= 100:  # noqa: PLR2004 - per cent
        raise UnfitError("give a number from 0 to 100")
    return number


def _number(value: object, remedy: str) -> float:
    # An integer stays one: a float would round a large one.
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return value
    text = str(value).strip()
    if re.fullmatch(r"(?a:[+-]?\d{1,18})", text):
        return int(text)
    if re.fullmatch(r"(?a:[+-]?\d{1,18}(\.\d*)?)", text):
        return float(text)
    raise UnfitError(remedy)


_UNITS = {"": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}


def size(value: object) -> int | str:
    """Read a mini-batch size: a plain number as an integer, one with a unit as text such as ``"10kb"``."""
    match = re.fullmatch(r"(?ai:(\d{1,18})\s*([kmg]b)?)", str(value).strip())
    if isinstance(value, bool) or not match or not int(match.group(1)):
        raise UnfitError("give a number of files, 1 or more, or for tables a size such as 10kb or 1MB")
    return f"{int(match.group(1))}{match.group(2).lower()}" if match.group(2) else int(match.group(1))


def in_bytes(read_size: int | str) -> int:
    """Return what `size` has read as a number of bytes (1 KB is 1,024, as in the service)."""
    text = str(read_size)
    digits = text.rstrip("kmgb")
    return int(digits) * _UNITS[text[len(digits) :]]


def choice(*names: str) -> Callable[[object], str]:
    """Return a reader of one of some names, in upper or lower case."""
    known = {name.lower(): name for name in names}
    remedy = f"give {', '.join(names[:-1])} or {names[-1]}"

    def read(value: object) -> str:
        try:
            return known[str(value).strip().lower()]
        except KeyError:
            raise UnfitError(remedy) from None

    return read


def keys(value: object) -> tuple[str, ...]:
    """Read column names: a list, a JSON list as the service writes it, or text with commas."""
    remedy = "give names of columns with commas between them, such as store,brand"
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.lstrip().startswith("[") else value.split(",")
        except ValueError:
            raise UnfitError(remedy) from None
    names = tuple(str(name).strip() for name in value) if isinstance(value, (list, tuple)) else ()
    if not names or not all(names) or len(set(names)) < len(names):
        raise UnfitError(remedy)
    return names


def text(value: object) -> str:
    """Read some text."""
    found = os.fspath(value) if isinstance(value, (str, os.PathLike)) else ""
    if not isinstance(found, str) or not found or "\0" in found:
        raise UnfitError("give some text")
    return found


def address(value: object) -> str:
    """Read the address of a Dask scheduler."""
    found = text(value)
    if not re.fullmatch(r"(?a:(tcp|tls|ws|wss|ucx|ucxx)://[^\s/]+:\d{1,5})", found):
        raise UnfitError("give the scheduler's address, such as tcp://10.0.0.4:8786 or tls://10.0.0.4:8786")
    return found


def existing_file(value: object) -> str:
    """Read the path of a file that is there."""
    path = text(value)
    if not os.path.isfile(path):
        raise UnfitError("give the path of a file that exists")
    return os.path.abspath(path)


def character(value: object) -> str:
    r"""Read a single character; ``\t`` and ``tab`` are a tab."""
    single = "\t" if str(value) in {"\\t", "tab"} else str(value)
    if len(single) != 1 or single in '"\r\n' or not single.isascii():
        raise UnfitError("give one character, such as ; or \\t")
    return single


def paths(value: object) -> tuple[str, ...]:
    """Read one path or several."""
    given = (value,) if isinstance(value, (str, os.PathLike)) else value
    if not isinstance(given, (list, tuple)) or not given:
        raise UnfitError("give the path of a directory or a file, or a pattern such as 'data/*.csv'")
    return tuple(text(path) for path in given)


def file_name(value: object) -> str:
    """Read the name of a file, without a directory."""
    name = text(value)
    if os.path.basename(name) != name or name in {".", ".."}:
        raise UnfitError("give a file's name without a directory (--output takes the directory)")
    return name


def switch(value: object) -> bool:
    """Read a switch."""
    if not isinstance(value, bool):
        raise UnfitError("give True or False")
    return value
