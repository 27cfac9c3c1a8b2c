"""A record as text or as JSON: one record, one line, that no text in it can break or forge."""

from __future__ import annotations

import copy
import json
import logging
import re
import subprocess
import sys
import time
import types

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entry_script_helper import formatting
from entry_script_helper.formatting import FIELDS, KEYS, TEXT_FORMAT, WRITTEN, JsonFormatter, TextFormatter, one_line
from entry_script_helper.redaction import Redactor

HEAD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\|")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def without_duplicates(pairs):
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)


def make(message="message", *args, name="EntryScript", level=logging.INFO, function="init", **more):
    exc_info = more.pop("exc_info", None)
    record = logging.LogRecord(name, level, "/score.py", 5, message, args, exc_info, function, more.pop("sinfo", None))
    record.__dict__.update(more)
    return record


def text_of(record, redactor=None):
    """Format as text, and see that it is one record."""
    text = TextFormatter(redactor).format(record)
    first, *further = text.splitlines()
    assert HEAD.match(first), text
    assert all(line.startswith("\t") for line in further), text
    assert text == "".join([first, *["\n" + line for line in further]]).rstrip("\n") or text.endswith("\n\t")
    assert text.encode("utf-8", "backslashreplace") == text.encode()
    return text


def json_of(record, redactor=None, **options):
    """Format as JSON, and read it strictly."""
    line = JsonFormatter(redactor, **options).format(record)
    assert line.splitlines() == [line]
    assert line.encode("utf-8", "backslashreplace") == line.encode()
    read = json.loads(line, parse_constant=refuse, object_pairs_hook=without_duplicates)
    assert list(read)[: len(KEYS)] == [
        *["timestamp", "level", "logger", "event", "process", "process_name", "thread", "func_name", "run_id", "node"]
    ]
    assert TIMESTAMP.fullmatch(read["timestamp"])
    return read


def raised(error=None, cause=None):
    try:
        raise (error or ValueError("bad")) from cause
    except BaseException:
        return sys.exc_info()


class Hostile:
    def __str__(self):
        raise ZeroDivisionError

    __repr__ = __format__ = __mod__ = __rmod__ = __int__ = __floordiv__ = __str__


class HostileText(str):
    __slots__ = ()

    def __str__(self):
        raise ZeroDivisionError

    __format__ = __mod__ = __repr__ = __str__


class StrangeText(str):
    """A message whose own formatting gives no text."""

    __slots__ = ()

    def __str__(self):
        return self

    def __mod__(self, args):
        return 5


class HostileRepr(str):
    __slots__ = ()

    def __format__(self, specification):
        raise ZeroDivisionError


class GivesHostileRepr:
    def __repr__(self):
        return HostileRepr("shown")


PRINTABLE = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" \u3000\xa0"))
TIMES = st.one_of(st.floats(0, 4e9), st.integers(0, 4 * 10**9))


@given(PRINTABLE, st.tuples(PRINTABLE, PRINTABLE), st.integers(0, 60), TIMES, st.integers(-(2**70), 2**70))
def test_text_is_the_articles_format(message, names, level, created, number):
    """For an ordinary record the line is byte for byte what the standard library makes of the article's format."""
    theirs = logging.Formatter(TEXT_FORMAT)
    theirs.converter = time.gmtime
    record = make(message, name=names[0], level=level, function=names[1], process=number, thread=number)
    record.created, record.msecs = created, created % 1 * 1000
    assert TextFormatter().format(record) == theirs.format(record)


@pytest.mark.parametrize("arguments", [(), (1,), ("a", 2.5), ({"a": 1},), (None,)])
def test_arguments_are_filled_in(arguments):
    """Arguments are filled in as the standard library does it."""
    message = "%(a)s" if arguments and isinstance(arguments[0], dict) else " ".join(["%s"] * len(arguments))
    record = make(message, *arguments)
    assert text_of(record).endswith(f"|{record.getMessage()}")
    assert json_of(record)["event"] == record.getMessage()


