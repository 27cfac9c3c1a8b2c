"""The fast path writes what the plain handler writes, or steps aside; without it all is the same, only slower."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import subprocess
import sys
import threading
import time
import unittest
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entry_script_helper import EntryScriptHelper, fastpath, turn
from entry_script_helper.handler import EntryScriptHandler
from entry_script_helper.jsontext import representation

NAME = "fast.path"
TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "password=hunter2",
            "100%",
            "%d of %s",
            "%s",
            "%(a)s",
            "%5.1f|",
            "a\nb",
            "\r\x1b[2J",
            "\ud800",
            "\u2028",
            '"\\',
            "日本",
        ]
    ),
)


class Odd:
    def __str__(self):
        return "odd\n"

    def __repr__(self):
        raise ValueError


VALUES = st.one_of(
    TEXTS,
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.builds(Odd),
    st.just({"a": 1}),
    st.lists(st.integers(), max_size=2),
    st.binary(max_size=3),
)
EXTRAS = st.dictionaries(
    st.sampled_from(["a", "level", "password", "message", "name", "taskName", "b c", "event", "exception"]),
    VALUES,
    max_size=3,
)
KEYWORDS = st.fixed_dictionaries(
    {},
    optional={
        "extra": st.one_of(st.none(), EXTRAS),
        "exc_info": st.sampled_from([None, True, False, ValueError("x")]),
        "stack_info": st.booleans(),
        "stacklevel": st.integers(1, 3),
    },
)


class Listener(logging.Handler):
    def __init__(self, level=logging.NOTSET):
        super().__init__(level)
        self.seen = []

    def emit(self, record):
        state = dict(vars(record), relativeCreated=round(record.relativeCreated), message=record.getMessage())
        self.seen.append([(name, representation(value)) for name, value in state.items()])


def patch(target, name, value):
    return mock.patch.object(target, name, value)


def adding(where, handler):
    @contextlib.contextmanager
    def manage():
        where.addHandler(handler)
        try:
            yield
        finally:
            where.removeHandler(handler)

    return manage()


def filtering(where, verdict):
    @contextlib.contextmanager
    def manage():
        chosen = lambda record: verdict  # noqa: E731
        where.addFilter(chosen)
        try:
            yield
        finally:
            where.removeFilter(chosen)

    return manage()


@contextlib.contextmanager
def level_name(number, name):
    before = logging.getLevelName(number)
    logging.addLevelName(number, name)
    try:
        yield
    finally:
        logging.addLevelName(number, before)


@contextlib.contextmanager
def disabled(number):
    logging.disable(number)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


@contextlib.contextmanager
def factory():
    def make(*arguments, **keywords):
        record = logging.LogRecord(*arguments, **keywords)
        record.added = "by a factory"
        return record

    logging.setLogRecordFactory(make)
    try:
        yield
    finally:
        logging.setLogRecordFactory(logging.LogRecord)


def shouting(self, *arguments, **keywords):
    record = MAKE_RECORD(self, *arguments, **keywords)
    record.msg = "SHOUTED"
    record.args = ()
    return record


MAKE_RECORD = logging.Logger.makeRecord
EMIT = EntryScriptHandler.emit
CALL_HANDLERS = logging.Logger.callHandlers

CHANGES = {
    "root listens": lambda logger, ours: adding(logging.root, Listener()),
    "root listens to errors": lambda logger, ours: adding(logging.root, Listener(logging.ERROR)),
    "parent listens": lambda logger, ours: adding(logging.getLogger("fast"), Listener()),
    "another listens first": lambda logger, ours: patch(logger, "handlers", [Listener(), *logger.handlers]),
    "ours twice": lambda logger, ours: adding(logging.root, ours),
    "another listens": lambda logger, ours: adding(logger, Listener()),
    "logger refuses": lambda logger, ours: filtering(logger, False),
    "handler refuses": lambda logger, ours: filtering(ours, False),
    "handler has a filter": lambda logger, ours: filtering(ours, True),
    "formatter": lambda logger, ours: patch(ours, "formatter", logging.Formatter("%(levelname)s %(message)s")),
    "formatter's format": lambda logger, ours: patch(ours.formatter, "format", lambda record: f"mine {record.msg}"),
    "handler's level": lambda logger, ours: patch(ours, "level", logging.ERROR),
    "handler's emit": lambda logger, ours: patch(ours, "emit", lambda record: None),
    "handlers' emit": lambda logger, ours: patch(EntryScriptHandler, "emit", lambda self, record: [EMIT(self, record)]),
    "propagate": lambda logger, ours: patch(logger, "propagate", False),
    "disabled": lambda logger, ours: patch(logger, "disabled", True),
    "disable": lambda logger, ours: disabled(logging.WARNING),
    "level name": lambda logger, ours: level_name(logging.INFO, "NOTE"),
    "odd level name": lambda logger, ours: level_name(logging.INFO, "NO\nTE"),
    "factory": lambda logger, ours: factory(),
    "makeRecord": lambda logger, ours: patch(logging.Logger, "makeRecord", shouting),
    "logger's makeRecord": lambda logger, ours: patch(
        logger, "makeRecord", lambda *arguments: shouting(logger, *arguments)
    ),
    "callHandlers": lambda logger, ours: patch(
        logging.Logger, "callHandlers", lambda self, record: [CALL_HANDLERS(self, record)]
    ),
    "getMessage": lambda logger, ours: patch(logging.LogRecord, "getMessage", lambda self: "always this"),
    "no threads": lambda logger, ours: patch(logging, "logThreads", False),
    "no processes": lambda logger, ours: patch(logging, "logProcesses", False),
    "no process names": lambda logger, ours: patch(logging, "logMultiprocessing", False),
    "renamed": lambda logger, ours: patch(logger, "name", "renamed"),
    "no handlers": lambda logger, ours: patch(logger, "handlers", []),
    "attribute": lambda logger, ours: patch(logger, "filter", lambda record: False),
}


def outcome(call, ours, listeners):
    """Return what a call did: the error, what came to the file, what the listeners saw."""
    path = ours.destination.file.path
    with open(path, "rb") as file:
        file.seek(0, 2)
        before = [len(listener.seen) for listener in listeners]
        error = None
        try:
            call()
        except Exception as raised:
            error = (type(raised), str(raised))
        return error, file.read(), [listener.seen[start:] for start, listener in zip(before, listeners)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("place")


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    as_json=st.booleans(),
    level=st.sampled_from(["DEBUG", "INFO", "ERROR"]),
    name=st.sampled_from(["debug", "info", "warning", "error", "critical"]),
    message=st.one_of(TEXTS, VALUES),
    arguments=st.lists(VALUES, max_size=3),
    keywords=KEYWORDS,
    changes=st.lists(st.sampled_from(list(CHANGES)), max_size=2, unique=True),
    redact=st.booleans(),
)
def test_the_same_bytes(  # noqa: PLR0913, PLR0917
    place, as_json, level, name, message, arguments, keywords, changes, redact
):
    """For any topology, level, message, arguments and extras the fast and the plain path write the same bytes."""
    logger = EntryScriptHelper(place).config(NAME, level, json=as_json, redact=redact)
    (ours,) = logger.handlers
    with contextlib.ExitStack() as stack:
        stack.enter_context(patch(logging.root, "handlers", []))  # pytest listens there
        stack.enter_context(patch(time, "time", lambda: 1_700_000_000.123456))
        stack.enter_context(patch(time, "time_ns", lambda: 1_700_000_000_123_456_000))
        for _ in range(2):  # from which on there is a file, and a level is known to be on or off
            getattr(logger, name)("first")
        for change in changes:
            stack.enter_context(CHANGES[change](logger, ours))
        listeners = [
            h
            for listened in (logger, logging.getLogger("fast"), logging.root)
            for h in listened.handlers
            if type(h) is Listener
        ]

        def call():
            getattr(logger, name)(message, *arguments, **keywords)

        outcomes = []
        bound = {}
        for _ in range(2):  # from one line, which the stack of a record names
            outcomes.append(outcome(call, ours, listeners))
            if not bound:
                bound = {method: vars(logger).pop(method) for method in fastpath._LEVELS if method in vars(logger)}
        vars(logger).update(bound)
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_each_change(place, change, as_json):
    """Whatever is changed after config(), both write the same bytes."""
    for name, keywords in (("info", {}), ("error", {"extra": {"a": 1}}), ("debug", {})):
        test_the_same_bytes.hypothesis.inner_test(
            place, as_json, "INFO", name, "a message of %d", [1], keywords, [change], redact=True
        )


def test_it_is_used(place):
    """The fast path is taken: no record is made for an ordinary call, in text and in JSON, with plain extras too."""
    for as_json in (False, True):
        logger = EntryScriptHelper(place).config(NAME, json=as_json)
        listener = mock.Mock(side_effect=AssertionError)
        for first in (logger.info, logger.warning):  # from which on a level is known to be on
            first("the first")
        with patch(EntryScriptHandler, "handle", listener), patch(logging.root, "handlers", []):
            logger.info("processed %d of %s", 1, "abc")
            logger.warning("plain")
            logger.debug("disabled")
            if as_json:
                logger.info("extras", extra={"a": 1, "b": "two", "c": 0.5, "d": None, "e": True, "f": "g: h"})
        listener.assert_not_called()


ODD_EXTRAS = [
    {"a": "\ud800"},
    {"a": float("nan")},
    {"a": 10**30},
    {"password": "x"},
    {"a": [1]},
    {1: 2},
    {"message": 1},
    None,
    {},
    [1],
]


@pytest.mark.parametrize("extra", ODD_EXTRAS)
def test_extras_that_need_more_care(place, extra):
    """Extras that are more than plain values under plain names are written as the plain way writes them."""
    logger = EntryScriptHelper(place).config(NAME, json=True)
    (ours,) = logger.handlers
    logger.info("first")
    logger.info("second")
    clock = patch(time, "time", lambda: 1_700_000_000.123456)
    with patch(logging.root, "handlers", []), clock, patch(time, "time_ns", lambda: 1_700_000_000_123_456_000):
        fast = outcome(lambda: logger.info("a", extra=extra), ours, [])
        plain = outcome(lambda: logger.log(logging.INFO, "a", extra=extra), ours, [])
    assert repr(fast) == repr(plain)


def test_bounds(place, monkeypatch):
    """What is remembered of keys, functions, threads and paths never takes more room than so much."""
    logger = EntryScriptHelper(place).config(NAME, json=True)
    monkeypatch.setattr(fastpath, "_MOST_FUNCTIONS", 2)
    monkeypatch.setattr(logging.root, "handlers", [Listener()])
    for number in range(3):
        space = {"logger": logger}
        exec(compile(f"def f{number}(): logger.info('a', extra={{'key{number}': 1}})", f"{number}.py", "exec"), space)
        for _ in range(2):
            space[f"f{number}"]()
    level = logger.info.__self__
    assert len(fastpath._paths) <= 2
    assert len(level.labels) <= 2
    assert len(level.threads) <= 2


@pytest.mark.parametrize("listens", [False, True])
def test_function_with_an_odd_name(place, listens):
    """A function may have any name; its record is written the plain way, and listeners see message and arguments."""
    logger = EntryScriptHelper(place).config(NAME)
    space = {"logger": logger}
    exec(compile("def f(): logger.info('%s', 'a')", "odd.py", "exec"), space)
    odd = type(logger.info.__func__)(space["f"].__code__.replace(co_name='o"dd'), space)
    listener = Listener()
    with patch(logging.root, "handlers", [listener] if listens else []):
        for _ in range(3):
            odd()
    with open(logger.handlers[0].baseFilename, encoding="utf-8") as found:
        assert found.read().endswith('|o"dd()|a\n')
    assert [dict(seen)["args"] for seen in listener.seen] == ["('a',)"] * 3 * listens


def test_a_burst(tmp_path, monkeypatch):
    """Of many records at once each is there, also where the kernel refuses one at first or takes it in pieces."""
    monkeypatch.setattr(logging.root, "handlers", [])
    logger = EntryScriptHelper(tmp_path).config("fast.burst")
    write, calls = os.write, []

    def unreliable(descriptor, data):
        calls.append(data)
        if len(calls) % 100 == 50:
            raise OSError(errno.EIO, "once")
        return write(descriptor, data[:7] if len(calls) % 100 == 75 else data)

    monkeypatch.setattr(os, "write", unreliable)
    for number in range(1000):
        logger.info("record %d", number)
    with open(logger.handlers[0].baseFilename, encoding="utf-8") as found:
        assert [line.rpartition("|")[2] for line in found.read().splitlines()] == [f"record {n}" for n in range(1000)]


def test_waiting_for_another_thread(tmp_path, monkeypatch):
    """A thread waits while another is writing, and then writes."""
    monkeypatch.setattr(logging.root, "handlers", [])
    logger = EntryScriptHelper(tmp_path).config("fast.turn")
    logger.info("first")
    logger.info("second")
    file = logger.handlers[0].destination.file
    with file.turn:
        waiting = threading.Thread(target=logger.info, args=("third",))
        waiting.start()
        waiting.join(0.01)
        assert waiting.is_alive()
    waiting.join(60)
    with open(file.path, encoding="utf-8") as found:
        assert found.read().endswith("|third\n")


def test_a_turn_that_is_never_passed_on(monkeypatch):
    """Who holds a turn too long loses it: a thread that was killed within it stops nobody for ever."""
    monkeypatch.setattr(turn, "_LONGEST", 0.0)
    lost = turn.Turn()
    lost.owner[None] = 0
    with lost, lost:
        assert lost.owner != {None: 0}
    assert not lost.owner


def test_mapping_as_the_only_argument(place, monkeypatch):
    """A listener's record has a mapping itself where that is the only argument, as `logging` has it."""
    listener = Listener()
    monkeypatch.setattr(logging.root, "handlers", [listener])
    logger = EntryScriptHelper(place).config(NAME)
    for _ in range(3):
        logger.info("%s", {"a": 1})
    assert [dict(seen)["args"] for seen in listener.seen] == ["{'a': 1}"] * 3


