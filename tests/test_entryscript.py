"""`EntryScript`, as the cloud's own."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import threading

import pytest

from entry_script_helper import EntryScript, EntryScriptHelper, entryscript


@pytest.fixture(autouse=True)
def _working_dir(monkeypatch, tmp_path):
    monkeypatch.setenv("ENTRY_SCRIPT_HELPER_WORKING_DIR", str(tmp_path / "work"))
    monkeypatch.setenv("AZ_BATCHAI_WORKER_IP", "10.0.0.4")


def test_there_is_one_object():
    """Whoever makes, copies or unpickles it has the same one."""
    one = EntryScript()
    assert EntryScript() is one
    assert copy.copy(one) is one
    assert copy.deepcopy(one) is one
    assert pickle.loads(pickle.dumps(one)) is one


def test_there_is_one_object_for_many_threads(monkeypatch):
    """Threads that ask at the same moment for the first time get the same one."""
    monkeypatch.setattr(entryscript, "_instances", {})
    barrier = threading.Barrier(8)
    original = EntryScriptHelper.__init__

    def slowly(self):
        barrier.wait(10)
        original(self)

    monkeypatch.setattr(EntryScriptHelper, "__init__", slowly)
    made = []
    threads = [threading.Thread(target=lambda: made.append(EntryScript())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len({id(one) for one in made}) == 1


def test_a_subclass_has_one_of_its_own():
    """A user's subclass is made as what it is."""

    class Mine(EntryScript):
        pass

    assert type(Mine()) is Mine
    assert Mine() is Mine()
    assert Mine() is not EntryScript()
    assert copy.deepcopy(Mine()) is Mine()


def test_the_directories(monkeypatch, tmp_path):
    """working_dir, log_dir and output_dir are those of the helper and the variables, made if missing."""
    script = EntryScript()
    assert script.working_dir == str(tmp_path / "work")
    assert script.log_dir == str(tmp_path / "work" / "logs")
    assert os.path.isdir(script.log_dir)
    monkeypatch.setenv("AZUREML_BI_OUTPUT_PATH", str(tmp_path / "a" / "out"))
    assert script.output_dir == str(tmp_path / "a" / "out")
    assert os.path.isdir(script.output_dir)


def test_the_output_directory_is_the_current_one_outside_the_cloud(monkeypatch, tmp_path):
    """Without AZUREML_BI_OUTPUT_PATH, output goes where the process started."""
    monkeypatch.chdir(tmp_path)
    assert EntryScript().output_dir == str(tmp_path)


def test_the_agents_name(monkeypatch):
    """agent_name is the driver's, or the name of the process where there is no driver."""
    monkeypatch.setattr("sys.argv", ["score.py"])
    assert EntryScript().agent_name == "MainProcess"
    monkeypatch.setattr("sys.argv", ["driver.py", '{"agent_name": "process003"}'])
    assert EntryScript().agent_name == "process003"


def test_the_logger_is_configured_when_asked_for(tmp_path):
    """`EntryScript().logger` writes to this process's file without config()."""
    logger = EntryScript().logger
    assert logger is logging.getLogger("EntryScript")
    logger.info("hello")
    assert (tmp_path / "work/logs/user/10.0.0.4/MainProcess.txt").read_text().endswith("()|hello\n")


def test_the_logger_keeps_what_was_configured(tmp_path):
    """Asking for the logger again does not change the level that config() gave it."""
    EntryScriptHelper().config(level="DEBUG")
    assert EntryScript().logger.level == logging.DEBUG
    assert len(EntryScript().logger.handlers) == 1
