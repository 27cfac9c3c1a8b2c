"""Any Python value as JSON text (RFC 8259) on one line: total, so that no value can lose a record.

Numbers that JSON can't hold become text, bytes are decoded, what is nested too deeply or within itself is named,
and an object that can't be read says so. `json.dumps` raises for most of these, or writes ``NaN``.
"""

from __future__ import annotations

import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from entry_script_helper.redaction import Redactor

DEEPEST = 40
"""Levels of nesting that are written: parsers of JSON are themselves recursive."""

MOST_ARRAY_ITEMS = 10_000
"""Items up to which an array of numpy is written out; a larger one is summed up, as numpy prints it."""

MOST_VALUES = 250_000
"""Values of one record that are written: lists that hold one another twice, 40 deep, would fill a disk."""

_LARGEST = 1 << 63

# What must be escaped in a JSON string, and all that a terminal or a splitter of lines could take for more than text:
# control characters, line separators, marks that turn the direction of writing, lone surrogates.
_SPECIAL = re.compile('["\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def quoted(text: str) -> str:
    """Return *text* as a JSON string. A lone surrogate, which no UTF-8 can hold, is written out as ``\\udc80``."""
    return f'"{_SPECIAL.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    if "\ud800" <= character <= "\udfff":
        return f"\\\\u{ord(character):04x}"
    return _SHORT.get(character) or f"\\u{ord(character):04x}"


def readable(value: object) -> str:
    """Return ``str(value)``, or what can be said of a value whose ``__str__`` raises."""
    try:
        return str.__str__(str(value))
    except Exception as error:  # noqa: BLE001 - a value must not be able to lose the record that it stands in
        return f"<{type(value).__name__} object, whose __str__ raised {type(error).__name__}>"


def encode(value: object, redactor: Redactor | None = None) -> str:
    """Return any value as JSON text, secrets in it replaced. It never raises for a value."""
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
            return quoted(f"<{type(value).__name__} object, which can't be read: {type(error).__name__}>")

    def _encode(self, value: object, depth: int) -> str:  # noqa: PLR0911 - a table of types
        if value is None:
            return "null"
        if value is True or value is False:
            return "true" if value else "false"
        if isinstance(value, str):
            return self._text(str.__str__(value))
        if isinstance(value, int):
            return self._integer(value)
        if isinstance(value, float):
            return self._float(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._text(bytes(value).decode("utf-8", "backslashreplace"))
        if isinstance(value, (dict, list, tuple, set, frozenset)):
            return self._container(value, depth)
        return self._other(value, depth)

    def _text(self, text: str) -> str:
        return quoted(self._redactor(text) if self._redactor else text)

    @staticmethod
    def _integer(value: int) -> str:
        if -_LARGEST <= value < _LARGEST:
            return int.__repr__(value)
        try:
            return quoted(int.__repr__(value))
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
            return quoted(f"<the {type(value).__name__} that this is in>")
        if depth >= DEEPEST:
            return quoted(f"<{type(value).__name__}, nested deeper than {DEEPEST} levels>")
        self._within.add(id(value))
        try:
            if isinstance(value, dict):
                return f"{{{self.members(value, depth)}}}"
            return f"[{', '.join(self._items(list(value), depth + 1))}]"  # type: ignore[call-overload]
        finally:
            self._within.discard(id(value))

    def _items(self, values: list[object], depth: int) -> Iterator[str]:
        for value in values:
            yield self.encode(value, depth)
            if self._values > MOST_VALUES:
                return

    def members(self, value: dict[object, object], depth: int, taken: frozenset[str] = frozenset()) -> str:
        """Return the members of a JSON object; a name that is there already gets underscores behind it."""
        members: dict[str, str] = {}
        for key, item in list(value.items()):
            name = self._name(key)
            text = self._member(name, item, depth + 1)
            while name in members or name in taken:
                name += "_"
            members[name] = text
            if self._values > MOST_VALUES:
                break
        return ", ".join([f"{quoted(name)}: {text}" for name, text in members.items()])

    def _name(self, key: object) -> str:
        if isinstance(key, str):
            name = str.__str__(key)
        elif isinstance(key, (bytes, bytearray)):
            name = bytes(key).decode("utf-8", "backslashreplace")
        else:
            name = readable(key)
        return self._redactor(name) if self._redactor and not name.isidentifier() else name

    def _member(self, name: str, value: object, depth: int) -> str:
        if (
            self._redactor
            and value is not None
            and not isinstance(value, (bool, float))
            and self._redactor.is_secret_key(name)
        ):
            from entry_script_helper.redaction import REPLACEMENT  # noqa: PLC0415 - loaded: there is a redactor

            return quoted(REPLACEMENT)
        return self.encode(value, depth)

    def _other(self, value: object, depth: int) -> str:
        kind = type(value)
        if isinstance(value, BaseException):
            return self._text(f"{kind.__name__}: {readable(value)}")
        if kind.__module__.partition(".")[0] == "numpy":
            return self._of_numpy(value, depth)
        if hasattr(kind, "__dataclass_fields__"):
            fields = {name: getattr(value, name, None) for name in kind.__dataclass_fields__}
            return self._within_itself(value, fields, depth)
        if _is_a("enum", "Enum", value):
            return self.encode(value.value, depth + 1)  # type: ignore[attr-defined]
        if _is_a("datetime", "date", value) or _is_a("datetime", "time", value):
            return self._text(value.isoformat())  # type: ignore[attr-defined]
        if _is_a("collections.abc", "Mapping", value):
            return self._within_itself(value, dict(value), depth)  # type: ignore[call-overload]
        if _is_a("collections", "deque", value):
            return self._within_itself(value, list(value), depth)  # type: ignore[call-overload]
        return self._text(readable(value))

    def _within_itself(self, value: object, stand_in: dict[object, object] | list[object], depth: int) -> str:
        """Encode what stands for a value, so that a cycle through the value is seen."""
        if id(value) in self._within:
            return quoted(f"<the {type(value).__name__} that this is in>")
        self._within.add(id(value))
        try:
            return self.encode(stand_in, depth)
        finally:
            self._within.discard(id(value))

    def _of_numpy(self, value: object, depth: int) -> str:
        dtype = getattr(value, "dtype", None)
        if dtype is None or dtype.kind not in "biufOSU":  # times, complex and records are clearest as text
            return self._text(readable(value))
        if value.size > MOST_ARRAY_ITEMS:  # type: ignore[attr-defined]
            return self._text(readable(value))
        plain = value.tolist()  # type: ignore[attr-defined]
        if type(plain) is type(value):  # longdouble gives itself
            return self._text(readable(value))
        return self.encode(plain, depth)


def _is_a(module: str, name: str, value: object) -> bool:
    """Tell whether a value is an instance of a class, without importing the class's module: then it can't be."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name))