def test_tasks(monkeypatch):
    """Since Python 3.12 a record names asyncio's task."""
    monkeypatch.setattr(logging, "logAsyncioTasks", True, raising=False)

    async def name():
        return fastpath._task_name()

    assert fastpath._task_name() == {"taskName": None}
    assert asyncio.run(name())["taskName"].startswith("Task-")
    monkeypatch.setattr(logging, "logAsyncioTasks", False)
    assert asyncio.run(name()) == {"taskName": None}


@pytest.mark.parametrize("name", ["debug", "info"])
def test_a_level_that_is_off(tmp_path, name):
    """A level that is off writes nothing, is on once it is set, and calls a method that is put in its place."""
    logger = EntryScriptHelper(tmp_path).config("fast.off", "WARNING")
    method = getattr(logger, name)
    method("nothing")
    method("nothing")
    with patch(logging.Logger, name, mock.Mock()) as replaced:
        method("a")
    replaced.assert_called_once()
    logger.setLevel("DEBUG")
    for text in ("one", "two", "three"):
        getattr(logger, name)(text)
    with open(logger.handlers[0].baseFilename, encoding="utf-8") as found:
        assert [line.rpartition("|")[2] for line in found.read().splitlines()] == []
    logger.handlers[0].setLevel("DEBUG")
    for text in ("one", "two", "three"):
        getattr(logger, name)(text)
    with open(logger.handlers[0].baseFilename, encoding="utf-8") as found:
        assert [line.rpartition("|")[2] for line in found.read().splitlines()] == ["one", "two", "three"]


