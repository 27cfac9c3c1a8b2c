"""performance/<ip>/*.csv: what the node and each worker process use, measured now and then in a thread."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time

from entry_script_helper import lastresort
from entry_script_helper.errors import MissingExtraError
from entry_script_helper.jsontext import readable
from entry_script_helper.logfile import LogFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from entry_script_helper.simulator.logs.tree import Tree

NODE_COLUMNS = (
    "Utc Time",
    "Cpu Percent",
    "Memory Total (MB)",
    "Memory Available (MB)",
    "Memory Used (MB)",
    "Memory Used Percent",
    "Disk Io Read Count",
    "Disk Io Write Count",
    "Disk Io Read (MB)",
    "Disk Io Write (MB)",
    "Network Sent (MB)",
    "Network Recv (MB)",
    "# TCP connections",
    "# UDP connections",
)
PROCESS_COLUMNS = (
    "Utc Time",
    "Cpu Percent",
    "Cpu User Seconds",
    "Cpu System Seconds",
    "Memory Used (MB)",
    "Memory Virtual (MB)",
    "Memory Used Percent",
    "Disk Io Read Count",
    "Disk Io Write Count",
    "Disk Io Read (MB)",
    "Disk Io Write (MB)",
    "# Threads",
    "# Open files",
    "# Child processes",
)

_MB = 1024 * 1024


class Monitor:
    """Measures the node and the worker processes, from `start` to `stop`. A value that can't be had is an empty field.

    Args:
        tree: The run's log tree.
        interval: Seconds between two measurements; 0 for none at all.
        of_node: Whether the node is measured, and not only processes: by one monitor of all that are on it.

    Raises:
        MissingExtraError: psutil is not installed, and there is something to measure.
    """

    def __init__(self, tree: Tree, interval: float, *, of_node: bool = True) -> None:
        self._tree = tree
        self._interval = interval
        self._node: _Table | None = None
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._processes: dict[int, _Process] = {}
        self._thread: threading.Thread | None = None
        if interval > 0:
            _load()
        if interval > 0 and of_node:
            self._node = _Table(tree.node_monitor(), NODE_COLUMNS)

    def start(self) -> None:
        """Begin to measure."""
        if self._interval > 0:
            self._thread = threading.Thread(target=self._go_on, name="resource-monitor", daemon=True)
            self._thread.start()

    def watch(self, pid: int) -> None:
        """Measure a worker process from now on, until it is gone."""
        if self._interval > 0:
            self._safely(self._add, _Process(self._tree, pid), pid)

    def stop(self) -> None:
        """Measure a last time, and close the files."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            self._measure()
            if self._node is not None:
                self._node.close()
            for process in self._processes.values():
                process.close()
            self._processes.clear()

    def _go_on(self) -> None:
        while True:
            self._measure()
            if self._over.wait(self._interval):
                return

    def _measure(self) -> None:
        if self._node is not None:
            self._safely(self._measure_node, self._node)
        with self._lock:
            processes = list(self._processes.items())
        for pid, process in processes:
            self._safely(self._measure_process, pid, process)

    @staticmethod
    def _measure_node(table: _Table) -> None:
        table.add(_node_values())

    def _add(self, process: _Process, pid: int) -> None:
        if process.measure():
            with self._lock:  # only now: the thread measures those that are known
                self._processes[pid] = process
        else:
            process.close()

    def _measure_process(self, pid: int, process: _Process) -> None:
        if not process.measure():
            process.close()
            with self._lock:
                self._processes.pop(pid, None)

    @staticmethod
    def _safely(measure: Callable[..., None], *arguments: Any) -> None:  # noqa: ANN401
        try:
            measure(*arguments)
        except Exception as error:  # noqa: BLE001 - what is measured is not worth a run
            lastresort.say_once("monitor", f"the use of resources can't be measured: {readable(error)}")


