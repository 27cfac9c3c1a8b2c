"""Any Python value as JSON text (RFC 8259) on one line."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import json
import pathlib
import re
import sys
import types
import typing
import uuid

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entry_script_helper import jsontext
from entry_script_helper.jsontext import encode, members, quoted, readable, representation
from entry_script_helper.redaction import REPLACEMENT, Redactor


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def without_duplicates(pairs):
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)


def strictly(text):
    """Read JSON as RFC 8259 has it, and see that the text is one line that shows as it is."""
    assert text.splitlines() in ([text], [])
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    assert text.encode("utf-8", "backslashreplace") == text.encode()
    return json.loads(text, parse_constant=refuse, object_pairs_hook=without_duplicates)


class Hostile:
    """Everything that can be asked of it raises, also of its class."""

    class Meta(type):
        @property
        def __name__(cls):
            raise ValueError("no name")

    def __getattribute__(self, name):
        raise ZeroDivisionError(name)

    def __str__(self):
        raise ZeroDivisionError

    __repr__ = __format__ = __bool__ = __len__ = __iter__ = __eq__ = __str__
    __hash__ = object.__hash__


class LessHostile(Hostile):
    """Hypothesis itself asks what it makes for its class."""

    def __getattribute__(self, name):
        return Hostile if name == "__class__" else super().__getattribute__(name)


class HostileClass(metaclass=Hostile.Meta):
    def __str__(self):
        raise ValueError("no text")

    __repr__ = __str__


class HostileText(str):
    __slots__ = ()

    def __str__(self):
        raise ZeroDivisionError

    __repr__ = __hash__ = __eq__ = __len__ = __iter__ = __format__ = encode = isprintable = replace = __str__


class HostileNumber(int):
    def __lt__(self, other):
        return True

    __le__ = __gt__ = __ge__ = __lt__

    def __repr__(self):
        raise ZeroDivisionError

    __str__ = __int__ = __index__ = __hash__ = __repr__


class HostileFloat(float):
    def __repr__(self):
        return "NaN"

    __str__ = __repr__


class HostileDict(dict):
    def items(self):
        while True:
            yield "never", "ends"

    keys = values = __iter__ = items
    __len__ = __repr__ = None


class HostileList(list):
    def __iter__(self):
        while True:
            yield "never ends"

    __len__ = __repr__ = None


class Pretender:
    """Says that it is of another class."""

    def __init__(self, kind):
        self.kind = kind

    @property
    def __class__(self):
        return self.kind

    def __repr__(self):
        return "a pretender"


class Endless(collections.abc.Mapping):
    def __iter__(self):
        number = 0
        while True:
            yield number
            number += 1

    def __len__(self):
        return 1

    def __getitem__(self, key):
        return key


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Level(enum.IntEnum):
    LOW = 1


class Mark(enum.Flag):
    A = 1
    B = 2


@dataclasses.dataclass
class Node:
    name: str
    following: object = None
    hidden: str = dataclasses.field(default="do not show", repr=False)
    constant: typing.ClassVar[str] = "of the class"

    def __hash__(self):
        return 1


@dataclasses.dataclass
class HalfMade:
    name: str
    missing: str = dataclasses.field(init=False)


class Keyed:
    def __init__(self, text):
        self.text = text

    def __str__(self):
        return self.text


def nested(depth):
    value: object = "the end"
    for number in range(depth):
        value = [value] if number % 2 else {"in": value}
    return value


def in_itself():
    a_list: list = [1]
    a_dict: dict = {"list": a_list}
    a_list += [a_dict, (a_list,)]
    return a_list


def node_in_itself():
    node = Node("cyclic")
    node.following = [node]
    return node


def object_array(*items):
    array = np.empty(len(items), object)
    for index, item in enumerate(items):
        array[index] = item
    return array


def array_in_itself():
    array = np.empty(2, object)
    array[:] = [1, array]
    return array


def enum_in_itself():
    class Cyclic(enum.Enum):
        ONE = 1

    Cyclic.ONE._value_ = Cyclic.ONE
    return Cyclic.ONE


class Broken(dt.tzinfo):
    def utcoffset(self, moment):
        raise ZeroDivisionError


UTC = dt.timezone.utc

# Values and what is written of them, where that is to be just this.
EXACT = {
    "None": (None, None),
    "booleans": ([True, False], [True, False]),
    "text": ('a"b\\c\n\t\r\b\f\x00\x7f\x85\u2028é日😀', 'a"b\\c\n\t\r\b\f\x00\x7f\x85\u2028é日😀'),
    "a lone surrogate": ("a\udc80", "a\\udc80"),
    "numbers": (
        [0, -1, 2**63 - 1, -(2**63), 1.5, -0.0, 1e300, 5e-324],
        [0, -1, 2**63 - 1, -(2**63), 1.5, -0.0, 1e300, 5e-324],
    ),
    "numbers that JSON lacks": ([float("nan"), float("inf"), -float("inf")], ["NaN", "Infinity", "-Infinity"]),
    "a huge number": (2**63, str(2**63)),
    "a number beyond all digits": (
        1 << 100_000,
        hex(1 << 100_000) if hasattr(sys, "set_int_max_str_digits") else str(1 << 100_000),
    ),
    "bytes": ([b"abc\xff", bytearray(b"x"), memoryview(b"yz")[::-1]], ["abc\\xff", "x", "zy"]),
    "lists": ([(1, 2), [], (), {"a": {}}], [[1, 2], [], [], {"a": {}}]),
    "sets": ([{1}, frozenset([2])], [[1], [2]]),
    "a deque": (collections.deque([1, [2]]), [1, [2]]),
    "a named tuple": (collections.namedtuple("Point", "x y")(1, 2), [1, 2]),  # noqa: PYI024
    "keys": (
        {1: 1, None: 2, True + 1: 3, (1, "a"): 4, b"b\xff": 5, 1.5: 6},
        {"1": 1, "None": 2, "2": 3, "(1, 'a')": 4, "b\\xff": 5, "1.5": 6},
    ),
    "keys that become the same": ({1: "a", "1": "b", b"1": "c"}, {"1": "a", "1_": "b", "1_2_": "c"}),
    "an ordered dict": (collections.OrderedDict(a=1), {"a": 1}),
    "a mapping": (types.MappingProxyType({"a": [1]}), {"a": [1]}),
    "a chain of mappings": (collections.ChainMap({"a": 1}, {"b": 2}), {"b": 2, "a": 1}),
    "enums": ([Colour.RED, Colour.PAIR, Level.LOW, Mark.A | Mark.B], ["red", [1, 2], 1, 3]),
    "a dataclass": (Node("a", Node("b")), {"name": "a", "following": {"name": "b", "following": None}}),
    "a half-made dataclass": (HalfMade("a"), {"name": "a", "missing": None}),
    "a dataclass's class": (HalfMade, str(HalfMade)),
    "dates": (
        [dt.date(2020, 1, 2), dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC), dt.time(1, 2)],
        ["2020-01-02", "2020-01-02T03:04:05+00:00", "01:02:00"],
    ),
    "more of the library": (
        [
            decimal.Decimal("1.10"),
            decimal.Decimal("NaN"),
            fractions.Fraction(1, 3),
            dt.timedelta(1),
            1j,
            range(2),
        ],
        ["1.10", "NaN", "1/3", "1 day, 0:00:00", "1j", "range(0, 2)"],
    ),
    "paths and ids": ([pathlib.PurePosixPath("/a"), uuid.UUID(int=1)], ["/a", "00000000-0000-0000-0000-000000000001"]),
    "an exception": (ValueError("bad"), "ValueError: bad"),
    "numpy scalars": (
        [
            np.float64(1.5),
            np.float32(0.5),
            np.int8(-3),
            np.uint64(2**64 - 1),
            np.bool_(1),
            np.str_("s"),
            np.bytes_(b"b"),
        ],
        [1.5, 0.5, -3, str(2**64 - 1), True, "s", "b"],
    ),
    "numpy's NaN": ([np.float64("nan"), np.float16("inf")], ["NaN", "Infinity"]),
    "numpy arrays": (
        [
            np.arange(4).reshape(2, 2),
            np.array(5),
            np.array([]),
            np.array(["a", "b"]),
            object_array(1, "x", None),
        ],
        [[[0, 1], [2, 3]], 5, [], ["a", "b"], [1, "x", None]],
    ),
    "a masked array": (np.ma.array([1, 2], mask=[0, 1]), [1, None]),
    "numpy's times": (np.datetime64("2020-01-02"), "2020-01-02"),
    "complex numbers": (np.array([1j]), "[0.+1.j]"),
    "records": (np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]), "[(1, 2.5)]"),
    "long doubles": ([np.longdouble(2), np.array([1, 2], np.longdouble)], ["2.0", ["1.0", "2.0"]]),
    "a large array": (np.zeros(20_000), str(np.zeros(20_000))),
    "a list in itself": (in_itself(), [1, {"list": "<the list that this is in>"}, ["<the list that this is in>"]]),
    "a dataclass in itself": (node_in_itself(), {"name": "cyclic", "following": ["<the Node that this is in>"]}),
    "an array in itself": (array_in_itself(), [1, "<the ndarray that this is in>"]),
    "an enum in itself": (enum_in_itself(), "<the Cyclic that this is in>"),
    "the same twice": ([in_itself] * 2, [str(in_itself)] * 2),
    "text with methods of its own": ([HostileText("text"), {HostileText: 1}], ["text", {str(HostileText): 1}]),
    "numbers with methods of their own": (
        [HostileNumber(5), HostileNumber(2**70), HostileFloat(1.5)],
        [5, str(2**70), 1.5],
    ),
    "containers with methods of their own": ([HostileDict(a=1), HostileList([1])], [{"a": 1}, [1]]),
    "what can't be read": (Hostile(), "<Hostile object, whose __str__ raised ZeroDivisionError>"),
    "what has no class to name": (HostileClass(), "<HostileClass object, whose __str__ raised ValueError>"),
    "what pretends": (
        [Pretender(kind) for kind in (str, int, dict, list, bytes, ValueError, Node, np.ndarray)],
        ["a pretender"] * 8,
    ),
    "a time without its zone": (
        dt.datetime(2020, 1, 1, tzinfo=Broken()),
        "<datetime object, which can't be read: ZeroDivisionError>",
    ),
    "what was let go": (memoryview(b"x"), "x"),
}


@pytest.mark.parametrize("case", EXACT)
def test_each_kind_of_value(case):
    """Every kind of value is written as the nearest thing that JSON has, at top level, in a dict and in a list."""
    value, expected = EXACT[case]
    assert strictly(encode(value)) == expected
    assert strictly(encode({"key": value})) == {"key": expected}
    assert strictly(encode([value, (value,)])) == [expected, [expected]]


def test_a_generator_is_left_alone():
    """A generator is named, not used up."""
    generator = (number for number in range(3))
    assert "generator object" in strictly(encode([generator]))[0]
    assert list(generator) == [0, 1, 2]


def test_a_released_view_says_so():
    """Bytes that are gone do not lose the values around them."""
    view = memoryview(b"x")
    view.release()
    assert strictly(encode([1, view])) == [1, "<memoryview object, which can't be read: ValueError>"]


@pytest.mark.parametrize("depth", [39, 40, 41, 1000, 100_000])
def test_depth(depth):
    """What is nested deeper than parsers go is named at that depth, whatever its depth is."""
    value = strictly(encode(nested(depth)))
    levels = 0
    while isinstance(value, (dict, list)):
        value = value["in"] if isinstance(value, dict) else value[0]
        levels += 1
    assert levels == min(depth, jsontext.DEEPEST)
    assert value == "the end" if depth <= jsontext.DEEPEST else "nested deeper than 40 levels" in value


@pytest.mark.parametrize(
    "kind",
    [lambda inner: [inner, inner], lambda inner: {"a": inner, "b": inner}, lambda inner: object_array(inner, inner)],
)
def test_what_doubles_at_each_level_ends(kind, monkeypatch):
    """Lists that hold one another twice, 40 deep, do not fill the disk."""
    monkeypatch.setattr(jsontext, "MOST_VALUES", 1000)
    value: object = "leaf"
    for _ in range(60):
        value = kind(value)
    text = encode(value)
    assert "<one of more than 1000 values>" in text
    assert len(text) < 200_000
    strictly(text)


def test_a_mapping_without_end_ends(monkeypatch):
    """A mapping that never stops giving keys does not stop a record."""
    monkeypatch.setattr(jsontext, "MOST_VALUES", 1000)
    assert strictly(encode(Endless()))["5"] == 5


def test_an_array_in_nothing():
    """An array without dimensions that holds itself is not followed for ever."""
    array = np.empty((), object)
    array[()] = {"a": array}
    assert strictly(encode(array)) == {"a": "<the ndarray that this is in>"}


def test_modules_that_are_half_imported_do_no_harm(monkeypatch):
    """While another thread imports a module, its classes are not there yet."""
    for name in ("numpy", "enum", "datetime", "collections"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    assert strictly(encode(fractions.Fraction(1, 3))) == "1/3"


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters()),
    st.text(st.sampled_from('"\\\n\r\x00\x1c\x85\u2028\ud800\udfff_1a')),
    st.binary(max_size=20),
    st.complex_numbers(),
    st.decimals(),
    st.datetimes(timezones=st.none() | st.just(UTC)),
    st.timedeltas(),
    st.sampled_from([case for case in EXACT if case != "what can't be read"]).map(lambda case: EXACT[case][0]),
    st.builds(LessHostile),
    st.builds(Keyed, st.text()),
    st.builds(HostileText, st.text()),
)
KEYS = st.one_of(
    st.none(),
    st.text(st.characters(), max_size=5),
    st.text(st.sampled_from("a_1\\"), max_size=3),
    st.sampled_from(["\ud800", "\\ud800", b"\\ud800", "timestamp", "timestamp_", b"timestamp", b"a\xff", "a\\xff"]),
    st.binary(max_size=3),
    st.integers(),
    st.floats(),
    st.tuples(st.integers(), st.text()),
    st.builds(Keyed, st.sampled_from(["a", "a_", "a1_", "timestamp"])),
    st.builds(LessHostile),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(KEYS, inner, max_size=5),
        st.builds(Node, st.text(), inner),
        st.builds(collections.deque, st.lists(inner, max_size=3)),
        st.builds(types.MappingProxyType, st.dictionaries(KEYS, inner, max_size=3)),
        st.tuples(inner, inner),
        st.lists(inner, max_size=3).map(lambda items: object_array(*items)),
    ),
    max_leaves=20,
)


@given(VALUES)
@settings(max_examples=300)
def test_every_value_is_written(value):
    """Every value that Python can hold becomes valid JSON on one line, with each key once."""
    strictly(encode(value))
    strictly(encode({"key": value, "list": [value]}))
    strictly(encode(value, Redactor(["a"])))


@given(st.dictionaries(KEYS, VALUES, max_size=8))
@settings(max_examples=200)
@example({"\ud800": 1, "\\ud800": 2})
@example({b"a": 1, "a": 2, "a_": 3})
@example({"timestamp": 1, "timestamp_": 2})
def test_members_never_take_a_name_that_is_taken(values):
    """No key becomes one of the names that the object has already, and no two keys become one."""
    taken = {"timestamp", "event"}
    read = strictly("{" + members(values, frozenset(taken)) + "}")
    assert len(read) == len(values)
    assert not taken & set(read)


def test_a_name_that_is_taken_gets_an_underscore():
    """The name stays readable: an underscore behind it."""
    read = strictly("{" + members({"event": 1, "other": 3}, frozenset(["event"])) + "}")
    assert read == {"event_": 1, "other": 3}


def test_ten_thousand_equal_names_stay_short():
    """Keys that are all written alike do not grow with their number."""
    text = encode({Keyed("same"): number for number in range(10_000)})
    assert len(strictly(text)) == 10_000
    assert len(text) < 300_000


@given(st.text(st.characters()))
@example("\x7f\x85\u2028\u2029\u202e\u2066\x1c")
def test_quoted_text_reads_back(text):
    """Any text reads back as it was, but for lone surrogates, which are written out."""
    expected = re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match.group()):04x}", text)
    assert strictly(quoted(text)) == expected


def test_ordinary_text_is_not_escaped():
    """Japanese text and its like stays readable in the file."""
    assert quoted("日本語 é 😀") == '"日本語 é 😀"'


def test_readable_and_representation_never_raise():
    """A value that can't be shown is named, as plain text."""
    for value in (Hostile(), HostileClass(), HostileText("x"), Keyed("k"), 5, None):
        assert type(readable(value)) is str
        assert type(representation(value)) is str