def test_without_multiprocessing(place, monkeypatch):
    """A process that never imported multiprocessing is called MainProcess."""
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.delitem(sys.modules, "multiprocessing.process", raising=False)
    monkeypatch.setattr(fastpath, "_modules", {})
    logger = EntryScriptHelper(place).config(NAME, json=True)
    for _ in range(3):
        logger.info("a")
    with open(logger.handlers[0].baseFilename, encoding="utf-8") as found:
        assert json.loads(found.readlines()[-1])["process_name"] == "MainProcess"


@pytest.mark.parametrize(
    ("as_json", "change", "keywords"),
    [
        (False, "disable", {}),
        (False, "disabled", {}),
        (False, "odd level name", {}),
        (True, "formatter's format", {}),
        (True, "no process names", {}),
        (True, "level name", {"extra": {}}),
        (True, "level name", {"extra": {"a": Odd()}}),
        (True, "level name", {"extra": {"a": 1}, "stacklevel": 1}),
        (False, "level name", {"extra": {"a": 1}}),
    ],
)
def test_stepping_aside(place, as_json, change, keywords):
    """Each thing that the fast path does not know is left to the plain one."""
    logger = EntryScriptHelper(place).config(NAME, json=as_json)
    (ours,) = logger.handlers
    logger.info("first")
    logger.info("second")
    with patch(logging.root, "handlers", []), CHANGES[change](logger, ours):
        fast = outcome(lambda: logger.info("a", **keywords), ours, [])
        with patch(logging.root, "handlers", [Listener()]):
            plain = outcome(lambda: logger.info("a", **keywords), ours, [])
    assert fast[0] == plain[0]
    assert fast[1].count(b"\n") == plain[1].count(b"\n") == (not change.startswith("disable"))


