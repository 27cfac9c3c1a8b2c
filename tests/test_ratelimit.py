"""Repeats are dropped beyond a rate, and how many they were is told: written and told records add up."""

from __future__ import annotations

import json
import logging
import re
import signal
import sys
import threading

import pytest
from conftest import messages
from hypothesis import given, settings
from hypothesis import strategies as st

from entry_script_helper import EntryScriptHelper, UsageError, config, ratelimit

MORE = re.compile(r"(\d+) more like this in the last (\d+) s: (.*)", re.DOTALL)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(ratelimit, "monotonic", clock)
    return clock


@pytest.fixture(autouse=True)
def _place(tmp_path, monkeypatch):
    monkeypatch.setenv("ENTRY_SCRIPT_HELPER_WORKING_DIR", str(tmp_path))


def written():
    with open(EntryScriptHelper().get_log_file_path(), encoding="utf-8") as file:
        return messages(file.read())


def counted(found):
    """Return how many of each message were logged, from what was written and what was told."""
    counts: dict[str, int] = {}
    for message in found:
        told = MORE.fullmatch(message)
        number, kind = (int(told.group(1)), told.group(3)) if told else (1, message)
        counts[kind] = counts.get(kind, 0) + number
    return counts


def test_repeats(clock):
    """So many like records are written in the time; the next record after it, of whatever kind, tells of the others."""
    logger = config("x", rate_limit=(2, 10))
    for number in range(7):
        logger.info("item %d", number)
        clock.now += 1
    logger.warning("another")
    clock.now += 3
    logger.info("item %d", 7)
    assert written() == [
        "item 0",
        "item 1",
        "another",
        "5 more like this in the last 10 s: item %d",
        "item 7",
    ]
    clock.now += 10
    logger.warning("another")
    assert written()[5:] == ["another"]


def test_a_minute_unless_said_otherwise(clock):
    """A number alone is a number in 60 seconds."""
    logger = config("x", rate_limit=1)
    logger.info("a")
    clock.now += 59.9
    logger.info("a")
    assert written() == ["a"]
    clock.now += 0.1
    logger.info("a")
    assert written() == ["a", "1 more like this in the last 60 s: a", "a"]


def test_what_is_alike(clock):
    """Another logger, level, message, type or place of an exception makes another record; the arguments don't."""

    def fail(error):
        try:
            raise error
        except Exception:
            logger.exception("failed")

    def fail_elsewhere():
        try:
            json.loads("x")
        except ValueError:
            logger.exception("failed")

    logger = config("x", "DEBUG", rate_limit=1)
    numbers = [f"number {number}" for number in range(3)]
    for _ in range(2):
        for number in range(3):
            logger.info("item %d", number)
            logger.debug("item %d", number)
            logger.info(numbers[number])
            logger.getChild("y").info("item %d", number)
            logger.error(ValueError(f"object {number}"))
            logger.error("said", exc_info=(KeyError, KeyError("x"), None))
            logger.error("no exception", exc_info=(None, None, None))
            fail(ValueError(number))
            fail(KeyError(number))
            fail_elsewhere()
    found = [message.partition("\n")[0] for message in written()]
    assert found[:7] == ["item 0", "item 0", "number 0", "item 0", "object 0", "said", "no exception"]
    assert found[7:10] == ["failed", "failed", "failed"]
    assert found[10:] == ["number 1", "object 1", "number 2", "object 2"]


def test_no_first_occurrence_is_dropped(clock):
    """Whatever is repeated meanwhile, an error that is new is written at once."""
    logger = config("x", rate_limit=1)
    new = [f"new {number}" for number in range(50)]
    for number in range(50):
        logger.error("again")
        logger.error(new[number])
    assert [message for message in written() if message.startswith("new")] == new


