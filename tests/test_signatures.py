"""What makes two errors the same: tracebacks taken apart, messages without what differs, places in the user's code."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entry_script_helper.logtree.findings import signatures
from entry_script_helper.logtree.findings.signatures import (
    Frame,
    Raised,
    chains,
    generalised,
    named,
    of_exception,
    structured,
)

SIMPLE = """failed
Traceback (most recent call last):
  File "/job/score.py", line 12, in run
    total = add(1)
            ~~~^^^
  File "/env/lib/python3.11/site-packages/numpy/core.py", line 3, in add
    raise ValueError("seven")
ValueError: seven
"""


def raise_in(tmp_path, code, *arguments):
    """Return what Python prints of a script that fails."""
    script = tmp_path / "score.py"
    script.write_text(textwrap.dedent(code))
    done = subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stderr


def test_a_traceback():
    """A traceback is its exception, and the innermost frame is that of the user's own code, not of a package."""
    ((raised,),) = chains(SIMPLE)
    assert (raised.type, raised.message, raised.title) == ("ValueError", "seven", "ValueError: seven")
    assert raised.place == "score.py:12 in run"
    assert [frame.name for frame in raised.frames] == ["score.py", "core.py"]
    assert of_exception((raised,)) == "ValueError: seven @ score.py:run"


def test_a_chain(tmp_path):
    """The root of a chain comes first, whether it was raised from the other or while that was handled."""
    text = raise_in(
        tmp_path,
        """
        def load():
            raise KeyError("model\\nof two lines")
        def run():
            try:
                try:
                    load()
                except KeyError:
                    {}.x
            except AttributeError as error:
                raise ValueError("no 7\\nmore") from error
        run()
        """,
    )
    ((root, middle, last),) = chains(text)
    assert [root.type, middle.type, last.type] == ["KeyError", "AttributeError", "ValueError"]
    assert root.place == "score.py:3 in load"
    assert last.message == "no 7"
    assert of_exception((root, middle, last)) == "ValueError: no <number> @ score.py:run from " + of_exception((root,))


def test_several_tracebacks(tmp_path):
    """Tracebacks that no words of Python's join are several, though one is cut short; text between them is no harm."""
    text = raise_in(tmp_path, "raise SystemError('one')")
    cut = text.rpartition("SystemError")[0]
    found = chains(f"{text}2026 something\n{cut}{text}\n{SIMPLE}")
    assert [[raised.type for raised in chain] for chain in found] == [["SystemError"]] * 2 + [["ValueError"]]
    assert chains(cut + "something: else went on\n  and on") == [
        (Raised("something", "else went on", found[0][0].frames),)
    ]
    assert chains(cut + "something else went on") == []
    assert chains(cut) == []


def test_a_syntax_error(tmp_path):
    """A script that can't be compiled has its place too."""
    (tmp_path / "module.py").write_text("def run(:\n")
    ((raised,),) = chains(raise_in(tmp_path, "import module"))
    assert (raised.type, raised.place) == ("SyntaxError", "module.py:1")


GROUP = """
  + Exception Group Traceback (most recent call last):
  |   File "/job/score.py", line 8, in run
  |     raise ExceptionGroup("several", [a, b])
  | ExceptionGroup: several (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/job/score.py", line 3, in one
    |     raise ValueError(1)
    | ValueError: 1
    +---------------- 2 ----------------
    | Traceback (most recent call last):
    |   File "/job/score.py", line 6, in two
    |     raise TypeError(2)
    | TypeError: 2
    +------------------------------------
"""


def test_a_group():
    """The root of a group of exceptions is its first member."""
    ((root, raised),) = chains(GROUP)
    assert (root.title, root.place) == ("ValueError: 1", "score.py:3 in one")
    assert (raised.title, raised.place) == ("ExceptionGroup: several (2 sub-exceptions)", "score.py:8 in run")


def test_tracebacks_are_bounded(monkeypatch):
    """A text that is nothing but tracebacks and frames does not fill the memory."""
    monkeypatch.setattr(signatures, "_MOST_CHAINS", 3)
    monkeypatch.setattr(signatures, "_MOST_FRAMES", 2)
    many = SIMPLE.replace('  File "/job', '  File "/a.py", line 1, in a\n  File "/job') * 10
    found = chains(many)
    assert len(found) == 3
    assert len(found[0][0].frames) == 2


@pytest.mark.parametrize(
    ("file", "is_users"),
    [
        ("/mnt/azureml/cr/j/1/exe/wd/score.py", True),
        ("score.py", True),
        ("C:\\job\\score.py", True),
        ("/job/lib/pipeline.py", True),
        ("<frozen importlib._bootstrap>", False),
        ("<string>", False),
        ("/opt/conda/lib/python3.8/site-packages/torch/nn.py", False),
        ("/usr/lib/python3/dist-packages/yaml/__init__.py", False),
        ("/home/user/.pyenv/versions/3.11.7/lib/python3.11/threading.py", False),
        ("C:\\Python311\\Lib\\site-packages\\x.py", False),
        ("/src/entry_script_helper/guardedcall.py", False),
        ("driver/amlbi_main.py", False),
        ("/tmp/azureml_user/parallel_run/run.py", False),
    ],
)
def test_the_users_own_code(file, is_users):
    """Python's own files, packages', this one's and the service's are not the user's code."""
    assert signatures.is_users(file) is is_users