@pytest.mark.parametrize(
    ("now", "cut", "rounded"),
    [(5.25, 250, 250), (1_700_000_000.123, 122, 123), (1_700_000_000.9999998, 999, 999), (1_700_000_000.0, 0, 0)],
)
def test_milliseconds(now, cut, rounded):
    """Milliseconds are those that a record has: cut off, or since Python 3.13 made of whole nanoseconds."""
    assert fastpath._milliseconds_cut(now % 1) == cut
    assert fastpath._milliseconds_rounded(now % 1) == rounded


def test_text_that_needs_more(tmp_path, monkeypatch):
    """A message of several lines is left to the plain way; without redaction nothing is redacted."""
    monkeypatch.setattr(logging.root, "handlers", [])
    logger = EntryScriptHelper(tmp_path).config("fast.more", redact=False)
    logger.info("two\nlines")
    logger.info("password=kept")
    with open(logger.handlers[0].baseFilename, encoding="utf-8") as found:
        assert [line.rpartition("|")[2] for line in found.read().splitlines()] == ["two", "\tlines", "password=kept"]


def test_subclass_of_the_users_own(tmp_path):
    """A logger of a class of the user's own is left as it is, and works."""

    class Mine(logging.Logger):
        def info(self, msg, *args, **kwargs):
            super().info(f"mine: {msg}", *args, **kwargs)

    logging.setLoggerClass(Mine)
    try:
        logger = EntryScriptHelper(tmp_path).config("fast.mine")
    finally:
        logging.setLoggerClass(logging.Logger)
    logger.info("a")
    with open(logger.handlers[0].baseFilename, encoding="utf-8") as found:
        assert found.read().endswith("|mine: a\n")