def test_told_by_powers_of_ten(clock):
    """When 10, 100, 1,000 were dropped that is told at once: a process that is killed has told the most of it."""
    logger = config("x", rate_limit=1)
    for _ in range(1 + 1234):
        logger.info("a")
    assert written() == [
        "a",
        "10 more like this in the last 1 s: a",
        "90 more like this in the last 1 s: a",
        "900 more like this in the last 1 s: a",
    ]
    logger.handlers[0].close()
    assert counted(written()) == {"a": 1235}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("log"), st.sampled_from("abcdef"), st.integers(1, 15)),
            st.tuples(st.just("pass"), st.sampled_from([0.1, 1.0, 5.0, 9.9, 10.0, 100.0])),
            st.tuples(st.sampled_from(["tell", "flush", "rate", "again"])),
        ),
        max_size=40,
    ),
    st.integers(1, 5),
    st.integers(1, 4),
)
def test_law(steps, most, kinds):
    """What is written and what is told add up to what was logged; in no time more like records are written than asked.

    Of more kinds than can be kept, the oldest are told and forgotten.
    """
    clock = Clock()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(ratelimit, "monotonic", clock)
        monkeypatch.setattr(ratelimit, "MOST_KINDS", kinds)
        found: list[str] = []
        times: dict[str, list[float]] = {}
        logged: dict[str, int] = {}

        def write(record):
            assert limit.admits(record)
            found.append(record.getMessage())

        limit = ratelimit.Rate(most, 10).limiter(write)
        for step, *arguments in steps:
            if step == "log":
                kind, number = arguments
                for _ in range(number):
                    record = logging.LogRecord("x", 20, "", 0, kind, None, None)
                    if limit.admits(record):
                        found.append(kind)
                        times.setdefault(kind, []).append(clock.now)
                    logged[kind] = logged.get(kind, 0) + 1
            elif step == "pass":
                clock.now += arguments[0]
            else:
                limit.tell()
        limit.end()
        limit.end()
        assert counted(found) == logged
        assert len(limit._kinds) <= kinds
        if kinds >= len(logged):
            for moments in times.values():
                for first, later in zip(moments, moments[most:]):
                    assert later > first or most > 1
                assert len(moments) <= most * (1 + (moments[-1] - moments[0]) // 10 + 1)


def test_threads_and_signals(workplace):
    """With threads and a signal handler that log, and forks, each process's counts add up."""
    workplace.run(
        """
        import itertools, multiprocessing, signal, threading, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        signals = itertools.count()
        def on_signal(*_):
            log.info("signal")
            next(signals)
        def chat():
            for number in range(2000): log.info("thread %d", number)
        def child():
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number in range(77): log.info("child %d", number)
        if __name__ == "__main__":
            log = config("x", rate_limit=(3, 0.01))
            signal.signal(signal.SIGALRM, on_signal)
            signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
            threads = [threading.Thread(target=chat) for _ in range(3)]
            for thread in threads: thread.start()
            children = [multiprocessing.get_context("fork").Process(target=child) for _ in range(5)]
            for process in children: process.start()
            for process in children: process.join()
            for thread in threads: thread.join()
            signal.setitimer(signal.ITIMER_REAL, 0)
            print(next(signals))
        """
    )
    parent = [re.sub(r"(thread|child) \d+", r"\1 %d", message) for message in workplace.records()]
    counts = counted(parent)
    assert counts["thread %d"] == 6000
    del workplace.files()["MainProcess.txt"]
    for name in workplace.files():
        if name != "MainProcess.txt":
            counts = counted([re.sub(r"child \d+", "child %d", message) for message in workplace.records(name)])
            assert counts["child %d"] == 77
    assert len(workplace.files()) == 6


@pytest.mark.parametrize("way", ["end", "sys.exit(1)", "raise ValueError", "fork", "spawn", "forkserver", "raw fork"])
def test_told_at_the_end(workplace, way):
    """However a process ends that can still do something, what it dropped is told, once, by itself."""
    method = way if way in ("fork", "spawn", "forkserver") else None
    workplace.run(
        f"""
        def work():
            for number in range(6): logging.getLogger("x").info("a")
        class Late:
            def __del__(self):  # when modules are taken down, after all that runs at exit
                for number in range(3): log.info("a")
        if __name__ == "__main__":
            log = config("x", rate_limit=2)
            late = Late()
            if {way!r} == "raw fork":
                work()
                child = os.fork()
                work()
                if child: os.waitpid(child, 0)
            elif {method!r}:
                import multiprocessing
                config("x", rate_limit=2)  # for children too, now that multiprocessing is there
                process = multiprocessing.get_context({method!r}).Process(target=work, name="Child")
                process.start(); process.join()
            else:
                work()
                {"pass" if method or " fork" in way or way == "end" else way}
        """,
        returncode=0 if method or way in ("end", "raw fork") else 1,
        stderr=None,
    )
    for name, number in [("Child.txt", 6)] if method else [("MainProcess.txt", 15 if way == "raw fork" else 9)]:
        found = workplace.records(name)
        assert counted(found) == {"a": number}
        assert any(MORE.fullmatch(message) for message in found)
    if way == "raw fork":
        (child,) = [name for name in workplace.files() if name != "MainProcess.txt"]
        assert counted(workplace.records(child)) == {"a": 9}


def test_killed(workplace):
    """A process that is killed has told of nine tenths at least of what it had dropped when it told last."""
    process = workplace.start(
        """
        log = config("x", rate_limit=2)
        for number in range(1, 10**9):
            log.info("a")
            if number == 1500: os.write(1, b"well\\n")
        """
    )
    assert process.stdout.readline() == "well\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert counted(workplace.records())["a"] >= 1002


def test_structlog(clock):
    """structlog's events are alike by their event, whatever values they have; a count is an extra of its own in JSON."""
    structlog = pytest.importorskip("structlog")
    structlog.reset_defaults()
    try:
        logger = config("x", json=True, rate_limit=(1, 10))
        for number in range(4):
            structlog.get_logger("x").info("scored", item=number)
            structlog.get_logger("y").info("scored", item=number)
        logger.info("scored")
        clock.now += 10
        logger.info("then")
    finally:
        structlog.reset_defaults()
    with open(EntryScriptHelper().get_log_file_path(), encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    assert [(r["logger"], r["event"], r.get("item"), r.get("repeats")) for r in records] == [
        ("x", "scored", 0, None),
        ("y", "scored", 0, None),
        ("x", "4 more like this in the last 10 s: scored", None, 4),
        ("y", "3 more like this in the last 10 s: scored", None, 3),
        ("x", "then", None, None),
    ]


def test_the_last_rate_counts(clock):
    """The same rate again goes on counting; another one tells what the last had dropped; without one nothing is dropped."""
    for _ in range(3):
        logger = config("x", rate_limit=2)
        logger.info("a")
    assert written() == ["a", "a"]
    logger = config("x", rate_limit=1)
    assert written()[2:] == ["1 more like this in the last 1 s: a"]
    for _ in range(3):
        logger.info("a")
    logger = config("x")
    for _ in range(3):
        logger.info("a")
    assert written()[3:] == ["a", "2 more like this in the last 1 s: a", "a", "a", "a"]
    assert type(vars(logger)["info"].__self__).__name__ == "_Level"


def test_other_handlers_get_all(clock, caplog):
    """Only our file's records are limited: what others listen for they get."""
    logger = config("x", rate_limit=1)
    for _ in range(5):
        logger.info("a")
    assert [record.getMessage() for record in caplog.records] == ["a"] * 5
    assert written() == ["a"]


def test_secrets(clock):
    """A secret in a message that is repeated is in no count either, however long the message is."""
    logger = config("x", rate_limit=1)
    short = "see https://h/?sig=" + "a" * 43
    long = "x" * 980 + " password=" + "verysecret" * 10
    for message in (short, long):
        logger.info(message)
        logger.info(message)
    logger.handlers[0].close()
    text = "\n".join(written())
    assert "aaaa" not in text
    assert "verysecret" not in text
    assert "1 more like this in the last 1 s: see https://h/?sig=[REDACTED]" in text
    assert f"1 more like this in the last 1 s: (a message of {len(long)} characters)" in text


def test_memory_is_bounded(clock):
    """Of a million messages that all differ, a thousand are kept."""
    logger = config("x", rate_limit=1)
    limit = logger.handlers[0].limiter
    long = [f"{number} {'x' * 2000}" for number in range(3000)]
    for number in range(3000):
        logger.info(long[number])
    assert len(limit._kinds) == ratelimit.MOST_KINDS
    assert all(len(repeats.shown) <= ratelimit.LONGEST for repeats in limit._kinds.values())
    assert len(written()) == 3000


def test_made_up_records(clock):
    """A record that can't be compared is written; one whose text can't be made is like others of that text."""
    logger = config("x", rate_limit=1)

    class Endless:
        def __str__(self):
            return str(self)

    for _ in range(3):
        logger.handle(logging.makeLogRecord({"msg": "bare", "name": [], "levelno": 20}))
        # Not through the logger, where pytest's own handler doesn't get to an end either.
        logger.handlers[0].handle(logging.LogRecord("x", 20, "", 0, Endless(), None, None))
    assert len(written()) == 3 + 1


def test_logged_within(clock):
    """What a message's own text logs meanwhile is written, and nothing hangs."""
    logger = config("x", rate_limit=1)
    limit = logger.handlers[0].limiter

    class Chatty:
        def __str__(self):
            return "chatty"

    count = limit._count

    def interrupted(record, kind, shown, told):
        if record.msg != "signal":
            logger.info("signal")
            logger.info("signal")
        return count(record, kind, shown, told)

    limit._count = interrupted
    logger.info("a")
    logger.info(Chatty())
    assert written() == ["signal", "signal", "a", "signal", "signal", "chatty"]


def test_rate_that_is_gone(clock):
    """A rate that nobody uses any more has nothing to tell at the end of a process."""
    limit = ratelimit.Rate(1, 1).limiter(print)
    ratelimit._end(lambda: None)
    ratelimit._end(lambda: limit)
    assert limit._is_over


@pytest.mark.parametrize("as_list", [tuple, list])
def test_pairs(as_list):
    """A pair is a number and seconds."""
    assert ratelimit.chosen(as_list([3, 0.5])) == (3, 0.5)
    assert ratelimit.chosen(3) == (3, 60)


@pytest.mark.parametrize(
    "rate",
    [0, -1, True, "5", 1.5, (5,), (5, 0), (5, -1), (5, float("inf")), (5, float("nan")), (5, "1"), (0, 1), (1, 2, 3)],
)
def test_wrong_rate(rate):
    """What is no rate is one clear line, and nothing is configured."""
    with pytest.raises(UsageError, match=r"rate_limit: .* is no rate; use how many .* as in \(5, 10\)") as raised:
        config("never", rate_limit=rate)
    assert isinstance(raised.value, ValueError)
    assert not logging.getLogger("never").handlers


def test_loaded_only_where_asked_for(workplace):
    """A script that asks for neither cuts nor rates loads neither."""
    workplace.run(
        """
        config("x").info("a")
        assert not {"entry_script_helper.cutting", "entry_script_helper.ratelimit"} & set(sys.modules)
        """
    )


def test_many_threads_wait_for_their_turn(clock):
    """Threads that log at once are all counted."""
    logger = config("x", rate_limit=5)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [
            threading.Thread(target=lambda: [logger.info("a %d", number) for number in range(500)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    logger.handlers[0].close()
    assert counted([re.sub(r"a \d+", "a %d", message) for message in written()]) == {"a %d": 2000}