class _Table:
    """One CSV file, a line for each measurement."""

    def __init__(self, path: str, columns: tuple[str, ...]) -> None:
        self._file = LogFile(path, claimed=False, report=lambda _text: b"")
        # A file of an earlier run goes on without a second heading.
        self._heading = "" if _has_content(path) else ",".join(columns) + "\n"

    def add(self, values: list[object]) -> None:
        """Append a line; the first in a file, with the heading above it."""
        line = ",".join([_now(), *map(_field, values)])
        heading, self._heading = self._heading, ""
        if not self._file.write(f"{heading}{line}\n".encode()):
            text = f"can't write {self._file.wanted}: {readable(self._file.trouble)}; its lines wait until that works"
            lastresort.say_once(("log", "performance"), text)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _Process:
    """One worker process, and the file for it."""

    def __init__(self, tree: Tree, pid: int) -> None:
        self._process: Any = None
        self._table = _Table(tree.process_monitor(pid), PROCESS_COLUMNS)
        self._pid = pid
        self._is_first = True

    def measure(self) -> bool:
        """Append what it uses now; False if it is gone."""
        psutil = _load()
        try:
            self._process = self._process or psutil.Process(self._pid)
            with self._process.oneshot():
                if self._process.status() == psutil.STATUS_ZOMBIE:
                    return False
                values = self._values()
            if not self._process.is_running():
                return False
        except psutil.Error:
            return False
        self._table.add(values)
        return True

    def _values(self) -> list[object]:
        process = self._process
        percent = _value(process, "cpu_percent")  # since the last time: of the first there is nothing to say
        percent, self._is_first = (None, False) if self._is_first else (percent, False)
        times, memory, io = _value(process, "cpu_times"), _value(process, "memory_info"), _value(process, "io_counters")
        return [
            percent,
            _part(times, "user"),
            _part(times, "system"),
            _megabytes(memory, "rss"),
            _megabytes(memory, "vms"),
            _value(process, "memory_percent"),
            _part(io, "read_count"),
            _part(io, "write_count"),
            _megabytes(io, "read_bytes"),
            _megabytes(io, "write_bytes"),
            _value(process, "num_threads"),
            _value(process, "num_fds"),
            _count(_value(process, "children")),
        ]

    def close(self) -> None:
        """Close the file."""
        self._table.close()


def _node_values() -> list[object]:
    psutil = _load()
    memory, disk, network = (_value(psutil, name) for name in ("virtual_memory", "disk_io_counters", "net_io_counters"))
    return [
        _value(psutil, "cpu_percent"),
        _megabytes(memory, "total"),
        _megabytes(memory, "available"),
        _megabytes(memory, "used"),
        _part(memory, "percent"),
        _part(disk, "read_count"),
        _part(disk, "write_count"),
        _megabytes(disk, "read_bytes"),
        _megabytes(disk, "write_bytes"),
        _megabytes(network, "bytes_sent"),
        _megabytes(network, "bytes_recv"),
        _sockets("TCP"),
        _sockets("UDP"),
    ]


def _sockets(protocol: str) -> int | None:
    """Return how many sockets the node uses, as Linux counts them.

    psutil counts them by going through all descriptors of all processes.
    """
    text = ""
    for path in ("/proc/net/sockstat", "/proc/net/sockstat6"):
        with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
            text += file.read()
    counts = re.findall(rf"^{protocol}6?: inuse (\d+)", text, re.MULTILINE)
    return sum(map(int, counts)) if counts else None


def _value(owner: Any, name: str) -> Any:  # noqa: ANN401 - psutil or a process, and what it gives
    """Return a value, or None where the system has none, or not for us; a process that is gone is no value."""
    psutil = _load()
    try:
        return getattr(owner, name)()
    except psutil.NoSuchProcess:
        raise
    except (psutil.Error, OSError, NotImplementedError, AttributeError, RuntimeError, ValueError, IndexError):
        return None


def _part(values: Any, name: str) -> Any:  # noqa: ANN401
    return getattr(values, name, None)


def _megabytes(values: Any, name: str) -> float | None:  # noqa: ANN401
    value = getattr(values, name, None)
    return None if value is None else value / _MB


def _count(values: list[object] | None) -> int | None:
    return None if values is None else len(values)


def _field(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _now() -> str:
    now = time.time()
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03d}"


def _has_content(path: str) -> bool:
    try:
        return os.path.getsize(path) > 0
    except OSError:
        return False


def _load() -> Any:  # noqa: ANN401 - the module
    try:
        import psutil  # noqa: PLC0415 - needed while something is measured
    except ImportError as error:
        raise MissingExtraError("psutil", "simulator", "measuring the use of resources") from error
    return psutil
