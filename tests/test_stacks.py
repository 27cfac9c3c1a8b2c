"""All threads' stacks in a file: the timer that many share, and the file behind it."""

from __future__ import annotations

import os
import time

import pytest

from entry_script_helper import errorfile, processstate, stacks


@pytest.fixture
def watched(tmp_path):
    """Return the stacks of a process, as if it were another one, and the path that they go to."""
    watched = stacks.Stacks()
    yield watched, str(tmp_path / "log.txt")
    watched._stop()
    stacks._close(watched._descriptor, watched._identity)


def wait_for_stacks(path):
    for _ in range(3000):
        with open(path) as file:
            if "most recent call first" in file.read():
                return
        time.sleep(0.01)
    raise TimeoutError(path)


def test_slack_leaves_the_timer_alone(watched):
    """Calls that follow one another within the slack share one setting of the timer, until a rest."""
    watch, path = watched
    first = watch.begin(path, 60, slack=6)
    armed = watch._armed
    assert watch.end(first) is False
    second = watch.begin(path, 60, slack=6)
    assert watch._armed == armed
    watch.rest()
    assert watch._armed == armed
    watch.end(second)
    assert watch._armed == armed
    watch.rest()
    assert watch._armed is None


def test_no_slack_sets_the_timer(watched):
    """Without slack, the timer is set to the very end of each call, and stops with it."""
    watch, path = watched
    first = watch.begin(path, 60)
    armed = watch._armed
    watch.end(first)
    assert watch._armed is None
    second = watch.begin(path, 60)
    assert watch._armed > armed
    watch.end(second)


def test_the_earliest_counts(watched):
    """Of several calls under way, the timer is set to the one whose time is over first."""
    watch, path = watched
    late = watch.begin(path, 60)
    armed = watch._armed
    early = watch.begin(path, 30)
    assert watch._armed < armed
    watch.end(early)
    assert watch._armed == armed
    watch.end(late)


def test_written(watched):
    """Stacks that were written are told of, also where the slack had them written early."""
    watch, path = watched
    early = watch.begin(path, 0.05, slack=0.01)
    call = watch.begin(path, 60, slack=60)
    wait_for_stacks(path)
    assert watch.end(early) is True
    assert watch.end(call) is False


def test_another_path(watched, tmp_path):
    """Where the log is another file from now on, so is that of the stacks; an empty one that was made is not left."""
    watch, path = watched
    watch.end(watch.begin(path, 60))
    other = str(tmp_path / "other.txt")
    call = watch.begin(other, 0.05)
    wait_for_stacks(other)
    watch.end(call)
    assert os.listdir(tmp_path) == ["other.txt"]
    watch.end(watch.begin(path, 60))
    assert sorted(os.listdir(tmp_path)) == ["log.txt", "other.txt"]


def test_a_descriptor_that_was_taken(watched, tmp_path):
    """Where others closed our descriptor and its number is another file's, that file is neither written nor closed."""
    watch, path = watched
    watch.end(watch.begin(path, 60))
    with open(tmp_path / "theirs.txt", "w") as theirs:
        os.dup2(theirs.fileno(), watch._descriptor)
        taken = watch._descriptor
        call = watch.begin(path, 0.05)
        wait_for_stacks(path)
        watch.end(call)
        assert os.fstat(taken).st_ino == os.fstat(theirs.fileno()).st_ino
        os.close(taken)
    assert (tmp_path / "theirs.txt").read_text() == ""


def test_no_descriptor_left(watched):
    """Where others closed our descriptor, the file is opened again."""
    watch, path = watched
    watch.end(watch.begin(path, 60))
    os.close(watch._descriptor)
    call = watch.begin(path, 0.05)
    wait_for_stacks(path)
    watch.end(call)


def test_another_path_for_crashes(watched, tmp_path, monkeypatch):
    """Where the log is another file from now on, crashes and a timer under way are shown there."""
    watch, path = watched
    enabled = []
    monkeypatch.setattr(stacks.faulthandler, "is_enabled", lambda: False)
    monkeypatch.setattr(stacks.faulthandler, "enable", enabled.append)
    watch.show_crashes(path)
    call = watch.begin(path, 0.2)
    other = str(tmp_path / "other.txt")
    watch.show_crashes(other)
    wait_for_stacks(other)
    watch.end(call)
    assert set(enabled[1:]) == {watch._descriptor}


@pytest.mark.parametrize(("module", "name"), [(stacks, "stacks"), (errorfile, "errors")])
def test_two_threads_ask_first(monkeypatch, module, name):
    """Of two threads that ask for the first time, both get the same."""
    first = object()

    class Late(dict):
        def get(self, key):
            return None

    monkeypatch.setattr(processstate, "state", lambda: Late({name: first}))
    assert getattr(module, name)() is first
