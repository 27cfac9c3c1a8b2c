"""structlog's loggers, in the same file with the same keys as the standard library's."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
import sys
import threading

import pytest
import structlog

from entry_script_helper import EntryScriptHelper, structlogtarget
from entry_script_helper.formatting import KEYS


@pytest.fixture(autouse=True)
def _fresh_structlog():
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    structlogtarget._fallback.clear()
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    structlogtarget._fallback.clear()


@pytest.fixture
def place(workplace, monkeypatch):
    monkeypatch.setenv("AZ_BATCHAI_WORKER_IP", "10.0.0.4")
    monkeypatch.setattr(sys, "argv", ["score.py"])
    return workplace


@pytest.fixture
def helper(place):
    helper = EntryScriptHelper(place.path)
    helper.config("x", json=True)
    return helper


@pytest.fixture
def read(place, helper):
    return place.objects


def test_both_loggers_meet_in_one_file(read):
    """A record of structlog has the keys of the standard library's, in one file, in the order of the calls."""
    logging.getLogger("x").info("one")
    structlog.get_logger("x").info("two", number=2)
    logging.getLogger("x").info("three", extra={"number": 3})
    one, two, three = read()
    assert [record["event"] for record in (one, two, three)] == ["one", "two", "three"]
    assert list(two) == list(three) == [*one, "number"]
    assert {key: two[key] for key in KEYS - {"timestamp", "event"}} == {
        key: one[key] for key in KEYS - {"timestamp", "event"}
    }
    assert two["func_name"] == "test_both_loggers_meet_in_one_file"


def test_bound_values_and_context(read):
    """Bound values, and those of the context, are in the record; what is bound nearest wins; ours are not overwritten."""
    structlog.contextvars.bind_contextvars(mini_batch=7, item="context", node="theirs")
    logger = structlog.get_logger("x").bind(item="bound", model="m")
    logger.info("event", model="call")
    logging.getLogger("x").info("plain", extra={"item": "extra"})
    first, second = read()
    assert (first["mini_batch"], first["item"], first["model"]) == (7, "bound", "call")
    assert (first["node"], first["node_"]) == ("10.0.0.4", "theirs")
    assert (second["mini_batch"], second["item"]) == (7, "extra")


def test_positional_arguments_and_percent_signs(read, monkeypatch):
    """Positional arguments are filled in as the standard library does it; without any, a percent sign stays."""
    monkeypatch.setattr(logging.getLogger("x"), "propagate", False)  # pytest's own handler raises for a wrong call
    logger = structlog.get_logger("x")
    logger.info("%s of %d", "one", 2)
    logger.info("100%")
    logger.info("%s %s", "too few")  # noqa: PLE1206 - that is the test
    logger.info(None)
    logger.info({"a": 1})
    events = [record["event"] for record in read()]
    assert events[:2] == ["one of 2", "100%"]
    assert events[2].startswith("%s %s (could not be formatted with ('too few')")
    assert events[3:] == ["None", "{'a': 1}"]


def test_exceptions(read):
    """exception() and exc_info give the exception as the standard library's loggers do."""
    logger = structlog.get_logger("x")
    try:
        raise ValueError("bad")
    except ValueError as error:
        logger.exception("failed")
        logger.error("failed", exc_info=True)  # noqa: G201 - as above
        logging.getLogger("x").exception("failed")
        caught = error
    logger.error("failed", exc_info=caught)
    logger.error("fine", exc_info=False)
    *failed, fine = read()
    assert len(failed) == 4
    assert all(record["exception"] == failed[0]["exception"] for record in failed)
    assert failed[0]["exception"][0]["exc_value"] == "bad"
    assert "exception" not in fine
    assert "exc_info" not in fine


def test_the_stack_ends_with_the_caller(read):
    """stack_info shows the stack up to the call to structlog."""
    structlog.get_logger("x").info("here", stack_info=True)
    stack = read()[0]["stack"]
    assert stack.startswith("Stack (most recent call last):\n")
    assert stack.endswith('info("here", stack_info=True)')


def test_the_levels(read):
    """Every method of structlog's has its level; what is below the logger's level is not written."""
    logger = structlog.get_logger("x")
    for method in ("debug", "info", "warning", "error", "critical", "warn", "fatal"):
        getattr(logger, method)(method)
    logger.log(logging.WARNING, "log")
    levels = ["INFO", "WARNING", "ERROR", "CRITICAL", "WARNING", "CRITICAL", "WARNING"]
    assert [record["level"] for record in read()] == levels


