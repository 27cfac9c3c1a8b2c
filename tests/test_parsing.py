"""The parts of records, in the lines of every era."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logtreebits import LINES

from entry_script_helper.logtree.layouts import Place
from entry_script_helper.logtree.stream import parsing, shapes

PLACE = Place("user", "10.0.0.4", "Process-1", 7)


def parse(text, key=""):
    return parsing.parse(text.encode().decode("latin-1"), path="a.txt", offset=3, place=PLACE, key=key)


@pytest.mark.parametrize(
    ("line", "time", "level", "logger", "process", "thread", "function", "message"),
    [
        (
            "2026-01-31 10:00:00,123|score|ERROR|4711|140|run()|no\n\tTraceback:\n\t  x",
            "10:00:00.123000",
            "ERROR",
            "score",
            4711,
            140,
            "run",
            "no\nTraceback:\n  x",
        ),
        (
            "2026-01-31 10:00:00,123|score|Level 35|4711|140|<module>()|größe",
            "10:00:00.123000",
            "LEVEL 35",
            "score",
            4711,
            140,
            "<module>",
            "größe",
        ),
        (
            "2026-01-31 10:00:00,123|INFO|4700|run begins: a|b",
            "10:00:00.123000",
            "INFO",
            "",
            4700,
            None,
            "",
            "run begins: a|b",
        ),
        (
            "2026-01-31 10:00:00,123|ERROR|255|139773019682560|stderr: terminate",
            "10:00:00.123000",
            "ERROR",
            "",
            255,
            139773019682560,
            "",
            "stderr: terminate",
        ),
        ("2026-01-31 10:00:00,123|azureml|WARNING|12|m", "10:00:00.123000", "WARNING", "azureml", 12, None, "", "m"),
        (
            "2026-01-31T10:00:00.226929 Start the simulator.",
            "10:00:00.226929",
            "",
            "",
            7,
            None,
            "",
            "Start the simulator.",
        ),
        ("2026-01-31T19:00:00.5+09:00 x", "10:00:00.500000", "", "", 7, None, "", "x"),
        ("[2026-01-31 10:00:00Z] Submitting", "10:00:00", "", "", 7, None, "", "Submitting"),
        ("2026/01/31 10:00:00 WARNING mlflow.x: m", "10:00:00", "WARNING", "", 7, None, "", "mlflow.x: m"),
        ("2026-01-31 10:00:00,123 - a.b - WARN - m", "10:00:00.123000", "WARNING", "a.b", 7, None, "", "m"),
        ("2026-01-31 10:00:00.123 | FATAL    | m", "10:00:00.123000", "CRITICAL", "", 7, None, "", "m"),
        ("1769853600.25 m\r", "10:00:00.250000", "", "", 7, None, "", "m"),
        ("1769853600250 m", "10:00:00.250000", "", "", 7, None, "", "m"),
        ("[1769853600] a\r\n\tb", "10:00:00", "", "", 7, None, "", "a\nb"),
        (
            '{"timestamp": "2026-01-31T10:00:00.123456Z", "level": "INFO", "event": "é", "process": 1, "thread": 2, "func_name": "f", "logger": "l"}',
            "10:00:00.123456",
            "INFO",
            "l",
            1,
            2,
            "f",
            "é",
        ),
        (
            '{"event": "e", "level": "warn", "pid": true, "timestamp": "2026-01-31 10:00:00"}',
            "10:00:00",
            "WARNING",
            "",
            7,
            None,
            "",
            "e",
        ),
        ('{"levelno": 1, "level": 40, "msg": "m", "time": 1769853600}', "10:00:00", "ERROR", "", 7, None, "", "m"),
        (
            '{"level": 41, "msg": "m", "a": {"time": "2020-01-01 00:00:00"}, "ts": "2026-01-31 10:00:00"}',
            "10:00:00",
            "41",
            "",
            7,
            None,
            "",
            "m",
        ),
    ],
)
def test_lines_of_every_era(line, time, level, logger, process, thread, function, message):  # noqa: PLR0913, PLR0917
    """Each era's line, and other loggers', says what it says."""
    found = parse(line)
    assert found.time is not None
    assert found.time.isoformat() == f"2026-01-31T{time}+00:00"
    said = (found.level, found.logger, found.process, found.thread, found.function, found.message)
    assert said == (level, logger, process, thread, function, message)
    assert (found.path, found.offset, found.raw, found.process_name, found.node) == (
        "a.txt",
        3,
        line,
        "Process-1",
        "10.0.0.4",
    )


def test_extras_are_kept():
    """What of an object has no field of its own is in the extras, what has the wrong type too."""
    line = '{"timestamp": "2026-01-31T10:00:00.123456Z", "process": "x", "a": [1], "process_name": "P", "node": "n"}'
    found = parse(line)
    assert found.extras == {"process": "x", "a": [1]}
    assert (found.process_name, found.node, found.process) == ("P", "n", 7)


@pytest.mark.parametrize(
    "line", ['{"timestamp": "2026-01-31T10:00:00.1', '{"a": ' + "[" * 100_000, '{"a": 1} x', "plain\x1b[31m", ""]
)
def test_what_is_broken_is_a_message(line):
    """Broken JSON and any other text is a record as it is, at the time of the record before it."""
    found = parse(line, key="2026-01-31 10:00:00,5")
    assert found.message == found.raw == line
    assert found.time is not None
    assert found.time.microsecond == 500_000


def test_no_time():
    """A record without any time, or with one that no calendar has, has none."""
    assert parse("x").time is None
    assert parse("2026-13-31 10:00:00,123|x").time is None
    assert shapes.key_of("2026-13-31T10:00:00+09:00 x") == "2026-13-31 10:00:00"
    assert shapes.key_of("0001-01-01T00:00:00+09:00 x") == "0001-01-01 00:00:00"
    assert shapes.key_of_seconds(1e30) == shapes.NO_TIME


def test_bytes_that_are_no_utf8():
    """They are shown as backslash escapes."""
    found = parsing.parse("a\xff", path="", offset=0, place=PLACE, key="")
    assert found.raw == "a\\xff"


def test_which_time_of_an_object():
    """An object's own time counts, of several the likeliest name's; of a broken one the first that is there."""
    event = '{"event": "x", "d": {"time": "2020-01-01 00:00:00"}, '
    assert shapes.key_of(event + '"timestamp": "2026-01-31 10:00:00"}') == "2026-01-31 10:00:00"
    assert shapes.key_of(event + '"timestamp": "2026-01-31 10:00:00') == "2020-01-01 00:00:00"
    assert shapes.key_of(event + '"timestamp": "2026-01-31 10:00:00", x') == "2020-01-01 00:00:00"
    assert shapes.key_of(event + '"e": {"timestamp": "2026-01-31 10:00:00"}}') == "2020-01-01 00:00:00"
    assert (
        shapes.key_of('{"a": 1, "time": "2020-01-01 00:00:00", "timestamp": "2026-01-31 10:00:00"}')
        == "2026-01-31 10:00:00"
    )
    assert shapes.key_of('{"event": "\\"time\\": \\"2020-01-01 00:00:00\\""}') == ""


@given(st.one_of(st.text(), LINES, st.binary().map(lambda data: data.decode("latin-1"))))
def test_any_text_has_parts(text):
    """No text raises."""
    raw = text.encode("utf-8", "replace").decode("latin-1")
    found = parsing.parse(raw, path="", offset=0, place=PLACE, key="")
    json.dumps(found.message)


def test_levels_have_numbers():
    """Known levels, those with a number in their name, and others that count as INFO."""
    numbers = [parsing.number_of_level(level) for level in ("ERROR", "WARN", "LEVEL 35", "41", "LOUD")]
    assert numbers == [40, 30, 35, 41, 20]