def test_a_formatter_makes_each_second_once_and_rightly():
    """Records of several seconds, in any order, have their own times, the fraction cut and not rounded."""
    formatter = TextFormatter()
    times = (1.9999, 2.0, 1.0, 1.5, 0.0)
    seen = [formatter.format(make(created=created, msecs=created % 1 * 1000))[:23] for created in times]
    assert seen == [f"1970-01-01 00:00:0{text}" for text in ("1,999", "2,000", "1,000", "1,500", "0,000")]
    json_formatter = JsonFormatter()
    assert '"1970-01-01T00:00:01.999900Z"' in json_formatter.format(make(created=1.9999))
    assert '"1969-12-31T23:59:58.500000Z"' in json_formatter.format(make(created=-1.5))


TRICKS = st.lists(
    st.sampled_from(
        [
            *[
                "\n",
                "\r",
                "\r\n",
                "\x0b",
                "\x0c",
                "\x1c",
                "\x1d",
                "\x1e",
                "\x85",
                "\u2028",
                "\u2029",
                "\x00",
                "\x1b[2K",
            ],
            *["\u202e", "\ud800", "\udcff", "\t", "a", "|", "日", "{", '"', "\\", "%"],
            "2019-11-21 10:00:00,123|EntryScript|INFO|12|34|init()|forged",
        ]
    ),
    max_size=12,
).map("".join)


@given(TRICKS, TRICKS, TRICKS, TRICKS)
@example("a\n2019-11-21 10:00:00,123|x|INFO|1|2|f()|forged", "\n", "\x85", "\u2028")
def test_no_text_forges_a_record(message, name, function, level):
    """Whatever is logged, by whatever name, only a record's first line looks like a record's first line."""
    record = make(
        message, name=name, function=function, levelname=level, exc_info=raised(ValueError(message)), sinfo=message
    )
    text_of(record)
    read = json_of(record)
    assert read["event"] == re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match.group()):04x}", message)


@given(TRICKS)
def test_one_line(text):
    """Further lines start with a tab, and nothing else that could be taken for a line's end is left."""
    made = one_line(text)
    assert one_line(text.replace("\n", "")).replace("\t", "").isprintable() or "\x1b" in text
    assert all(line.startswith("\t") for line in made.splitlines()[1:])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", "a b"),
        ("a\nb\r\nc", "a\n\tb\n\tc"),
        ("a\rb", "a\\rb"),
        ("a\x00\x1b\x7f\x85", "a\\x00\\x1b\\x7f\\x85"),
        ("a\tb\xa0\u3000", "a\tb\xa0\u3000"),
        ("\u2028\u202e\ud800", "\\u2028\\u202e\\ud800"),
    ],
)
def test_what_is_escaped(text, expected):
    """Control characters, line separators, marks of direction and lone surrogates are written out, nothing else."""
    assert one_line(text) == expected


@pytest.mark.parametrize(
    ("message", "arguments", "expected"),
    [
        ("%d", ("x",), "%d (could not be formatted with ('x'): TypeError: %d format: a "),
        ("%s %s", ("x",), "%s %s (could not be formatted with ('x'): TypeError: not enough arguments"),
        ("no place", ("x", 1), "no place (could not be formatted with ('x', 1): TypeError: not all arguments"),
        ("%(a)s", ({"b": 1},), "%(a)s (could not be formatted with ({'b': 1}): KeyError: 'a')"),
        ("%z", (1,), "%z (could not be formatted with (1): ValueError: unsupported format character"),
        (
            "%s",
            (Hostile(),),
            "%s (could not be formatted with (<Hostile object, whose __repr__ raised ZeroDivisionError>)",
        ),
        (Hostile(), (), "<Hostile object, whose __str__ raised ZeroDivisionError> (could not be formatted with (): "),
        (HostileText("x"), (), "<HostileText object, whose __str__ raised"),
        (StrangeText("x"), (1,), "x (could not be formatted with (1): TypeError"),
        (None, (), "None"),
        (5, (), "5"),
        (b"x", (), "b'x'"),
        ({"a": 1}, (), "{'a': 1}"),
    ],
)
def test_a_wrong_call_keeps_what_it_wanted_to_say(message, arguments, expected):
    """Arguments that don't fit, or that can't be shown, do not lose the message."""
    record = make(message, *arguments)
    assert text_of(record).partition("|init()|")[2].startswith(expected)
    assert json_of(record)["event"].startswith(expected)


