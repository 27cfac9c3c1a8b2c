"""The fixtures for users' own tests: `entry_script_helper.testing`."""

from __future__ import annotations

import logging
import multiprocessing.process
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import structlog

from entry_script_helper import EntryScript, EntryScriptHelper, config
from entry_script_helper.testing import (
    EntryScriptLogs,
    TextRecord,
    amlcompute,  # noqa: F401 - a fixture
    entry_script_logs,  # noqa: F401 - a fixture
    isolated,
)

ROOT = Path(__file__).parent.parent


def ours(logger):
    return [handler for handler in logger.handlers if getattr(handler, "is_entry_script_handler", False)]


def run(*arguments, cwd):
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environ, capture_output=True, text=True, timeout=100, check=False
    )


def test_logs_are_below_the_given_directory_and_can_be_read_as_records(tmp_path):
    """What a script logs within `isolated` is below its directory, and can be read as text, lines and records."""
    with isolated(tmp_path) as logs:
        assert (logs.text(), logs.lines(), logs.records()) == ("", [], [])
        logger = config("scoring", "DEBUG")
        logger.info("first")
        logger.warning("a|b\nsecond line")
        assert Path(logs.path).is_file()
        assert Path(logs.path).is_relative_to(tmp_path / "logs" / "user")
        assert logs.log_dir == str(tmp_path / "logs")
    first, second = logs.records()
    assert isinstance(first, TextRecord)
    assert (first.logger, first.level, first.process, first.message) == ("scoring", "INFO", os.getpid(), "first")
    assert first.func_name == "test_logs_are_below_the_given_directory_and_can_be_read_as_records"
    assert second.message == "a|b\nsecond line"
    assert len(logs.lines()) == 3
    assert logs.text().endswith("\n\tsecond line\n")


def test_json_lines_are_read_as_dicts_also_when_the_block_is_over(tmp_path, monkeypatch):
    """Records in JSON are dicts, and the file is known after the block although another format is the default."""
    monkeypatch.setenv("ENTRY_SCRIPT_HELPER_WORKING_DIR", str(tmp_path / "outside"))
    config("scoring")
    with isolated(tmp_path) as logs:
        config("scoring", json=True).info("done", extra={"items": 3})
    (record,) = logs.records()
    assert (record["event"], record["items"]) == ("done", 3)
    assert logs.path.endswith(".jsonl")
    assert EntryScriptHelper().get_log_file_path().endswith(".txt")


def test_a_line_of_no_format_is_an_error_that_shows_it(tmp_path):
    """A log file that the helper did not write is refused with the text that is in the way."""
    with isolated(tmp_path) as logs:
        Path(logs.path).write_text("Hello\n", encoding="utf-8")
        with pytest.raises(ValueError, match="'Hello'"):
            logs.records()


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    """After `isolated` the process is as before: variables, handlers, levels, what children inherit, the singleton."""
    monkeypatch.setenv("AZUREML_RUN_ID", "run_9")
    inherited = vars(multiprocessing.process.current_process())["_config"]
    known, disabled = logging.getLogger("testing.known"), logging.getLogger("testing.disabled")
    known.setLevel("ERROR")
    disabled.disabled = True
    others = logging.NullHandler()
    known.addHandler(others)
    environ, inherited_before, before = dict(os.environ), dict(inherited), EntryScript()
    with isolated(tmp_path):
        assert "AZUREML_RUN_ID" not in os.environ
        for name in ("testing.known", "testing.disabled", "testing.new"):
            config(name)
        assert EntryScriptHelper.LOG_CONFIGED
        assert not disabled.disabled
        assert EntryScript() is not before
        assert "entry_script_helper" in inherited
    new = logging.getLogger("testing.new")
    assert [ours(logger) for logger in (known, disabled, new)] == [[], [], []]
    assert (known.level, known.handlers, new.level) == (logging.ERROR, [others], logging.NOTSET)
    assert disabled.disabled
    disabled.disabled = False
    known.removeHandler(others)
    assert os.environ == environ
    assert EntryScript() is before
    assert not EntryScriptHelper.LOG_CONFIGED
    assert inherited == inherited_before


