"""What the tests of Dask clusters share: a scheduler and workers as processes, on loopback or in namespaces of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys

from engine import is_gone, wait_until

QUICK = {
    # A broken link is noticed after so long, the least that Dask takes: 30 s are its own.
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "4s",
    "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "false",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__GIL__ENABLED": "false",
}


class Cluster:
    """A Dask cluster whose processes are ended with it.

    Args:
        path: A directory for what they say.
        address: The scheduler's address.
        prefix: What stands before the scheduler's command.
        options: More options for all of them, such as those of TLS.
    """

    def __init__(self, path, address, prefix=(), options=()):
        self.path = path
        self.address = address
        self.prefix = list(prefix)
        self.options = list(options)
        self.processes = []
        self.scheduler = None

    def start(self):
        scheme, _, place = self.address.partition("://")
        host, _, port = place.rpartition(":")
        self.scheduler = self._launch(
            "scheduler", self.prefix, "--host", f"{scheme}://{host}", "--port", port, "--dashboard-address", f"{host}:0"
        )
        wait_until(lambda: "Scheduler at:" in self.said("scheduler"))
        return self

    def worker(self, name="worker", prefix=(), threads=1, supervised=False, variables=(), **options):
        """Start a Dask worker with its nanny; *supervised*: again whenever it ends, as a service manager does."""
        more = [word for option, value in options.items() for word in (f"--{option.replace('_', '-')}", value)]
        command = ["--nthreads", str(threads), "--nanny", "--no-dashboard", "--local-directory", str(self.path), *more]
        return self._launch(
            name, prefix, self.address, *command, module="worker", again=supervised, variables=variables
        )

    def _launch(self, name, prefix, *arguments, module="scheduler", again=False, variables=()):
        command = [sys.executable, "-m", f"distributed.cli.dask_{module}", *arguments, *self.options]
        if again:
            command = ["sh", "-c", 'while true; do "$@"; sleep 0.3; done', "sh", *command]
        variables = (
            {name: value for name, value in os.environ.items() if not name.startswith("AZ_BATCHAI")}
            | QUICK
            | dict(variables)
        )
        with open(self.path / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                [*prefix, *command],
                cwd=self.path,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def said(self, name):
        return (self.path / f"{name}.log").read_text(errors="replace")

    def dask_workers(self):
        """Return the process ids of the Dask workers (not their nannies) that live."""
        return [pid for pid in self._all() if "spawn_main" in command_of(pid)]

    def children(self):
        """Return the process ids of our own worker processes that live."""
        return [pid for pid in self._all() if "cluster import child" in command_of(pid) and not is_gone(pid)]

    def _all(self):
        return [pid for process in self.processes for pid in descendants(process.pid)]

    def wait_for_workers(self, count, seconds=60):
        """Wait until so many Dask workers are registered at the scheduler."""
        logs = [file for file in self.path.glob("*.log") if file.stem != "scheduler"]
        wait_until(lambda: sum(file.read_text().count("Registered to:") for file in logs) >= count, seconds)

    def close(self):
        for process in self.processes:
            kill_all(process)


def descendants(pid):
    """Return the process ids below a process."""
    found = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                children = [int(child) for child in file.read().split()]
            for child in children:
                found += [child, *descendants(child)]
    return found


def command_of(pid):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().replace(b"\0", b" ").decode()
    return ""


def kill_all(process):
    """Kill a process and all below it, at once: a machine that loses its power."""
    pids = [process.pid, *descendants(process.pid)]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    for pid in {*pids, *descendants(process.pid)}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(timeout=60)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