def test_a_level_that_changes_reaches_bound_loggers(helper, read):
    """A logger that was bound before follows each later level, and being disabled and mended."""
    logger = structlog.get_logger("x").bind(a=1)
    logger.debug("no")
    helper.config("x", "DEBUG", json=True)
    logger.debug("yes")
    logging.getLogger("x").setLevel("ERROR")
    logger.warning("no")
    logging.getLogger("x").setLevel("DEBUG")
    logging.getLogger("x").disabled = True
    logger.error("no")
    helper.config("x", json=True)
    logger.info("yes")
    logging.disable(logging.INFO)
    logger.info("no")
    logging.disable(logging.NOTSET)
    assert [record["event"] for record in read()] == ["yes", "yes"]


def test_a_name_that_leads_to_no_handler_of_ours(read):
    """A logger by any other name, or by none, ends in our file under that name, or its module's."""
    structlog.get_logger("elsewhere").info("one")
    structlog.get_logger().info("two")
    structlog.get_logger(None).info("three")
    structlog.get_logger("x.child").info("four")
    assert [record["logger"] for record in read()] == ["elsewhere", __name__, __name__, "x.child"]
    assert {record["func_name"] for record in read()} == {"test_a_name_that_leads_to_no_handler_of_ours"}


def test_a_child_that_does_not_propagate_goes_to_the_fallback(read):
    """A name whose logger keeps its records to itself leads to no handler of ours."""
    logging.getLogger("x.alone").propagate = False
    structlog.get_logger("x.alone").info("one")
    logging.getLogger("x.alone").propagate = True
    assert read()[0]["logger"] == "x.alone"


def test_each_name_has_its_own_level(helper, read):
    """A configured logger's level counts for structlog's logger of that name, not the fallback's."""
    helper.config("y", "ERROR", json=True)
    structlog.get_logger("x").info("x speaks")
    structlog.get_logger("y").info("y is silent")
    structlog.get_logger("z").info("so is z: y was configured last")
    assert [record["event"] for record in read()] == ["x speaks"]


def test_the_filters_of_the_logger_count(read):
    """A filter on the standard library's logger sees the records of structlog's logger of that name."""
    logger = logging.getLogger("x")

    def refuse_secrets(record):
        record.checked = True
        return "secret" not in record.getMessage()

    logger.addFilter(refuse_secrets)
    try:
        structlog.get_logger("x").info("a secret")
        structlog.get_logger("x").info("a word")
    finally:
        logger.removeFilter(refuse_secrets)
    assert [(record["event"], record["checked"]) for record in read()] == [("a word", True)]


def test_bound_loggers_cross_processes(read):
    """A bound logger pickles and copies, with what is bound to it."""
    logger = structlog.get_logger("x").bind(a=1)
    for again in (pickle.loads(pickle.dumps(logger)), copy.copy(logger), copy.deepcopy(logger)):
        again.info("event")
    assert [(record["logger"], record["a"]) for record in read()] == [("x", 1)] * 3


def test_awaited_calls_name_their_caller(read):
    """structlog's async methods log in another thread: the function is that which awaits them."""

    async def score():
        await structlog.get_logger("x").ainfo("event", a=1)

    asyncio.run(score())
    assert [(record["event"], record["func_name"], record["a"]) for record in read()] == [("event", "score", 1)]


def test_threads_have_their_own_context(read):
    """What one thread binds to its context is not in another's records."""

    def work():
        structlog.contextvars.bind_contextvars(thread_only=1)
        structlog.get_logger("x").info("thread")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    structlog.get_logger("x").info("main")
    assert [record.get("thread_only") for record in read()] == [1, None]


def test_a_module_without_a_name(read):
    """Code that was made from text, whose module has no name, is named as its caller too."""
    exec("def nameless(logger):\n    logger.info('event')\n", space := {"__name__": None})
    space["nameless"](structlog.get_logger("x"))
    assert read()[0]["func_name"] == "nameless"


def test_code_that_nobody_calls():
    """Where there is no caller outside structlog and us, the outermost frame stands for it."""
    code = "def outermost(): return structlogtarget._caller().f_code.co_name"
    exec(code, space := {"__name__": "structlog.inside", "structlogtarget": structlogtarget})
    found = []
    thread = threading.Thread(target=lambda: found.append(space["outermost"]()))
    thread.start()
    thread.join()
    assert found == ["<lambda>"]


