"""Counts, thresholds and exit codes; what is still to be handed out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entry_script_helper.simulator.accounts import Accounts
from entry_script_helper.simulator.attempt import DIED, FAILED, SUCCEEDED, TIMEOUT, Attempt
from entry_script_helper.simulator.failures import Failure
from entry_script_helper.simulator.settings import Settings
from entry_script_helper.simulator.todo import MOST, Pace, Todo


def accounts(mini_batches=4, **options):
    settings = Settings("score.py", ("in",), "rows.txt", ".", **options)
    return Accounts(settings, mini_batches, mini_batches * 10)


def attempt(index, status=SUCCEEDED, succeeded=10, seconds=1.0, number=1):
    is_short = status == SUCCEEDED and succeeded < 10
    failure = None if status == SUCCEEDED and not is_short else Failure(f"{status} {index}")
    good = succeeded if status == SUCCEEDED else 0
    return Attempt(index, number, "Process-1", 1, status, 10, good, 100.0, 100.0 + seconds, 0.0, 0.0, failure)


def after(book, *attempts):
    for one in attempts:
        book.add(one, is_last=True)
    return book


def test_counts():
    """All that is asked for in the verdict is counted; a failure that was followed by another try is none."""
    book = accounts(5)
    book.resume(attempt(4, succeeded=9))
    book.add(attempt(0, FAILED), is_last=False)
    book.add(attempt(0, number=2, seconds=3.0), is_last=True)
    book.add(attempt(1, TIMEOUT), is_last=True)
    book.add(attempt(2, DIED), is_last=True)
    assert (book.succeeded, book.failed, book.succeeded_mini_batches, book.failed_mini_batches) == (19, 21, 2, 2)
    assert (book.resumed_mini_batches, book.retries, book.timeouts, book.deaths) == (1, 1, 1, 1)
    assert (book.slowest.index, book.slowest.number, book.slowest.error) == (0, 2, "")
    assert [str(failure) for failure in book.failures] == [
        "timeout 1 (mini-batch 1, Process-1)",
        "died 2 (mini-batch 2, Process-1)",
    ]
    assert book.unprocessed_mini_batches == 1
    assert accounts().first_failure is None
    assert book.first_failure.error == "timeout 1"


def test_failures_are_kept_in_bounds():
    """Of very many failures the first are kept; all are counted."""
    book = after(accounts(1000), *(attempt(index, FAILED) for index in range(1000)))
    assert len(book.failures) == Accounts.MOST_FAILURES
    assert book.failed_mini_batches == 1000


GOOD, SHORT, BAD, LATE = attempt(0), attempt(1, succeeded=9), attempt(2, FAILED), attempt(3, TIMEOUT)


@pytest.mark.parametrize(
    ("attempts", "options", "code"),
    [
        ([GOOD] * 4, {}, 0),
        ([GOOD] * 3, {}, 73),
        ([GOOD] * 3 + [SHORT], {}, 73),
        ([GOOD] * 3 + [BAD], {}, 73),
        ([GOOD] * 3 + [LATE], {}, 71),
        ([GOOD] * 2 + [BAD, LATE], {}, 73),
        ([BAD] * 4, {}, 74),
        ([LATE] * 4, {}, 71),
        ([attempt(0, succeeded=0)] * 4, {}, 74),
        ([attempt(0, succeeded=0)] * 4, {"error_threshold": -1}, 74),
        ([GOOD] * 3 + [SHORT], {"error_threshold": 1}, 0),
        ([GOOD] * 3 + [BAD], {"error_threshold": 10}, 0),
        ([GOOD] * 3 + [BAD], {"error_threshold": 9}, 73),
        ([GOOD] * 3 + [LATE], {"error_threshold": 9}, 71),
        ([GOOD] * 3 + [BAD], {"error_threshold": -1}, 0),
        ([GOOD] * 2, {"error_threshold": -1}, 73),
        ([GOOD] * 3 + [BAD], {"allowed_failed_count": 1}, 0),
        ([GOOD] * 3 + [BAD], {"allowed_failed_count": 0}, 73),
        ([GOOD] * 3 + [BAD], {"allowed_failed_percent": 25}, 0),
        ([GOOD] * 3 + [BAD], {"allowed_failed_percent": 24.9}, 73),
        ([GOOD] * 3 + [BAD], {"mini_batch_error_threshold": 1}, 0),
        ([GOOD] * 3 + [BAD], {"mini_batch_error_threshold": 0}, 73),
        ([GOOD] * 3 + [BAD], {"mini_batch_error_threshold": 1, "error_threshold": 9}, 73),
    ],
)
def test_exit_code(attempts, options, code):
    """Without a threshold any failure counts; with one, those beyond it do."""
    assert after(accounts(**options), *attempts).exit_code == code


def test_exit_code_of_other_failures():
    """A failing shutdown() fails a run without thresholds; init() that fails everywhere has a code of its own."""
    book = after(accounts(), *[GOOD] * 4)
    book.add_failure(Failure("of a process that gave up"), counts=False)
    assert book.exit_code == 0
    book.add_failure(Failure("shutdown"))
    assert (book.exit_code, len(book.failures)) == (73, 2)
    book.init_failed = True
    assert book.exit_code == 72


def test_exit_code_of_nothing():
    """Where there was no item, none has failed."""
    assert accounts(0).exit_code == 0


def test_beyond():
    """What stops a run is said with its numbers and the option's name."""
    book = after(accounts(allowed_failed_percent=20), BAD)
    assert book.beyond() == "25 percent of the mini-batches failed, more than the allowed_failed_percent of 20"
    assert after(accounts(error_threshold=-1), BAD).beyond() == ""


@given(st.integers(0, 50), st.lists(st.tuples(st.integers(1, 70), st.integers(0, 70), st.booleans())))
def test_todo(count, turns):
    """However tries are taken, given back and made again, each mini-batch is handed out until it is done, no more."""
    todo = Todo(iter(range(count)), count)
    done = []
    for most, made, fails in turns:
        taken = todo.take(most)
        assert len(taken) <= most
        done += [index for index, _ in taken[:made]][fails:]
        todo.give_back(taken[made:])
        if fails and taken[:made]:
            todo.give_back([(taken[0][0], taken[0][1] + 1)])
        assert len(todo) == count - len(done)
    while todo:
        done += [index for index, _ in todo.take(64)]
    assert sorted(done) == list(range(count))
    assert todo.take(1) == []


def test_pace():
    """A chunk grows to what fits the time, never by more than its double, and is small near the end."""
    pace = Pace(0.05)
    assert pace.size(1000, 2) == 1
    sizes = []
    for _ in range(9):
        pace.learn(pace.size(1000, 2), 0.0)
        sizes.append(pace.size(1000, 2))
    assert sizes == [2, 4, 8, 16, 32, MOST, MOST, MOST, MOST]
    assert pace.size(20, 2) == 5
    assert pace.size(1, 2) == 1
    pace.learn(64, 0.32)
    assert pace.size(1000, 2) == 10
    pace.learn(10, 1.0)
    assert pace.size(1000, 2) == 1
