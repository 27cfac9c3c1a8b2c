"""What the tests of the simulator's engine share: entry scripts run by the master itself, in a process of its own."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

DRIVER = """
import dataclasses, json, sys
from entry_script_helper.errors import EntryScriptHelperError
from entry_script_helper.simulator import master
from entry_script_helper.simulator.settings import Settings

if __name__ == "__main__":
    try:
        result = master.run(Settings(**json.loads(sys.argv[1])), quiet=False)
    except EntryScriptHelperError as error:
        print(json.dumps({"exit_code": 2, "error": str(error)}))
    except KeyboardInterrupt as error:
        print(json.dumps({"exit_code": 130, "error": str(error)}))
    else:
        print(json.dumps({**dataclasses.asdict(result), "failed": result.failed}))
"""

SCORE = """
import os
def run(mini_batch):
    return [os.path.basename(path) for path in mini_batch]
"""


class Engine:
    """A directory with an entry script and its input, and what runs of it leave."""

    prefix = ()
    """What stands before the command of a run."""

    def __init__(self, path):
        self.path = path
        self.output = path / "rows.txt"
        self.part = path / "rows.txt.part"
        (path / "driver.py").write_text(DRIVER)
        (path / "in").mkdir()

    def script(self, code, name="score.py"):
        """Write the entry script; where it has no run(), the one of `SCORE`."""
        code = textwrap.dedent(code)
        (self.path / name).write_text(code if "def run" in code else SCORE + code, encoding="utf-8")

    def inputs(self, count):
        """Make so many files, and return their names."""
        names = [f"f{number:04}" for number in range(count)]
        for name in names:
            (self.path / "in" / name).write_text(name)
        return names

    def settings(self, **options):
        return {
            "script": str(self.path / "score.py"),
            "input": [str(self.path / "in")],
            "output": str(self.output),
            "working_dir": str(self.path),
            "processes": 2,
            "mini_batch_size": 1,
            "resource_monitor_interval": 0,
            **options,
        }

    def launch(self, *, start_new_session=False, **options):
        """Start a run, which may be ended by Ctrl-C."""
        # These tests may themselves run where Ctrl-C is ignored, in the background; a child would inherit that.
        restored = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)
        return subprocess.Popen(
            [*self.prefix, sys.executable, str(self.path / "driver.py"), json.dumps(self.settings(**options))],
            cwd=self.path,
            env={**os.environ, "AZ_BATCHAI_WORKER_IP": "10.0.0.4", "AZ_BATCHAI_JOB_TEMP": str(self.path / "job")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="surrogateescape",
            preexec_fn=restored,  # noqa: PLW1509
            start_new_session=start_new_session,
        )

    def end(self, process):
        """Wait for the end of a run; return its result (what the script printed is in `printed`)."""
        try:
            self.printed, self.said = process.communicate(timeout=150)
        finally:
            process.kill()
        assert process.returncode == 0, (self.printed, self.said)
        return json.loads(self.printed.splitlines()[-1])

    def run(self, exit_code=0, **options):
        """Run to the end, which must be with this exit code; return the result."""
        result = self.end(self.launch(**options))
        assert result["exit_code"] == exit_code, (result, self.said)
        return result

    @property
    def rows(self):
        return self.output.read_text(encoding="utf-8").splitlines()

    def log(self, name="Process-1.txt"):
        return (self.path / "logs" / "user" / "10.0.0.4" / name).read_text(errors="replace")

    def workers(self):
        """Return the process ids of the workers that have arrived, those of dead ones too."""
        with contextlib.suppress(FileNotFoundError):
            return [int(name.split(".")[1]) for name in os.listdir(self.part) if name.endswith(".journal")]
        return []


def errors(result):
    return [failure["error"] for failure in result["failures"]]


def wait_until(is_so, seconds=60):
    """Wait until something is so; a test that waits in vain has failed."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, is_so
        time.sleep(0.02)


def is_gone(pid):
    """Tell whether a process has ended: a zombie that nobody has waited for yet counts."""
    return _status(pid)[0] == "Z"


def parent(pid):
    """Return the parent of a process; None of one that has ended, whose id may be another's by now."""
    state, parent_id = _status(pid)
    return None if state == "Z" else parent_id


def _status(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            state, parent_id = file.read().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return "Z", 0
    return state, int(parent_id)