def test_a_message_that_never_ends_is_the_handlers_business():
    """A RecursionError is passed on: only the handler knows whether there is room on the stack for another try."""

    class Endless:
        def __str__(self):
            return str(self)

    for formatter in (TextFormatter(), JsonFormatter()):
        with pytest.raises(RecursionError):
            formatter.format(make(Endless()))


@pytest.mark.parametrize(
    "attributes",
    [
        {"created": float("nan"), "msecs": float("nan")},
        {"created": float("inf"), "msecs": float("inf")},
        {"created": None, "msecs": None},
        {"created": "yesterday", "msecs": "some"},
        {"created": 1e300, "msecs": 1e300},
        {"created": 1e12},
        {"created": -1e12},
        {"created": -62167219201},
        {"created": Hostile(), "msecs": Hostile()},
        {"name": None, "levelname": None, "funcName": None, "process": None, "thread": None, "processName": None},
        {"name": Hostile(), "levelname": Hostile(), "funcName": Hostile(), "process": Hostile(), "thread": Hostile()},
        {
            "name": HostileText("n"),
            "levelname": HostileText("l"),
            "funcName": HostileText("f"),
            "processName": Hostile(),
        },
        {"name": "a\nb", "levelname": "\x85", "funcName": "\r\n", "processName": "\u2028"},
        {"process": float("nan"), "thread": 2**70},
        {"args": None},
        {"args": 5},
        {"args": {}},
        {"exc_text": 5},
        {"exc_text": Hostile()},
        {"stack_info": 5},
        {"stack_info": Hostile()},
    ],
)
def test_a_made_up_record_is_written(attributes):
    """A record keeps its message whatever its attributes were set to."""
    record = make("the message", **attributes)
    assert "the message" in text_of(record)
    assert json_of(record)["event"].startswith("the message")


@pytest.mark.parametrize(
    "missing", ["created", "msecs", "name", "levelname", "process", "thread", "funcName", "processName"]
)
def test_a_record_that_lacks_something_is_written(missing):
    """A record of another time or tool, that lacks an attribute, is written without it."""
    record = make("the message")
    del record.__dict__[missing]
    assert text_of(record).endswith("()|the message")
    assert json_of(record)["event"] == "the message"


def test_times_before_the_epoch_are_right():
    """A time before 1970 is not moved into the next second."""
    assert json_of(make(created=-0.25))["timestamp"] == "1969-12-31T23:59:59.750000Z"


@pytest.mark.parametrize("created", [1e12, -62167219201, float("nan"), None])
def test_a_time_that_cant_be_is_now(created):
    """A time that has no four-digit year is replaced by the present."""
    before = time.strftime("%Y-%m-%dT%H", time.gmtime())
    assert json_of(make(created=created))["timestamp"][:13] in (before, time.strftime("%Y-%m-%dT%H", time.gmtime()))


# exceptions


@pytest.mark.parametrize(
    "exc_info",
    [
        True,
        1,
        "text",
        (1, 2),
        (1, 2, 3),
        (None, None, None),
        (ValueError, ValueError("bad"), "no traceback"),
        (ValueError, None, None),
        ValueError("bad"),
        Hostile(),
        [1],
    ],
)
def test_exc_info_of_any_kind(exc_info):
    """An exc_info that is none does not lose the record."""
    record = make(exc_info=exc_info)
    record.exc_info = exc_info
    assert "|init()|message" in text_of(record)
    assert "exception" in json_of(record)


