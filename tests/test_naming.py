"""Names that are safe as one component of a path."""

from __future__ import annotations

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entry_script_helper.naming import LONGEST, agent_name, safe_component

# Few characters, so that near misses are found: separators, NUL, the encoding's own characters, lone surrogates.
AWKWARD = st.text(st.sampled_from(list("aA.%~ /\\\x00\n2Ff0é日\ud800\udfff")), max_size=12)
ANY = st.text(st.characters(), max_size=400)
NAMES = st.one_of(AWKWARD, ANY, st.builds(lambda text, times: text * times, AWKWARD, st.integers(0, 60)))


@given(NAMES, NAMES)
@example("", "%empty")
@example("a/b", "a%2Fb")
@example("a", "A")
@example("a", "a\x00")
@example(".", "%2E")
@example("x" * 300, "x" * 301)
@example("x" * 300, safe_component("x" * 300))
@example("\ud800", "\\ud800")
@example("\ud800", "?")
@example("a.", "a.\n")
def test_different_names_stay_different(one, other):
    """Two names that differ, if only in case, never share a file."""
    assert (safe_component(one) == safe_component(other)) == (one == other)


@given(NAMES)
@example("")
@example(".")
@example("..")
@example("../../etc/passwd")
@example("a" * 300)
@example("/" * 300)
@example("日" * 300)
@example("-rf")
@example(" ")
def test_every_name_becomes_one_safe_component(name):
    """Any text becomes one component of a path: no separator, no NUL, no way up, not empty, not too long."""
    component = safe_component(name)
    assert component.isascii()
    assert component.isprintable()
    assert 0 < len(component) <= LONGEST
    assert not set(component) & set('/\\:|<>*?"')
    assert component[0] not in " ."
    assert component[-1] not in " ."
    assert os.path.normpath(os.path.join("/logs", component)) == f"/logs/{component}"


@given(st.text(st.sampled_from(list("abzAZ059-_()=@+,;#& ")), min_size=1, max_size=50).filter(lambda t: t == t.strip()))
@example("MainProcess")
@example("Process-1")
@example("process000")
@example("ForkPoolWorker-1 (a)")
@example("10.0.0.4")
def test_an_ordinary_name_comes_back_as_it_is(name):
    """Names as multiprocessing and Azure ML give them are not changed."""
    assert safe_component(name) == name


@given(AWKWARD)
def test_a_short_name_can_be_read_back(name):
    """The encoding is percent-encoding, which a reader of file names can undo."""
    from urllib.parse import unquote

    if name and len(safe_component(name)) < LONGEST - 1:
        assert unquote(safe_component(name), errors="surrogatepass") == name


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], None),
        (["score.py", "--model", "x"], None),
        (["driver.py", "--bf89b5b0", '{"agent_name": "process000", "rank": 0}'], "process000"),
        (["driver.py", '{"rank":0,"agent_name":"process012"}'], "process012"),
        (['{"agent_name"  :\t"a b"}'], "a b"),
        (['{"agent_name": ""}'], None),
        (['{"agent_name": 5}', '{"agent_name": "second"}'], "second"),
        (['{"agent_name": "a\\u002e"}'], None),
        (["agent_name: process000"], None),
    ],
)
def test_the_agents_name_is_found_in_the_command_line(arguments, expected):
    """The name that the driver gives its agent is taken from the JSON object among a worker's arguments."""
    assert agent_name(arguments) == expected