def test_others_ways_to_listen(tmp_path, caplog):
    """caplog, assertLogs, LoggerAdapter, exception() and log() see and write what they would."""
    logger = EntryScriptHelper(tmp_path).config("fast.ways")
    logger.info("to caplog")
    assert caplog.messages == ["to caplog"]
    with unittest.TestCase().assertLogs("fast.ways") as logs:
        logger.info("to assertLogs")
    assert logs.output == ["INFO:fast.ways:to assertLogs"]
    logging.LoggerAdapter(logger, {"a": 1}).info("adapter")
    logger.log(logging.INFO, "log")
    try:
        raise ValueError("x")
    except ValueError:
        logger.exception("exception")
    with open(logger.handlers[0].baseFilename, encoding="utf-8") as found:
        lines = found.read().splitlines()
    assert [line.split("|")[-2:] for line in lines if not line.startswith("\t")] == [
        ["test_others_ways_to_listen()", text] for text in ("to caplog", "adapter", "log", "exception")
    ]


def test_patched_method(tmp_path):
    """A method that is replaced on the class or on the logger is called; later calls are fast again."""
    logger = EntryScriptHelper(tmp_path).config("fast.patched")
    with patch(logging.Logger, "info", mock.Mock()) as replaced:
        logger.info("a")
    replaced.assert_called_once()
    with patch(logger, "info", mock.Mock()) as replaced:
        logger.info("b")
    replaced.assert_called_once_with("b")
    assert logger.info.is_entry_script_function


def test_bound_values(tmp_path):
    """Values that structlog has bound to the context are in a JSON line, fast path or not."""
    structlog = pytest.importorskip("structlog")
    logger = EntryScriptHelper(tmp_path).config("fast.bound", json=True)
    with patch(logging.root, "handlers", []):
        with structlog.contextvars.bound_contextvars(run=7):
            for _ in range(2):
                logger.info("a")
        logger.info("b")
    structlog.reset_defaults()
    with open(logger.handlers[0].baseFilename, encoding="utf-8") as found:
        assert ['"run": 7' in line for line in found.read().splitlines()] == [True, True, False]


def test_full_disk(tmp_path, monkeypatch, capsys):
    """What the fast path can't write is on stderr and waits, as it does for the plain one."""
    logger = EntryScriptHelper(tmp_path).config("fast.full")
    file = logger.handlers[0].destination.file
    with monkeypatch.context() as context:
        context.setattr(logging.root, "handlers", [])
        logger.info("written")
        context.setattr(type(file), "go_on", lambda self, data, written=0: False)
        logger.info("shown")
    assert "|shown\n" in capsys.readouterr().err


def test_foreign_formatter(tmp_path):
    """A formatter that is not one of ours is not bound."""
    logger = EntryScriptHelper(tmp_path).config("fast.foreign")
    logger.handlers[0].setFormatter(logging.Formatter())
    fastpath.bind(logger, logger.handlers[0])
    assert "info" not in vars(logger)


def test_without_it():
    """Without the module all is the same: it can be deleted."""
    code = (
        "import sys, tempfile; sys.modules['entry_script_helper.fastpath'] = None\n"
        "import entry_script_helper as e; logger = e.EntryScriptHelper(tempfile.mkdtemp()).config('a')\n"
        "logger.info('kept'); print(open(logger.handlers[0].baseFilename).read(), end='')"
    )
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.endswith("|kept\n")


def test_the_message_by_its_name(workplace):
    """A message may be given by its name, as the standard library's methods take it and structlog's loggers give it."""
    workplace.run('logger = config("a")\nfor number in range(3):\n    logger.info(msg=f"record {number}")')
    assert workplace.records() == ["record 0", "record 1", "record 2"]
