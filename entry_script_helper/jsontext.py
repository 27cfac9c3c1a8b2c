"""Any Python value as JSON text (RFC 8259) on one line: total, so that no value can lose a record.

Numbers that JSON can't hold become text, bytes are decoded, what is nested too deeply or within itself is named,
and an object that can't be read says so. `json.dumps` raises for most of these, or writes ``NaN``.
"""

from __future__ import annotations

import functools
import re
import sys
from itertools import islice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from entry_script_helper.redaction import Redactor

DEEPEST = 40
"""Levels of nesting that are written: parsers of JSON are themselves recursive."""

MOST_ARRAY_ITEMS = 10_000
"""Items up to which an array of numpy is written out; a larger one is summed up, as numpy prints it."""

MOST_VALUES = 250_000
"""Values of one record that are written: lists that hold one another twice, 40 deep, would fill a disk."""

_LARGEST = 1 << 63

_ROOM = 40
"""Calls that must fit on the stack, or a value is not to blame for a `RecursionError`."""

MISLEADING = "\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
"""Characters that a terminal or a splitter of lines could take for more than text, beside those of ASCII: control
characters, line separators, marks that turn the direction of writing, lone surrogates. None is printable."""

_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def quoted(text: str) -> str:
    r"""Return *text* as a JSON string. A lone surrogate, which no UTF-8 can hold, is written out as ``\udc80``."""
    if '"' in text or "\\" in text or not text.isprintable():
        text = _special().sub(_escape, text)
    return f'"{text}"'


@functools.cache
def _special() -> re.Pattern[str]:
    # Compiled when first needed, as every larger pattern here: it takes longer than this module's import.
    return re.compile(f'["\\\\\x00-\x1f{MISLEADING}]')


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    if "\ud800" <= character <= "\udfff":
        return f"\\\\u{ord(character):04x}"
    return _SHORT.get(character) or f"\\u{ord(character):04x}"


# Past a metaclass, whose own ``__name__`` may raise.
type_name: Callable[[type], str] = type.__dict__["__name__"].__get__


def readable(value: object) -> str:
    """Return ``str(value)``, or what can be said of a value whose ``__str__`` raises."""
    try:
        return str.__str__(str(value))
    except Exception as error:  # noqa: BLE001 - a value must not be able to lose the record that it stands in
        _pass_on_for_want_of_room(error)
        return f"<{type_name(type(value))} object, whose __str__ raised {type_name(type(error))}>"


def representation(value: object) -> str:
    """Return ``repr(value)``, or what can be said of a value whose ``__repr__`` raises."""
    try:
        return str.__str__(repr(value))
    except Exception as error:  # noqa: BLE001
        _pass_on_for_want_of_room(error)
        return f"<{type_name(type(value))} object, whose __repr__ raised {type_name(type(error))}>"


def _pass_on_for_want_of_room(error: Exception) -> None:
    """Raise a `RecursionError` again where the stack is full: a value that never ends leaves room when it is given up.

    Who asked for the text can do so again from where there is room.
    """
    if isinstance(error, RecursionError):
        _use_stack(_ROOM)


def _use_stack(calls: int) -> None:
    if calls:
        _use_stack(calls - 1)


def encode(value: object, redactor: Redactor | None = None) -> str:
    """Return any value as JSON text, secrets in it replaced. It never raises for a value.

    Raises:
        RecursionError: There is too little room left on the stack to tell.
    """
    return _Encoder(redactor).encode(value, 0)


def members(values: dict[object, object], taken: frozenset[str], redactor: Redactor | None = None) -> str:
    """Return a mapping as the members of a JSON object, without its braces.

    Args:
        values: The mapping; its keys may be anything.
        taken: Names that the object has already: a key that becomes one of them gets an underscore behind it.
        redactor: Replaces secrets, or None to leave them.
    """
    return _Encoder(redactor).members(values, 0, taken)