def test_the_traceback_as_text():
    """A traceback follows the message, each line behind a tab, and its stack behind it."""
    record = make("failed", exc_info=raised(), sinfo="Stack (most recent call last):\n  here")
    lines = text_of(record).split("\n")
    assert lines[0].endswith("|failed")
    assert lines[1] == "\tTraceback (most recent call last):"
    assert lines[-3:] == ["\tValueError: bad", "\tStack (most recent call last):", "\t  here"]
    assert text_of(make("failed\n", exc_info=raised())).split("\n")[1] == "\tTraceback (most recent call last):"


def test_without_an_exception_there_is_none():
    """exc_info=True where nothing was raised is no exception."""
    assert json_of(make(exc_info=(None, None, None)))["exception"] is None


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_the_cache_of_other_formatters_is_left_alone(formatter):
    """exc_text is neither read nor written where there is an exception: it is another formatter's, in its colours."""
    record = make(exc_info=raised())
    formatter.format(record)
    assert record.exc_text is None
    record.exc_text = "\x1b[31mcoloured"
    assert "coloured" not in formatter.format(record)
    assert record.exc_text == "\x1b[31mcoloured"


def test_a_text_of_an_exception_alone_is_written():
    """A record from another process carries only the exception's text."""
    record = make(exc_text="Traceback:\nValueError: bad")
    assert text_of(record).endswith("|message\n\tTraceback:\n\tValueError: bad")
    assert json_of(record)["exception"] == "Traceback:\nValueError: bad"
    assert json_of(make(sinfo="Stack:\n  here"))["stack"] == "Stack:\n  here"


def test_an_exception_as_json():
    """An exception is a list: itself, then its causes, each with its frames, the innermost last, without variables."""
    secret_in_a_local_variable = "do not show"  # noqa: F841

    def inner():
        raise KeyError("cause")

    try:
        try:
            inner()
        except KeyError as error:
            raise ValueError("bad") from error
    except ValueError:
        record = make(exc_info=sys.exc_info())
    read = json_of(record)["exception"]
    assert [(one["exc_type"], one["exc_value"], one["is_cause"]) for one in read] == [
        ("ValueError", "bad", False),
        ("KeyError", "'cause'", True),
    ]
    assert [frame["name"] for frame in read[1]["frames"]] == ["test_an_exception_as_json", "inner"]
    assert read[1]["frames"][1]["filename"] == __file__
    assert isinstance(read[1]["frames"][1]["lineno"], int)
    assert "do not show" not in json.dumps(read)


def test_the_context_of_an_exception():
    """What was being handled is listed as well, unless it was suppressed."""

    def during(suppress):
        try:
            try:
                raise KeyError("first")
            except KeyError:
                if suppress:
                    raise ValueError("second") from None
                raise ValueError("second")  # noqa: B904 - that is the test
        except ValueError:
            return json_of(make(exc_info=sys.exc_info()))["exception"]

    assert [(one["exc_type"], one["is_cause"]) for one in during(suppress=False)] == [
        ("ValueError", False),
        ("KeyError", False),
    ]
    assert [one["exc_type"] for one in during(suppress=True)] == ["ValueError"]


def test_exceptions_in_a_circle_end():
    """Exceptions that cause one another are listed once."""
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    record = make(exc_info=(ValueError, first, None))
    assert [one["exc_value"] for one in json_of(record)["exception"]] == ["first", "second"]
    text_of(record)


def test_a_long_chain_is_cut():
    """A chain of a thousand exceptions is cut at a hundred."""
    error = None
    for number in range(1000):
        following = ValueError(number)
        following.__cause__ = error
        error = following
    assert len(json_of(make(exc_info=(ValueError, error, None)))["exception"]) == 100


def test_many_frames_are_left_out_in_the_middle():
    """Of a deep traceback, the outermost and innermost frames are kept, and the number of others said."""

    def deep(levels):
        if levels == 0:
            raise ValueError
        deep(levels - 1)

    try:
        deep(300)
    except ValueError:
        frames = json_of(make(exc_info=sys.exc_info()))["exception"][0]["frames"]
    assert len(frames) == 101
    assert frames[50]["name"] == "... 202 frames left out"
    assert frames[-1]["name"] == "deep"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups and notes came with Python 3.11")