def test_a_place_without_the_users_code():
    """Where no frame is the user's, there is no place, and the signature is type and message."""
    raised = Raised("ValueError", "seven", (Frame("<string>", 1, "<module>"),))
    assert raised.place == ""
    assert of_exception((raised,)) == "ValueError: seven @ "


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("could not read /mnt/data/a.csv", "could not read /mnt/other/b/c.csv"),
        ("could not read 'a b.csv' at 3", "could not read 'c.csv' at 17"),
        ("bad value 1.5e-7 in row 3", "bad value -22 in row 12,000"),
        ("run 94a35e75-bdae-43bf-ac15-f6c37b6e1c0f", "run 00000000-bdae-43bf-ac15-f6c37b6e1c0f"),
        ("object at 0x7f34d07ff6c0", "object at 0x1"),
        ("digest 94a35e75bdae43bf", "digest f6c37b6e1c0fabcd"),
        ("https://a.blob.core.windows.net/c/d?x=1 gone", "https://b.blob.core.windows.net/e gone"),
        ("in C:\\data\\a.csv", "in D:\\other\\b.csv"),
        ("bad file f17", "bad file f7"),
        ("page_12.png has no text", "page_3.png has no text"),
        ("one\nmore", "one\nelse"),
    ],
)
def test_messages_that_are_the_same(one, other):
    """Numbers, paths, addresses, identifiers and quoted values don't tell one error from another."""
    assert generalised(one) == generalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("no such file", "no such folder"), ("CUDA0 error", "CUDA error")],
)
def test_messages_that_differ(one, other):
    """Words tell one error from another."""
    assert generalised(one) != generalised(other)


def test_names_in_errors_about_code():
    """A missing module's name tells one import error from another; a missing key's does not."""
    first, second = "No module named 'numpy'", "No module named 'torch'"
    assert generalised(first, "ModuleNotFoundError") != generalised(second, "ModuleNotFoundError")
    assert generalised("'x'", "KeyError") == generalised("'y'", "KeyError")
    first, second = "No module named cv2", "No module named cv3"
    assert generalised(first, "ImportError") != generalised(second, "ImportError")


@given(st.text())
def test_a_message_is_bounded(message):
    """Whatever the message, what is kept of it is one line and short, and twice is as once at its length."""
    found = generalised(message)
    assert "\n" not in found
    assert len(found) <= 200


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("ValueError: seven", "ValueError: seven"),
        ("MemoryError", "MemoryError"),
        ("azure.core.exceptions.HttpResponseError: (x) y: z", "azure.core.exceptions.HttpResponseError: (x) y: z"),
        ("SystemExit: 42", "SystemExit: 42"),
        ("the worker process died: exit code 3", None),
        ("note: this is nothing", None),
        ("", None),
    ],
)
def test_an_exception_that_a_line_names(line, title):
    """A line that names an exception is told from one that only has a colon."""
    found = named(line)
    assert (found and found.title) == title


def test_an_exception_in_json():
    """An exception of a record in JSON gives the same signature as its traceback."""
    frames = [{"filename": "/job/score.py", "lineno": 12, "name": "run"}, "odd", {"filename": None, "lineno": "x"}]
    said = [
        {"exc_type": "ValueError", "exc_value": "seven\nmore", "frames": frames[:2]},
        {"exc_type": "KeyError", "exc_value": "'x'", "frames": None},
        {"exc_type": 3},
        "odd",
    ]
    root, raised = structured(said)
    assert root == Raised("KeyError", "'x'")
    assert (raised.title, raised.place) == ("ValueError: seven", "score.py:12 in run")
    assert structured(None) == ()
    assert structured([{"exc_type": "E", "frames": frames}])[0].frames[1] == Frame("None", 0, "")


STACKS = """Timeout (0:00:01.8)!
Thread 0x00007f34d07ff6c0 (most recent call first):
  File "/job/timer.py", line 1 in wait
  File "/home/user/.pyenv/versions/3.11.7/lib/python3.11/threading.py", line 982 in run

Current thread 0x00007f34d221cb80 (most recent call first):
  File "/env/lib/python3.11/site-packages/requests/api.py", line 5 in get
  File "/job/score.py", line 18 in download
  File "/job/score.py", line 31 in run
  File "/src/entry_script_helper/guardedcall.py", line 75 in guarded
"""


def test_the_places_of_stacks():
    """Of stacks, the innermost lines of the user's own code are told, of the thread that has most of it."""
    assert [str(frame) for frame in signatures.places(STACKS)] == ["score.py:18 in download", "score.py:31 in run"]
    assert signatures.places("Timeout (0:00:01)!\n") == ()


def test_a_record_without_an_exception():
    """Records without an exception are the same where their words and their function are."""
    assert signatures.of_message("item 3 failed", "run") == signatures.of_message("item 4 failed\nmore", "run")
    assert signatures.of_message("item 3 failed", "run") != signatures.of_message("item 3 failed", "init")