def test_json_of_structlog_in_a_text_file(helper, place):
    """When text is configured later, structlog's values follow the message there."""
    logger = structlog.get_logger("x").bind(a=1)
    helper.config("x")
    logger.info("event", b="two")
    assert place.records() == ["event a=1 b='two'"]


def test_secrets_bound_to_a_logger_are_redacted(read):
    """Bound values are redacted as extras are."""
    structlog.get_logger("x").bind(password="abc").info("pwd=abc")
    assert (read()[0]["password"], read()[0]["event"]) == ("[REDACTED]", "pwd=[REDACTED]")


def test_a_process_that_configured_structlog_is_left_alone(place):
    """config() changes nothing of a configuration that is there."""
    seen = []

    def processor(logger, method, event_dict):
        seen.append(event_dict)
        raise structlog.DropEvent

    structlog.configure(processors=[processor])
    before = structlog.get_config()
    EntryScriptHelper(place.path).config("x", json=True)
    assert structlog.get_config() == before
    structlog.get_logger("x").info("theirs")
    assert [event["event"] for event in seen] == ["theirs"]
    assert place.objects() == []


def test_without_structlog_the_logger_works(place, monkeypatch):
    """Where structlog can't be imported, JSON is written by the standard library's loggers."""
    monkeypatch.setitem(sys.modules, "structlog", None)
    monkeypatch.delitem(sys.modules, "structlog.contextvars")
    EntryScriptHelper(place.path).config("x", json=True)
    logging.getLogger("x").info("event")
    assert [record["event"] for record in place.objects()] == ["event"]


def test_a_logger_without_any_of_ours():
    """Before anything is configured a name leads to the logger of that name."""
    target = structlogtarget.logger_factory("not configured")
    assert (target.name, target.parent) == ("not configured", logging.getLogger("not configured"))


def test_what_stands_in_between(tmp_path, monkeypatch):
    """A filter, a handler or processors of the user's own, and odd values, are seen to as ever."""
    monkeypatch.setattr(logging.root, "handlers", [])
    EntryScriptHelper(tmp_path).config("between", json=True)
    logger = structlog.get_logger("between").bind(bound=1)
    for _ in range(2):
        logger.info("plain", value=2)
    logger.info("odd", value=[1], other={"a": 1})
    logger.info(None)
    logger.info("no values in an event of %d", 1)
    parent = logging.getLogger("between")
    parent.addFilter(lambda record: False)
    logger.info("refused")
    parent.filters.clear()
    logger._logger.addFilter(lambda record: True)
    logger.info("passed on")
    logger._logger.filters.clear()
    chosen = logger.new(seen=3)
    chosen._processors = [lambda logger, method, values: values, *logger._processors]
    chosen.info("with a processor")
    structlog.get_logger("between").info("no values")
    with open(logging.getLogger("between").handlers[0].baseFilename, encoding="utf-8") as found:
        read = [json.loads(line) for line in found]
    expected = [
        "plain",
        "plain",
        "odd",
        None,
        "no values in an event of 1",
        "passed on",
        "with a processor",
        "no values",
    ]
    assert [line["event"] if line["event"] != "None" else None for line in read] == expected
    assert {line["func_name"] for line in read} == {"test_what_stands_in_between"}
    assert [line.get("value") for line in read[:3]] == [2, 2, [1]]
    assert [line.get("bound") for line in read] == [1, 1, 1, 1, 1, 1, None, None]


def test_without_the_fast_path(tmp_path, monkeypatch):
    """structlog's loggers write without the fast path, too, and where their parent has no handler of ours."""
    EntryScriptHelper(tmp_path).config("slow", json=True)
    logger = structlog.get_logger("slow")
    with monkeypatch.context() as context:
        context.setitem(sys.modules, "entry_script_helper.fastpath", None)
        context.delattr("entry_script_helper.fastpath")
        logger.info("kept")
    child = structlog.get_logger("slow.child")
    child.info("of a child")
    with open(logging.getLogger("slow").handlers[0].baseFilename, encoding="utf-8") as found:
        assert [json.loads(line)["event"] for line in found] == ["kept", "of a child"]