def test_groups_and_notes():
    """A group's exceptions and every exception's notes are kept; a group in itself ends."""
    inner = ValueError("inner")
    inner.add_note("a note\nof two lines")
    inner.__notes__.append(5)
    group = ExceptionGroup("outer", [inner, ExceptionGroup("second", [KeyError("k")])])  # noqa: F821
    read = json_of(make(exc_info=raised(group)))["exception"][0]
    assert (read["is_group"], read["exc_value"]) == (True, "outer (2 sub-exceptions)")
    [[first], [second]] = read["exceptions"]
    assert (first["exc_notes"], first["is_group"]) == (["a note\nof two lines", "5"], False)
    assert second["exceptions"][0][0]["exc_type"] == "KeyError"
    inner.__notes__ = 5
    inner.__cause__ = group
    assert json_of(make(exc_info=raised(group)))["exception"][0]["exceptions"][0][0]["exc_notes"] == []
    assert "a note" not in text_of(make(exc_info=raised(group)))


def test_an_exception_with_a_list_of_others():
    """Libraries before Python 3.11 keep a group's exceptions under the same name; what is none is passed over."""
    error = ValueError("several")
    error.exceptions = (KeyError("k"), "no exception")
    read = json_of(make(exc_info=raised(error)))["exception"][0]
    assert [[one["exc_type"] for one in member] for member in read["exceptions"]] == [["KeyError"]]


def test_an_exception_that_cant_be_read_is_named():
    """An exception whose every attribute raises does not lose the record."""

    class Hidden(Exception):  # noqa: N818 - no public one
        def __getattribute__(self, name):
            raise ZeroDivisionError

    record = make(exc_info=(Hidden, Hidden("x"), None))
    assert "could not be formatted: ZeroDivisionError)" in json_of(record)["exception"]
    assert "Hidden" in text_of(record)


def test_an_exception_that_never_ends_is_the_handlers_business(monkeypatch):
    """A RecursionError while an exception is read is passed on, as with messages."""

    def endless(*args):
        raise RecursionError

    record = make(exc_info=raised())
    monkeypatch.setattr(formatting, "structured_exception", endless)
    with pytest.raises(RecursionError):
        JsonFormatter().format(record)
    monkeypatch.setattr(TextFormatter, "formatException", endless)
    with pytest.raises(RecursionError):
        TextFormatter().format(record)


# JSON's own


def test_the_keys_of_a_json_line():
    """A line has our keys, in a fixed order, with the record's own values."""
    record = make("hello %s", "you", created=1574330400.5)
    read = json_of(record, run_id="run_1", node="10.0.0.4")
    assert read == {
        "timestamp": "2019-11-21T10:00:00.500000Z",
        "level": "INFO",
        "logger": "EntryScript",
        "event": "hello you",
        "process": record.process,
        "process_name": "MainProcess",
        "thread": record.thread,
        "func_name": "init",
        "run_id": "run_1",
        "node": "10.0.0.4",
    }


EXTRA_NAMES = st.one_of(
    st.sampled_from([*KEYS, *[f"{key}_" for key in KEYS], "exception", "stack", "exception_", "a", "b"]),
    st.text(max_size=3),
)


@given(
    st.dictionaries(EXTRA_NAMES, st.integers() | st.text()), st.dictionaries(EXTRA_NAMES, st.integers()), st.booleans()
)
@settings(max_examples=200)
def test_extras_never_overwrite_our_keys(extras, fields, with_exception):
    """Extras and structlog's values are all there, and none of them takes the place of a key of ours."""
    record = make("event", exc_info=raised() if with_exception else None, sinfo="stack" if with_exception else None)
    extras = {
        name: value
        for name, value in extras.items()
        if name not in record.__dict__ and name not in ("message", "asctime")
    }
    record.__dict__.update(extras)
    record.__dict__[FIELDS] = fields
    read = json_of(record)
    assert (read["event"], read["level"], read["logger"], read["func_name"]) == ("event", "INFO", "EntryScript", "init")
    if with_exception:
        assert read["exception"][0]["exc_type"] == "ValueError"
        assert read["stack"] == "stack"
    assert len(read) == len(KEYS) + len({**extras, **fields}) + 2 * with_exception


