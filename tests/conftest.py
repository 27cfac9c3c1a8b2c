"""What the tests share: scripts run in processes of their own, and what they logged."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from entry_script_helper import EntryScriptHelper, lastresort, processstate

if TYPE_CHECKING:
    from pathlib import Path

RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\|([^|]*)\|([^|]*)\|(\d+)\|(\d+)\|([^|]*)\(\)\|(.*)")
PLATFORM_VARIABLES = ("AZ_BATCHAI_", "AZUREML_", "AMLARC_", "AML_", "ENTRY_SCRIPT_HELPER_", "APPSETTING_", "CI_WORK")

# What a script of a test finds ready: the fewest imports, and a logger that is configured.
PREAMBLE = """
import logging, os, sys
from entry_script_helper import EntryScriptHelper, config
"""


def is_platform_variable(name: str) -> bool:
    return name.startswith(PLATFORM_VARIABLES)


def pytest_addoption(parser):
    parser.addoption("--no-skips", action="store_true", help="fail where a test is skipped: nothing is missing here")


def pytest_sessionfinish(session):
    """Where nothing is missing, a skipped test is a test that was forgotten."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("no_skips") and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


class Workplace:
    """A directory in which scripts run, and the logs below it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def start(self, *code, **options):
        environ = {name: value for name, value in os.environ.items() if not is_platform_variable(name)}
        environ |= {"AZ_BATCHAI_WORKER_IP": "10.0.0.4"} | options.pop("env", {})
        script = self.path / f"script_{len(list(self.path.glob('script_*.py')))}.py"
        script.write_text("\n".join([PREAMBLE, *map(textwrap.dedent, code)]), encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, str(script)],
            cwd=options.pop("cwd", self.path),
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="surrogateescape",
            **options,
        )

    def run(self, *code, returncode=0, stderr="", **options):
        """Run a script, given in parts, to its end; *stderr* None leaves that unchecked. Return what it printed."""
        process = self.start(*code, **options)
        try:
            printed, said = process.communicate(timeout=100)
        finally:
            process.kill()
        assert process.returncode == returncode, said
        if stderr is not None:
            assert said == stderr
        self.said = said
        return printed

    @property
    def folder(self) -> Path:
        return self.path / "logs" / "user" / "10.0.0.4"

    def files(self) -> dict[str, str]:
        return {file.name: file.read_bytes().decode() for file in sorted(self.folder.iterdir())}

    def records(self, name="MainProcess.txt") -> list[str]:
        """Return the messages of the records in a text file, further lines joined; every line must be whole."""
        return messages((self.folder / name).read_bytes().decode())

    def objects(self, name="MainProcess.jsonl") -> list[dict]:
        return [json.loads(line) for line in (self.folder / name).read_bytes().decode().splitlines()]


def messages(text: str) -> list[str]:
    found: list[str] = []
    assert text == "" or text.endswith("\n"), text[-200:]
    for line in text.splitlines():
        if line.startswith("\t"):
            found[-1] += f"\n{line[1:]}"
        else:
            match = RECORD.fullmatch(line)
            assert match, line[:300]
            found.append(match.group(6))
    return found


@pytest.fixture
def workplace(tmp_path):
    return Workplace(tmp_path)


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    """Leave no variable of a platform to a test, and nothing that was configured to the next."""
    for name in list(os.environ):
        if is_platform_variable(name):
            monkeypatch.delenv(name)
    levels = {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict}
    yield
    for name in ["", *logging.root.manager.loggerDict]:
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            if getattr(handler, "is_entry_script_handler", False):
                logger.removeHandler(handler)
                handler.close()
        if name:
            logger.setLevel(levels.get(name, logging.NOTSET))
            logger.disabled = False
    logging.setLoggerClass(logging.Logger)  # structlog's LoggerFactory sets one of its own
    EntryScriptHelper.LOG_CONFIGED = False
    for kept in ("ending", "cut", "logger_name", "first_directory", "address"):
        processstate.state().pop(kept, None)
    lastresort._said.clear()