def test_a_logger_configured_before_writes_to_its_own_file_again(tmp_path):
    """A handler of ours that was there before is out of the way meanwhile, and comes back."""
    with isolated(tmp_path / "outer") as outer:
        logger = config("testing.outer")
        with isolated(tmp_path / "inner") as inner:
            logger.info("nowhere")
            config("testing.outer", "DEBUG").debug("inner")
        logger.info("outer")
        logger.debug("below the level")
        assert EntryScriptHelper.LOG_CONFIGED
    assert [record.message for record in inner.records()] == ["inner"]
    assert [record.message for record in outer.records()] == ["outer"]


def test_structlog_is_reset_only_if_it_was_not_configured_before(tmp_path):
    """What the helper told structlog is taken back; a configuration of the user's own stays."""
    structlog.reset_defaults()
    try:
        with isolated(tmp_path) as logs:
            config("testing.structlog", json=True)
            structlog.get_logger("testing.structlog").info("bound", item=1)
            assert structlog.is_configured()
        assert not structlog.is_configured()
        assert logs.records()[0]["item"] == 1
        structlog.configure()
        with isolated(tmp_path):
            config("testing.structlog", json=True)
        assert structlog.is_configured()
    finally:
        structlog.reset_defaults()


def test_the_fixture_gives_the_logs_of_the_test(entry_script_logs, tmp_path):  # noqa: F811
    """`entry_script_logs` is `isolated` in the test's own directory."""
    EntryScriptHelper().config("testing.fixture").info("hello")
    assert isinstance(entry_script_logs, EntryScriptLogs)
    assert entry_script_logs.working_dir == str(tmp_path)
    assert [record.message for record in entry_script_logs.records()] == ["hello"]


def test_amlcompute_is_the_runtime_of_the_article(amlcompute):  # noqa: F811
    """With `amlcompute` the paths are those that the article's class gives on AmlCompute."""
    helper = EntryScriptHelper()
    share = os.environ["AZ_BATCHAI_INPUT_AZUREML"]
    assert helper.get_working_dir() == amlcompute.working_dir == os.path.join(share, os.environ["AZUREML_RUN_ID"])
    expected = os.path.join(amlcompute.log_dir, "user", os.environ["AZ_BATCHAI_WORKER_IP"], "MainProcess.txt")
    assert helper.get_log_file_path() == amlcompute.path == expected
    assert helper.get_temp_dir() == os.path.join(os.environ["AZ_BATCHAI_JOB_TEMP"], "azureml-bi", str(os.getpid()))
    helper.config("testing.amlcompute").info("hello")
    assert [record.message for record in amlcompute.records()] == ["hello"]


def test_both_fixtures_of_one_test_are_one_object(entry_script_logs, amlcompute):  # noqa: F811
    """A test may ask for both fixtures: they are the same logs."""
    assert entry_script_logs is amlcompute


def test_the_module_is_a_pytest_plugin(tmp_path):
    """With ``pytest_plugins`` in conftest.py the fixtures are there without an import, and change no other test."""
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["entry_script_helper.testing"]\n', encoding="utf-8")
    code = """
        import logging
        from entry_script_helper import config

        def test_first(entry_script_logs):
            config("score").info("first")
            assert [record.message for record in entry_script_logs.records()] == ["first"]

        def test_second(amlcompute):
            logging.getLogger("score").info("not configured in this test")
            assert amlcompute.records() == []
    """
    (tmp_path / "test_score.py").write_text(textwrap.dedent(code), encoding="utf-8")
    result = run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 passed" in result.stdout
    assert not (tmp_path / "logs").exists()


def test_without_pytest_the_context_manager_is_there(tmp_path):
    """The module can be imported where pytest is not installed; only the fixtures are missing."""
    code = """
        import sys

        class Blocker:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in ("pytest", "_pytest"):
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        sys.meta_path.insert(0, Blocker())
        from entry_script_helper import config, testing

        with testing.isolated("here") as logs:
            config("score").info("hello")
        print(logs.records()[0].message, hasattr(testing, "entry_script_logs"), "pytest" in sys.modules)
    """
    result = run("-c", textwrap.dedent(code), cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "hello False False\n", "")
