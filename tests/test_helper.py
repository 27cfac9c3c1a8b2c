"""The drop-in: names, defaults, return types and idioms of the article's class."""

from __future__ import annotations

import copy
import inspect
import logging
import os
import pickle
import re
import types
from pathlib import Path

import pytest

import entry_script_helper
from entry_script_helper import EntryScriptHelper, LogFileError, UsageError, config, get_logger, where

ENTRY_SCRIPT = """
import os
import logging
from entry_script_helper import EntryScriptHelper

LOG_NAME = "score_file_list"


def init():
    EntryScriptHelper().config(LOG_NAME)
    logger = logging.getLogger(LOG_NAME)
    output_folder = os.path.join(os.environ.get("AZ_BATCHAI_INPUT_AZUREML", ""), "temp/output")
    logger.info(f"{__file__}.output_folder:{output_folder}")
    logger.info("init()")
    os.makedirs(output_folder, exist_ok=True)


def run(mini_batch):
    logger = logging.getLogger(LOG_NAME)
    logger.info(f"{__file__}, run({mini_batch})")
    for file_name in mini_batch:
        logger.info(f"{__file__}: {os.path.basename(file_name)}")
    return mini_batch
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("AZ_BATCHAI_WORKER_IP", "10.0.0.4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_names_and_defaults():
    """The seven methods are there, with the article's parameters and defaults."""
    expected = {
        "get_logger": ["name"],
        "config": ["name", "level"],
        "get_log_file_path": [],
        "get_log_dir": [],
        "get_working_dir": [],
        "get_temp_dir": [],
        "get_run": [],
    }
    for name, parameters in expected.items():
        signature = inspect.signature(getattr(EntryScriptHelper(), name))
        positional = [p for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert [p.name for p in positional] == parameters
        assert [p.default for p in positional] == ["EntryScript", "INFO"][: len(parameters)]
    assert EntryScriptHelper.LOG_CONFIGED is False


def test_public_names_are_sorted():
    """What the package offers is listed, in order."""
    assert entry_script_helper.__all__ == sorted(entry_script_helper.__all__)
    for name in entry_script_helper.__all__:
        assert getattr(entry_script_helper, name).__doc__


def test_paths_are_str(place):
    """Every path is a `str`, and absolute."""
    helper = EntryScriptHelper()
    for path in (helper.get_log_file_path(), helper.get_log_dir(), helper.get_working_dir(), helper.get_temp_dir()):
        assert type(path) is str
        assert os.path.isabs(path)
    assert helper.get_working_dir() == str(place)
    assert helper.get_log_dir() == str(place / "logs")
    assert helper.get_log_file_path() == str(place / "logs/user/10.0.0.4/MainProcess.txt")
    assert os.path.isdir(helper.get_log_dir())
    assert not os.path.exists(helper.get_log_file_path())
    assert os.path.basename(helper.get_temp_dir()) == str(os.getpid())


def test_paths_on_the_articles_runtime(place, monkeypatch):
    """On the article's runtime the paths are the article's."""
    monkeypatch.setenv("AZ_BATCHAI_INPUT_AZUREML", str(place / "share"))
    monkeypatch.setenv("AZ_BATCHAI_JOB_TEMP", str(place / "job"))
    monkeypatch.setenv("AZUREML_RUN_ID", "run-1")
    helper = EntryScriptHelper()
    assert helper.get_working_dir() == str(place / "share/run-1")
    assert helper.get_log_file_path() == str(place / "share/run-1/logs/user/10.0.0.4/MainProcess.txt")
    assert helper.get_temp_dir() == str(place / "job/azureml-bi" / str(os.getpid()))


def test_every_idiom(place):
    """Each way in which the helper is called in public leads to the same logger and file."""
    EntryScriptHelper().config("a").info("1")
    logging.getLogger("a").info("2")
    EntryScriptHelper().get_logger("a").info("3")
    get_logger("a").info("4")
    config("a").info("5")
    EntryScriptHelper().config(name="a", level="INFO").info("6")
    EntryScriptHelper().config("a", "INFO").info("7")
    assert EntryScriptHelper().config() is logging.getLogger("EntryScript") is EntryScriptHelper().get_logger()
    assert EntryScriptHelper.LOG_CONFIGED is True
    text = (place / "logs/user/10.0.0.4/MainProcess.txt").read_text()
    assert [line.rpartition("|")[2] for line in text.splitlines()] == list("1234567")


def test_article_entry_script(place):
    """An entry script as in the article runs unchanged: one line per logging call."""
    script = types.ModuleType("sample")
    script.__file__ = "sample.py"
    exec(ENTRY_SCRIPT, script.__dict__)
    for _ in range(2):
        script.init()
    assert script.run(["in/a", "in/b"]) == ["in/a", "in/b"]
    lines = (place / "logs/user/10.0.0.4/MainProcess.txt").read_text().splitlines()
    assert len(lines) == 7
    pattern = r"[\d-]{10} [\d:]{8},\d{3}\|score_file_list\|INFO\|\d+\|\d+\|(init|run)\(\)\|"
    assert all(re.match(pattern, line) for line in lines)


def test_handler(place):
    """The logger carries one handler of ours, a `logging.Handler` with `baseFilename`, at the level asked for."""
    logger = config("a", "WARNING")
    config("a", "debug")
    (handler,) = logger.handlers
    assert isinstance(handler, logging.Handler)
    assert handler.baseFilename == EntryScriptHelper().get_log_file_path()
    assert handler.level == logger.level == logging.DEBUG
    assert os.path.exists(handler.baseFilename)
    assert os.stat(handler.baseFilename).st_mode & 0o777 == 0o640
    handler.flush()


def test_others_stay(place, caplog):
    """Other people's handlers, on this logger and on the root logger, are not touched, and still get the records."""
    stream = logging.NullHandler()
    logging.getLogger("a").addHandler(stream)
    root = list(logging.root.handlers)
    config("a").info("seen")
    config("a")
    assert stream in logging.getLogger("a").handlers
    assert logging.root.handlers == root
    assert caplog.messages == ["seen"]
    logging.getLogger("a").removeHandler(stream)


@pytest.mark.parametrize(
    ("level", "number"), [("info", 20), (" Debug ", 10), (20, 20), ("WARN", 30), ("35", 35), ("Loud", 45), (0, 0)]
)
def test_levels(level, number):
    """A level is a name in any case, one of the program's own, or a number."""
    logging.addLevelName(45, "Loud")
    assert config("a", level).level == number


@pytest.mark.parametrize("level", ["LOUDER", "", None, 2.5, True, [], "-1"])
def test_unknown_level(level):
    """A level that is none is a programmer's mistake: a ValueError that says what to use."""
    with pytest.raises(ValueError, match=r"level: .* is not a level; use DEBUG, INFO"):
        config("a", level)


def test_bad_name_and_pattern():
    """A name that is not text, and a pattern that is no regular expression, are refused in one line."""
    with pytest.raises(UsageError, match=r"name: a logger's name is text, not int"):
        config(12)
    with pytest.raises(UsageError, match=r"redact: a pattern is not a regular expression"):
        config("a", redact=["("])


def test_overridden_getters(place):
    """Every getter that a subclass overrides is obeyed by the others."""

    class OtherWorkingDir(EntryScriptHelper):
        def get_working_dir(self):
            return str(place / "mine")

    class OtherLogDir(EntryScriptHelper):
        def get_log_dir(self):
            return str(place / "my-logs")

    class OtherPath(EntryScriptHelper):
        def get_log_file_path(self):
            return "here.log"

    class OtherRun(EntryScriptHelper):
        def get_run(self):
            return types.SimpleNamespace(id="my-run")

    class NoRun(EntryScriptHelper):
        def get_run(self):
            raise KeyError("no run")

    for index, (kind, path) in enumerate(
        [
            (OtherWorkingDir, "mine/logs/user/10.0.0.4/MainProcess.txt"),
            (OtherLogDir, "my-logs/user/10.0.0.4/MainProcess.txt"),
            (OtherPath, "here.log"),
            (OtherRun, "my-run/logs/user/10.0.0.4/MainProcess.txt"),
            (NoRun, "logs/user/10.0.0.4/MainProcess.txt"),
        ]
    ):
        kind().config(f"a{index}").info("x")
        assert (place / path).read_text().count("\n") == 1


def test_overridden_path_with_json(place):
    """An overridden path is obeyed as it is, also for JSON."""

    class Mine(EntryScriptHelper):
        def get_log_file_path(self):
            return str(place / "mine.txt")

    Mine().config("a", json=True).info("x")
    assert (place / "mine.txt").read_text().startswith("{")


def test_format_decides_the_file(place):
    """Text goes to .txt and JSON to .jsonl beside it; get_log_file_path() names the one in use."""
    helper = EntryScriptHelper()
    helper.config("a")
    assert helper.get_log_file_path().endswith("MainProcess.txt")
    helper.config("a", json=True)
    assert helper.get_log_file_path().endswith("MainProcess.jsonl")
    assert EntryScriptHelper().get_log_file_path().endswith("MainProcess.jsonl")
    config("a").info("x")
    assert EntryScriptHelper().get_log_file_path().endswith("MainProcess.txt")


def test_subclass_without_init(place):
    """A subclass need not call our __init__: the article's class has none."""

    class Mine(EntryScriptHelper):
        def __init__(self):
            self.mine = 1

    Mine().config("a").info("x")
    assert Mine().get_log_file_path() == str(place / "logs/user/10.0.0.4/MainProcess.txt")


def test_copies(place):
    """A helper can be pickled and copied."""
    helper = EntryScriptHelper(place / "mine", strict=True)
    helper.config("a")
    for again in (pickle.loads(pickle.dumps(helper)), copy.deepcopy(helper), copy.copy(helper)):
        assert again.get_log_file_path() == helper.get_log_file_path()
        again.config("a").info("x")
    assert Path(helper.get_log_file_path()).read_text().count("\n") == 3


def test_strict(place):
    """With strict=True, what can't be used raises a typed error that names path and remedy."""
    (place / "file").write_text("")
    helper = EntryScriptHelper(place / "file", strict=True)
    for call in (helper.get_log_dir, helper.get_log_file_path, lambda: helper.config("a")):
        with pytest.raises(LogFileError, match=r"file/logs.*; set ENTRY_SCRIPT_HELPER_WORKING_DIR"):
            call()
    assert isinstance(LogFileError("x"), OSError)


def test_not_strict(place, capsys):
    """Without it, nothing raises, and stderr has the record."""
    (place / "file").write_text("")
    helper = EntryScriptHelper(place / "file")
    helper.config("a").info("kept")
    assert helper.get_log_dir() == str(place / "file/logs")
    assert capsys.readouterr().err.count("kept") == 1


def test_missing_run_on_a_share(place, monkeypatch, capsys):
    """On the article's runtime without a run id that can be known, config() works and says why."""
    monkeypatch.setenv("AZ_BATCHAI_INPUT_AZUREML", str(place / "share"))
    config("a").info("x")
    assert "the run's id is not known" in capsys.readouterr().err
    assert (place / "logs/user/10.0.0.4/MainProcess.txt").exists()


def test_where(place, monkeypatch):
    """where() tells each place and why, and makes nothing."""
    found = where()
    assert found.working_dir == (str(place), "no variable names one; it is the current directory as it was first seen")
    assert found.log_dir.value == str(place / "logs")
    assert list(place.iterdir()) == []
    assert found.platform.value == "local"


def test_wrong_redact_argument():
    """A single pattern may be given as it is."""
    logger = config("a", redact=r"card \d+")
    logger.info("card 1234")
    assert "[REDACTED]" in Path(logger.handlers[0].baseFilename).read_text()


def test_redact_off():
    """redact=False leaves secrets as they are."""
    logger = config("a", redact=False)
    logger.info("password=abc")
    assert "password=abc" in Path(logger.handlers[0].baseFilename).read_text()
