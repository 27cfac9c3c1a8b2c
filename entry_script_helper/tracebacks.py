"""An exception's traceback as the standard library writes it, with the text of each place in the code made once.

To find a place's source line, and what in it to underline, takes most of the time that a record with a traceback
takes; and where items fail by the thousand, they fail in the same places.
"""

from __future__ import annotations

import builtins
import sys
import traceback

from entry_script_helper.jsontext import readable, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, TracebackType

_MOST_PLACES = 1000
_MOST_FRAMES = 100
# Times that a line may follow itself before the standard library writes how often it does.
_CUTOFF = 3

# Those of which the standard library tells more than their text, for which it wants the whole traceback.
_GROUP = getattr(builtins, "BaseExceptionGroup", SyntaxError)  # since Python 3.11
_SPECIAL = (NameError, AttributeError, ImportError, SyntaxError, _GROUP)

_places: dict[tuple[int, int], tuple[CodeType, str]] = {}
"""By a code object's id and a place in it: that object, so that its id stays its own, and the text."""


def formatted(exception: BaseException, trace: TracebackType | None) -> str:
    """Return what `traceback.print_exception` prints of an exception that was just raised."""
    if not _is_plain(exception):
        return "".join(traceback.format_exception(type(exception), exception, trace))
    lines = ["Traceback (most recent call last):\n"] if trace else []
    following, repeated = trace, 0
    line: tuple[int, int] | None = None
    while following is not None:
        code = following.tb_frame.f_code
        before, line = line, (id(code), following.tb_lineno)
        repeated = repeated + 1 if line == before else 0
        if repeated >= _CUTOFF or len(lines) > _MOST_FRAMES:
            return "".join(traceback.format_exception(type(exception), exception, trace))
        lines.append(_text_of((id(code), following.tb_lasti), following))
        following = following.tb_next
    return "".join([*lines, *traceback.format_exception_only(type(exception), exception)])


def readable_traceback(exception: BaseException, trace: TracebackType | None) -> str:
    """Return an exception with its traceback as text, or what can be said of one whose own code raises."""
    try:
        return "".join(traceback.format_exception(type(exception), exception, trace))
    except Exception as trouble:  # noqa: BLE001 - an exception must not take down who describes it
        return f"{type_name(type(exception))}, whose traceback can't be formatted: {readable(trouble)}\n"


def summary(exception: BaseException, longest: int | None = None) -> str:
    """Return an exception's type and the first line of its text, of at most so many characters."""
    first_line = readable(exception).strip().partition("\n")[0][:longest]
    return f"{type_name(type(exception))}: {first_line}" if first_line else type_name(type(exception))


def _is_plain(exception: BaseException) -> bool:
    """Tell whether nothing but the places and one line at the end is to be written."""
    return (
        not isinstance(exception, _SPECIAL)
        and exception.__cause__ is None
        and (exception.__context__ is None or exception.__suppress_context__)
        and not hasattr(sys, "tracebacklimit")
    )


def _text_of(place: tuple[int, int], trace: TracebackType) -> str:
    known = _places.get(place)
    if known is None:
        if len(_places) >= _MOST_PLACES:
            _places.clear()
        known = _places[place] = (trace.tb_frame.f_code, "".join(traceback.format_tb(trace, 1)))
    return known[1]
