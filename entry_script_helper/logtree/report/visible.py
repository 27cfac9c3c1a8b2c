"""Text of a log as a page can show it: nothing in it acts, nothing is hidden, and it has an end."""

from __future__ import annotations

import functools
import re

from entry_script_helper.jsontext import MISLEADING

_MARKS = "\u061c\u200e\u200f\ufeff\ufffe\uffff"
"""Characters beside the `MISLEADING` that show nothing and change how others are shown, or that no page may hold."""

_CUT, _ROOM = " … (", 40


def visible(text: str, most: int) -> str:
    r"""Return *text* with what controls a screen written out (``\x1b``, ``\u202e``), cut to *most* characters.

    Newlines and tabs stay. What was cut is counted.
    """
    text = cut(text, most)
    return text if text.isprintable() else _control().sub(_escape, text)


def cut(text: str, most: int) -> str:
    """Return *text*, cut to *most* characters; what was cut is counted. Cutting it once more changes nothing."""
    left = len(text) - most
    if left <= 0 or (left < _ROOM and _CUT in text[-_ROOM:]):
        return text
    return f"{text[:most]}{_CUT}{left:,} more characters)"


@functools.cache
def _control() -> re.Pattern[str]:
    return re.compile(f"[\x00-\x08\x0b-\x1f{MISLEADING}{_MARKS}]")


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if match.group() == "\r":
        return ""  # the end of a line as another system writes it
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 - what two digits can say
