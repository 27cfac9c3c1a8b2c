"""For users' own tests: an entry script's logs below a directory of the test, and nothing of it left behind.

Put ``pytest_plugins = ["entry_script_helper.testing"]`` into ``conftest.py`` to have the fixtures `entry_script_logs`
and `amlcompute`. Without pytest, use the context manager `isolated`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing.process
import os
import re
import sys
from typing import TYPE_CHECKING, NamedTuple
from unittest import mock

from entry_script_helper import entryscript, environment, processstate, structlogtarget
from entry_script_helper.handler import handlers_of_ours
from entry_script_helper.helper import EntryScriptHelper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

_PREFIXES = ("AZ_BATCHAI_", "AZUREML_", "AMLARC_", "ENTRY_SCRIPT_HELPER_")

_LINE = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\|(.*?)\|([^|]*)"
    r"\|(\d+)\|(\d+)\|(.*?)\(\)\|(.*)",
    re.DOTALL,
)


class TextRecord(NamedTuple):
    """A record that was read from a log file in the text format."""

    time: str
    logger: str
    level: str
    process: int
    thread: int
    func_name: str
    message: str
    """The message and the lines that followed it (a traceback), without the tab before each of them."""


class EntryScriptLogs:
    """What an entry script logged in this process.

    Args:
        working_dir: The working directory that the logs are below.
    """

    def __init__(self, working_dir: str) -> None:
        self.working_dir = working_dir
        self._last_path: str | None = None

    @property
    def log_dir(self) -> str:
        """The directory for logs."""
        return os.path.join(self.working_dir, "logs")

    @property
    def path(self) -> str:
        """The path of this process's log file, of the format that was configured last."""
        return self._last_path or EntryScriptHelper(self.working_dir).get_log_file_path()

    def text(self) -> str:
        """Return what is in the log file: nothing, if there is none."""
        try:
            with open(self.path, encoding="utf-8", newline="\n") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def lines(self) -> list[str]:
        """Return the lines of the log file, without their newlines."""
        return self.text().split("\n")[:-1]

    def records(self) -> list[TextRecord | dict[str, Any]]:
        """Return the records in the log file: a dict for a line of JSON, a `TextRecord` for one of text.

        Raises:
            ValueError: A line is of neither format.
        """
        # A further line of a record in text starts with a tab, so that no record can hide in it.
        return [_record(text) for text in re.split(r"\n(?!\t)", self.text()) if text]


def _record(text: str) -> TextRecord | dict[str, Any]:
    if text.startswith("{"):
        return dict(json.loads(text))
    match = _LINE.fullmatch(text.replace("\n\t", "\n"))
    if match is None:
        raise ValueError(f"this is no record in the text format of entry_script_helper: {text!r}")
    time, logger, level, process, thread, func_name, message = match.groups()
    return TextRecord(time, logger, level, int(process), int(thread), func_name, message)


@contextlib.contextmanager
def isolated(working_dir: str | os.PathLike[str]) -> Iterator[EntryScriptLogs]:
    """Let entry scripts log below a directory, as outside Azure ML, and leave no trace in this process.

    On entry the variables of Azure ML's runtimes are taken away, and handlers of ours from all loggers. On exit all
    that is as it was: variables, handlers, levels, disabled loggers, structlog if it was not configured before, and
    what processes spawned later would inherit.

    Args:
        working_dir: The working directory.
    """
    logs = EntryScriptLogs(os.path.abspath(os.fspath(working_dir)))
    inherited = vars(multiprocessing.process.current_process())["_config"]
    structlog_was_configured = _structlog_is_configured()
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ))
        stack.enter_context(mock.patch.dict(inherited))
        stack.enter_context(mock.patch.object(EntryScriptHelper, "LOG_CONFIGED", new=False))
        stack.enter_context(mock.patch.dict(entryscript._instances, clear=True))  # noqa: SLF001 - this package's own
        stack.enter_context(mock.patch.dict(processstate.state()))
        stack.enter_context(mock.patch.object(structlogtarget, "_fallback", []))
        stack.enter_context(loggers_as_they_were())
        inherited.pop("entry_script_helper", None)
        for kept in ("ending", "cut", "logger_name"):
            processstate.state().pop(kept, None)
        _set_variables({environment.WORKING_DIR: logs.working_dir})
        try:
            yield logs
        finally:
            logs._last_path = logs.path  # noqa: SLF001 - a test may read the file when this is over
            if _structlog_is_configured() and not structlog_was_configured:
                sys.modules["structlog"].reset_defaults()


def _set_variables(variables: dict[str, str]) -> None:
    """Set these variables of Azure ML's runtimes and of ours, and no others."""
    for name in [name for name in os.environ if name.startswith(_PREFIXES)]:
        del os.environ[name]
    os.environ.update(variables)


@contextlib.contextmanager
def loggers_as_they_were() -> Iterator[None]:
    """Take our handlers away, and put them back as they were, with the loggers' levels."""
    before = {logger: (logger.level, logger.disabled, _take_handlers(logger)) for logger in _all_loggers()}
    try:
        yield
    finally:
        for logger in _all_loggers():
            taken = _take_handlers(logger)
            for handler in taken:
                handler.close()
            if taken:
                logger.setLevel(logging.NOTSET)
        for logger, (level, disabled, handlers) in before.items():
            logger.setLevel(level)
            logger.disabled = disabled
            for handler in handlers:
                logger.addHandler(handler)


def _all_loggers() -> list[logging.Logger]:
    named = [logger for logger in logging.Logger.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    return [logging.getLogger(), *named]


def _take_handlers(logger: logging.Logger) -> list[logging.Handler]:
    ours = handlers_of_ours(logger)
    for handler in ours:
        logger.removeHandler(handler)
    return ours


def _structlog_is_configured() -> bool:
    structlog = sys.modules.get("structlog")
    return structlog is not None and bool(structlog.is_configured())


try:
    import pytest
except ImportError:
    pass
else:

    @pytest.fixture
    def entry_script_logs(tmp_path: Path) -> Iterator[EntryScriptLogs]:
        """Let entry scripts log below ``tmp_path``, and give what they logged."""
        with isolated(tmp_path) as logs:
            yield logs

    @pytest.fixture
    def amlcompute(entry_script_logs: EntryScriptLogs) -> EntryScriptLogs:
        """Set the variables of the article's runtime to directories below ``tmp_path``; give `entry_script_logs`."""
        directory = entry_script_logs.working_dir
        share, job_temp = os.path.join(directory, "share"), os.path.join(directory, "job_temp")
        os.makedirs(share)
        os.makedirs(job_temp)
        entry_script_logs.working_dir = os.path.join(share, "run_1")
        variables = {environment.SHARE: share, environment.JOB_TEMP: job_temp, environment.RUN_ID: "run_1"}
        _set_variables({**variables, environment.WORKER_IP: "10.0.0.4"})
        return entry_script_logs
