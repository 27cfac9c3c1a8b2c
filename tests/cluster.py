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
        self.processes = {}
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
        self.processes[name] = process
        return process

    def said(self, name):
        return (self.path / f"{name}.log").read_text(errors="replace")

    def dask_workers(self, *names):
        """Return the process ids of the Dask workers (not their nannies) that live, all or those started by a name."""
        return [pid for pid in self._all(*names) if "spawn_main" in command_of(pid)]

    def children(self, *names):
        """Return the process ids of our own worker processes that live."""
        return [pid for pid in self._all(*names) if "cluster import child" in command_of(pid) and not is_gone(pid)]

    def _all(self, *names):
        return [pid for name in names or self.processes for pid in descendants(self.processes[name].pid)]

    def wait_for_workers(self, count, seconds=60):
        """Wait until so many Dask workers are registered at the scheduler."""
        logs = [file for file in self.path.glob("*.log") if file.stem != "scheduler"]
        wait_until(lambda: sum(file.read_text().count("Registered to:") for file in logs) >= count, seconds)

    def close(self):
        for process in self.processes.values():
            kill_all(process)


class Hosts(Cluster):
    """Several hosts: a scheduler and three nodes, each in a network namespace with an address of its own.

    What they send never leaves these namespaces: a bridge in that of the scheduler joins them, and nothing else does.
    Where namespaces are not allowed, loopback addresses stand in, and `refusal` says why.
    """

    nodes = ("10.77.0.11", "10.77.0.12", "10.77.0.13")

    def __init__(self, path):
        self._prefix = f"esh{os.getpid()}"
        self._namespaces = []
        self.refusal = ""
        try:
            self._make()
        except (OSError, subprocess.SubprocessError) as error:
            self.refusal = f"network namespaces are not allowed here: {getattr(error, 'stderr', None) or error}"
            self._unmake()
        address = "10.77.0.1:8786" if not self.refusal else f"127.0.0.1:{free_port()}"
        super().__init__(path, f"tcp://{address}", self.inside("head"))

    def inside(self, name):
        """Return what stands before a command that is to run on a host: ``head``, or a node's number."""
        return [] if self.refusal else ["ip", "netns", "exec", f"{self._prefix}-{name}"]

    def node(self, number, *, prefix=()):
        """Let a node have a Dask worker from now on, whenever one ends."""
        variables = {"AZ_BATCHAI_WORKER_IP": self.nodes[number]} if self.refusal else {}
        prefix = [*self.inside(number), *prefix]
        return self.worker(f"node{number}", prefix, supervised=True, variables=variables)

    def link(self, number, state):
        """Cut a node's link (``down``), or restore it (``up``)."""
        _ip("-n", f"{self._prefix}-head", "link", "set", f"v{number}", state)

    def close(self):
        super().close()
        self._unmake()

    def _make(self):
        self._add("head")
        head = f"{self._prefix}-head"
        _ip("-n", head, "link", "add", "bridge", "type", "bridge")
        _ip("-n", head, "address", "add", "10.77.0.1/24", "dev", "bridge")
        _ip("-n", head, "link", "set", "bridge", "up")
        for number, address in enumerate(self.nodes):
            self._add(number)
            node = f"{self._prefix}-{number}"
            _ip("-n", head, "link", "add", f"v{number}", "type", "veth", "peer", "name", "eth0", "netns", node)
            _ip("-n", head, "link", "set", f"v{number}", "master", "bridge", "up")
            _ip("-n", node, "address", "add", f"{address}/24", "dev", "eth0")
            _ip("-n", node, "link", "set", "eth0", "up")

    def _add(self, name):
        _ip("netns", "add", f"{self._prefix}-{name}")
        self._namespaces.append(f"{self._prefix}-{name}")
        _ip("-n", f"{self._prefix}-{name}", "link", "set", "lo", "up")

    def _unmake(self):
        while self._namespaces:
            subprocess.run(["ip", "netns", "delete", self._namespaces.pop()], check=False, timeout=60)


def _ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=60)


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