def test_representation():
    """It is repr, or names the class whose repr raises."""
    assert representation("a") == "'a'"
    assert representation(Hostile()) == "<Hostile object, whose __repr__ raised ZeroDivisionError>"


def test_secrets_in_values_and_keys_are_redacted():
    """Text, keys, and whatever stands under a key that says so, is redacted; None, truth values and floats are not."""
    value = {
        "url": "?sig=abc",
        "password": "abc",
        "api_key": 12345,
        "auth_token": ["a", "b"],
        "client_secret": None,
        "passwd": True,
        "pwd": 1.5,
        "password=abc": 1,
        b"password": b"abc",
        "error": ValueError("password=abc"),
        "card": "4444",
    }
    assert strictly(encode(value, Redactor(["^card$", "4444"]))) == {
        "url": f"?sig={REPLACEMENT}",
        "password": REPLACEMENT,
        "api_key": REPLACEMENT,
        "auth_token": REPLACEMENT,
        "client_secret": None,
        "passwd": True,
        "pwd": 1.5,
        f"password={REPLACEMENT}": 1,
        "password_": REPLACEMENT,
        "error": f"ValueError: password={REPLACEMENT}",
        REPLACEMENT: REPLACEMENT,
    }


class TextInItself:
    """Its text asks for its own text."""

    def __str__(self):
        return str(self)

    def __repr__(self):
        return repr(self)


def test_a_value_that_never_ends_is_named():
    """A value whose text asks for itself does not lose what stands beside it."""
    assert strictly(encode({"a": 1, "b": TextInItself()})) == {
        "a": 1,
        "b": "<TextInItself object, whose __str__ raised RecursionError>",
    }
    assert representation(TextInItself()) == "<TextInItself object, whose __repr__ raised RecursionError>"


def test_near_the_end_of_the_stack_a_value_is_whole_or_not_there():
    """Where the stack is nearly full, a value is written as elsewhere, or RecursionError is raised: nothing between."""
    value = {"a": [{"b": fractions.Fraction(1, 3)}]}
    whole = encode(value)
    seen = set()

    def descend(levels):
        return descend(levels - 1) if levels else encode(value)

    for levels in range(sys.getrecursionlimit()):
        try:
            seen.add(descend(levels))
        except RecursionError:  # noqa: PERF203 - each try is one
            seen.add(None)
    assert seen == {whole, None}