def test_what_the_library_puts_into_a_record_is_no_extra():
    """The standard attributes of a record, and ours, are not repeated."""
    record = make(message="m", asctime="t", taskName="task", **{WRITTEN: 5, FIELDS: None})
    record.msg = "message"
    assert set(json_of(record)) == KEYS


def test_what_a_record_factory_adds_is_an_extra():
    """What a user's record factory adds is written, also where it was set before this package was imported."""
    code = """
import logging
class Record(logging.LogRecord):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.request = "r1"
logging.setLogRecordFactory(Record)
from entry_script_helper.formatting import JsonFormatter
print(JsonFormatter().format(logging.makeLogRecord({"msg": "m", "created": 0.0})))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout)["request"] == "r1"


def test_context_that_is_half_imported_does_no_harm(monkeypatch):
    """While another thread imports structlog, records are written without its values."""
    monkeypatch.setitem(sys.modules, "structlog.contextvars", types.ModuleType("structlog.contextvars"))
    assert set(json_of(make())) == KEYS


def test_structlogs_values_as_text():
    """structlog's values follow the message as key=value."""
    record = make("event", **{FIELDS: {"a": 1, "b\n": "x y", Hostile(): Hostile(), "c": GivesHostileRepr()}})
    hostile = "<Hostile object, whose {} raised ZeroDivisionError>".format
    assert text_of(record).endswith(f"|event a=1 b\n\t='x y' {hostile('__str__')}={hostile('__repr__')} c=shown")


def test_secrets_are_redacted_everywhere():
    """Secrets in messages, arguments, values, extras and exceptions are replaced, in text and in JSON."""
    fields = {"api_key": 12345, "url": "?sig=abcdef", "passwd": None}
    record = make(
        "a password=%s",
        "abcdef",
        exc_info=raised(ValueError("AccountKey=abcdef")),
        sinfo="Stack: pwd='abcdef'",
        extra_one={"password": b"abcdef"},
        **{FIELDS: fields},
    )
    text = text_of(record, Redactor())
    assert "abcdef" not in text
    assert "a password=[REDACTED] api_key=[REDACTED] url='?sig=[REDACTED]' passwd=" in text
    read = json_of(record, Redactor())
    assert "abcdef" not in json.dumps(read)
    assert (read["api_key"], read["passwd"]) == ("[REDACTED]", None)
    assert text_of(record).count("abcdef") > 3


@pytest.mark.parametrize("formatter", [TextFormatter(Redactor()), JsonFormatter(Redactor(), run_id="r", node="n")])
def test_a_formatter_is_a_logging_formatter(formatter):
    """Tools that look at handlers find a formatter as the standard library's, that can be copied."""
    assert isinstance(formatter, logging.Formatter)
    record = make()
    assert copy.copy(formatter).format(record) == formatter.format(record)


@pytest.mark.parametrize("kind", [TextFormatter, JsonFormatter])
def test_no_pattern_is_compiled_by_a_record(kind, monkeypatch):
    """All patterns are compiled with the formatter: a signal handler that logs can't interrupt itself in doing so."""
    formatter = kind(Redactor())
    record = make("a\nb\x00 password=abc", extra={"password": "abc"})
    expected = formatter.format(record)

    def refuse_to_compile(*args):
        raise AssertionError(args)

    re.purge()
    for module in ("_compiler", "sre_compile"):
        if hasattr(re, module):
            monkeypatch.setattr(getattr(re, module), "compile", refuse_to_compile)
    assert formatter.format(record) == expected
