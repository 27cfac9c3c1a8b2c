"""The law of config(): each record once, in the right file, at the last level and format, whatever happened before."""

from __future__ import annotations

import importlib
import json
import logging
import logging.config
import os
import resource
import sys
import tempfile
import threading
import traceback
from pathlib import Path

import pytest
from conftest import RECORD
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAMES = ["law", "law.child", "law.child.grandchild", "other"]
LEVELS = {"debug": 10, "INFO": 20, 30: 30, "Error": 40}

names = st.sampled_from(NAMES)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("config"), names, st.sampled_from(list(LEVELS)), st.booleans()),
        st.tuples(st.just("log"), names, st.sampled_from([10, 20, 30, 40])),
        st.tuples(st.sampled_from(["thread", "fork"]), names),
        st.tuples(st.just("remove"), names),
        st.tuples(st.sampled_from(["disable", "shutdown", "chdir", "reload", "import anew", "many threads", "scarce"])),
    ),
    max_size=15,
)


class World:
    """What the standard library's rules say must happen, and the doing of it."""

    def __init__(self) -> None:
        self.configured: dict[str, tuple[int, str]] = {}
        self.levels: dict[str, int] = {}
        self.disabled: set[str] = set()
        self.expected: dict[str, str | None] = {}

    def ancestry(self, name):
        parts = name.split(".")
        return [".".join(parts[:length]) for length in range(len(parts), 0, -1)]

    def expect(self, name, level):
        """Note a new message and the ending of the file that it must be in, or None if it must be in none."""
        message = f"message {len(self.expected)}."
        threshold = next((self.levels[n] for n in self.ancestry(name) if n in self.levels), logging.WARNING)
        ending = None
        if name not in self.disabled and level >= threshold:
            accepting = (self.configured[n] for n in self.ancestry(name) if n in self.configured)
            ending = next((ending for least, ending in accepting if level >= least), None)
        self.expected[message] = ending
        return message

    def do(self, step):
        getattr(self, step[0].replace(" ", "_"))(*step[1:])

    def config(self, name, level, as_json):
        from entry_script_helper import EntryScriptHelper

        logger = EntryScriptHelper().config(name, level, json=as_json)
        assert logger is logging.getLogger(name)
        self.configured[name] = (LEVELS[level], ".jsonl" if as_json else ".txt")
        self.levels[name] = LEVELS[level]
        self.disabled.discard(name)

    def log(self, name, level):
        logging.getLogger(name).log(level, "%s", self.expect(name, level))

    def thread(self, name):
        thread = threading.Thread(target=self.log, args=(name, 40))
        thread.start()
        thread.join()

    def fork(self, name):
        message = self.expect(name, 40)
        child = os.fork()
        if child == 0:
            logging.getLogger(name).error(message)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0

    def remove(self, name):
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
        self.configured.pop(name, None)

    def disable(self):
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": True})
        self.disabled |= {name for name in NAMES if name in logging.root.manager.loggerDict}

    def shutdown(self):
        logging.shutdown()

    def chdir(self):
        os.chdir(tempfile.mkdtemp())

    def reload(self):
        for name in sorted(name for name in sys.modules if name.startswith("entry_script_helper")):
            importlib.reload(sys.modules[name])

    def import_anew(self):
        for name in [name for name in sys.modules if name.startswith("entry_script_helper")]:
            del sys.modules[name]

    def many_threads(self):
        threads = [threading.Thread(target=self.config, args=("law", "debug", False)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.log("law", 10)

    def scarce(self):
        least = len(os.listdir("/proc/self/fd")) + 3
        resource.setrlimit(resource.RLIMIT_NOFILE, (least, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def in_a_child(directory, sequence, report):
    from entry_script_helper import machine

    os.chdir(directory)
    machine.remember_first_directory(directory.as_posix())
    for name in NAMES:
        logging.getLogger(name).propagate = True
    world = World()
    for step in sequence:
        world.do(step)
    for name in world.configured:
        ours = [h for h in logging.getLogger(name).handlers if getattr(h, "is_entry_script_handler", False)]
        assert len(ours) == 1, (name, ours)
    report.write_text(json.dumps(world.expected))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(sequence=steps)
def test_law_of_config(sequence):
    """Each record is once in one file of the right format, or in none where its level or logger is off."""
    with tempfile.TemporaryDirectory() as place:
        report = Path(place) / "report"
        directory = Path(place) / "work"
        directory.mkdir()
        child = os.fork()
        if child == 0:
            try:
                os.environ["AZ_BATCHAI_WORKER_IP"] = "10.0.0.4"
                sys.stderr = (Path(place) / "stderr").open("w")
                in_a_child(directory, sequence, report)
                os._exit(0)
            except BaseException:
                (Path(place) / "error").write_text(traceback.format_exc())
            finally:
                os._exit(1)
        status = os.waitpid(child, 0)[1]
        assert status == 0, (Path(place) / "error").read_text()
        assert (Path(place) / "stderr").read_text() == ""
        check(directory, json.loads(report.read_text()))


def check(directory, expected):
    found: dict[str, list[str]] = {}
    for file in directory.rglob("logs/user/10.0.0.4/*"):
        for line in file.read_text().splitlines():
            match = RECORD.fullmatch(line)
            message = match.group(6) if match else json.loads(line)["event"]
            assert bool(match) == (file.suffix == ".txt")
            found.setdefault(message, []).append(file.suffix)
    assert found == {message: [ending] for message, ending in expected.items() if ending}


@pytest.mark.parametrize("as_json", [False, True])
def test_many_threads(tmp_path, monkeypatch, as_json):
    """Threads that configure and log at once lose, double and garble nothing."""
    from entry_script_helper import EntryScriptHelper

    monkeypatch.setenv("AZ_BATCHAI_WORKER_IP", "10.0.0.4")

    def work(index):
        for number in range(300):
            logger = EntryScriptHelper(tmp_path).config(f"law.{index % 3}", json=as_json)
            logger.info("%d %d %s", index, number, "x" * (number % 7) * 100)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (file,) = (tmp_path / "logs/user/10.0.0.4").iterdir()
    lines = file.read_text().splitlines()
    texts = [json.loads(line)["event"] if as_json else RECORD.fullmatch(line).group(6) for line in lines]
    assert sorted(text.split()[:2] for text in texts) == sorted([str(i), str(n)] for i in range(6) for n in range(300))