class _Encoder:
    """One value's encoding: knows which containers it is within."""

    def __init__(self, redactor: Redactor | None) -> None:
        self._redactor = redactor
        self._within: set[int] = set()
        self._values = 0

    def encode(self, value: object, depth: int) -> str:
        self._values += 1
        if self._values > MOST_VALUES:
            return quoted(f"<one of more than {MOST_VALUES} values>")
        try:
            return self._encode(value, depth)
        except Exception as error:  # noqa: BLE001 - see readable()
            _pass_on_for_want_of_room(error)
            return quoted(f"<{type_name(type(value))} object, which can't be read: {type_name(type(error))}>")

    def _encode(self, value: object, depth: int) -> str:  # noqa: PLR0911 - a table of types
        if value is None:
            return "null"
        if value is True or value is False:
            return "true" if value else "false"
        kind = type(value)  # its class, whatever its __class__ says or raises
        if issubclass(kind, str):
            return self._text(str.__str__(value))
        if issubclass(kind, int):
            return self._integer(value)  # type: ignore[arg-type]
        if issubclass(kind, float):
            return self._float(value)  # type: ignore[arg-type]
        if issubclass(kind, (bytes, bytearray, memoryview)):
            return self._text(bytes(value).decode("utf-8", "backslashreplace"))  # type: ignore[call-overload]
        if issubclass(kind, (dict, list, tuple, set, frozenset)):
            return self._container(value, depth)
        return self._other(value, depth)

    def _text(self, text: str) -> str:
        return quoted(self._redactor(text) if self._redactor else text)

    @staticmethod
    def _integer(value: int) -> str:
        value = int.__int__(value)  # a subclass may compare as it likes
        if -_LARGEST <= value < _LARGEST:
            return repr(value)
        try:
            return quoted(repr(value))
        except ValueError:  # more digits than Python turns into text
            return quoted(hex(value))

    @staticmethod
    def _float(value: float) -> str:
        text = float.__repr__(value)
        if text in ("nan", "inf", "-inf"):
            return {"nan": '"NaN"', "inf": '"Infinity"', "-inf": '"-Infinity"'}[text]
        return text

    def _container(self, value: object, depth: int) -> str:
        if id(value) in self._within:
            return quoted(f"<the {type_name(type(value))} that this is in>")
        if depth >= DEEPEST:
            return quoted(f"<{type_name(type(value))}, nested deeper than {DEEPEST} levels>")
        self._within.add(id(value))
        try:
            if issubclass(type(value), dict):
                return f"{{{self.members(value, depth)}}}"  # type: ignore[arg-type]
            return f"[{', '.join(self._items(_plain_list(value), depth + 1))}]"
        finally:
            self._within.discard(id(value))

    def _items(self, values: list[object], depth: int) -> Iterator[str]:
        for value in values:
            yield self.encode(value, depth)
            if self._values > MOST_VALUES:
                return

    def members(self, value: dict[object, object], depth: int, taken: frozenset[str] = frozenset()) -> str:
        """Return the members of a JSON object; a name that is there already gets underscores behind it."""
        members: dict[str, str] = {}  # by the name as it is written: two keys may be written alike
        for key, item in list(dict.items(value)):
            name = self._name(key)
            text = self._member(name, item, depth + 1)
            label = quoted(f"{name}_" if name in taken else name)
            if label in members:
                label = f'{label[:-1]}_"'
            while label in members or label[1:-1] in taken:
                label = f'{label[:-1]}{len(members)}_"'
            members[label] = text
            if self._values > MOST_VALUES:
                break
        return ", ".join([f"{label}: {text}" for label, text in members.items()])

    def _name(self, key: object) -> str:
        if issubclass(type(key), str):
            name = str.__str__(key)
        elif type(key) is bytes:
            name = key.decode("utf-8", "backslashreplace")
        else:
            name = readable(key)
        return self._redactor(name) if self._redactor else name

    def _member(self, name: str, value: object, depth: int) -> str:
        if (
            self._redactor
            and value is not None
            and not issubclass(type(value), (bool, float))
            and self._redactor.is_secret_key(name)
        ):
            from entry_script_helper.redaction import REPLACEMENT  # noqa: PLC0415 - loaded: there is a redactor

            return quoted(REPLACEMENT)
        return self.encode(value, depth)

    def _other(self, value: object, depth: int) -> str:  # noqa: PLR0911 - as _encode
        if issubclass(type(value), BaseException):
            return self._text(f"{type_name(type(value))}: {readable(value)}")
        if _is_a("numpy", "ndarray", value) or _is_a("numpy", "generic", value):
            return self._of_numpy(value, depth)
        if hasattr(type(value), "__dataclass_fields__"):
            return self._within_itself(value, _shown_fields(value), depth)
        if _is_a("enum", "Enum", value):
            return self._within_itself(value, value.value, depth)  # type: ignore[attr-defined]
        if _is_a("datetime", "date", value) or _is_a("datetime", "time", value):
            return self._text(value.isoformat())  # type: ignore[attr-defined]
        if _is_a("collections.abc", "Mapping", value):
            keys: Iterator[object] = islice(value, MOST_VALUES)  # type: ignore[call-overload]
            return self._within_itself(value, {key: value[key] for key in keys}, depth)  # type: ignore[index]
        if _is_a("collections", "deque", value):
            return self._within_itself(value, list(value), depth)  # type: ignore[call-overload]
        return self._text(readable(value))

    def _within_itself(self, value: object, stand_in: object, depth: int) -> str:
        """Encode what stands for a value, so that a cycle through the value is seen."""
        if id(value) in self._within:
            return quoted(f"<the {type_name(type(value))} that this is in>")
        self._within.add(id(value))
        try:
            return self.encode(stand_in, depth)
        finally:
            self._within.discard(id(value))

    def _of_numpy(self, value: object, depth: int) -> str:
        # Times, complex numbers and records are clearest as text.
        if value.dtype.kind in "biufOSU" and value.size <= MOST_ARRAY_ITEMS:  # type: ignore[attr-defined]
            plain = value.tolist()  # type: ignore[attr-defined]
            if type(plain) is not type(value):  # longdouble gives itself
                return self._within_itself(value, plain, depth)
        return self._text(readable(value))


def _is_a(module: str, name: str, value: object) -> bool:
    """Tell whether a value is an instance of a class, without importing the class's module: then it can't be."""
    # The module may be half imported, by another thread.
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and issubclass(type(value), kind)


def _plain_list(value: object) -> list[object]:
    """Return what a list, tuple or set holds, past a subclass's own ``__iter__``, which may never end."""
    kind: Any = next(kind for kind in (list, tuple, set, frozenset) if issubclass(type(value), kind))
    return list(kind.__iter__(value))


def _shown_fields(value: object) -> dict[str, object]:
    """Return the fields of a dataclass that its ``repr`` shows: the others may hold secrets."""
    fields = sys.modules["dataclasses"].fields(value)
    return {field.name: getattr(value, field.name, None) for field in fields if field.repr}
