"""What runs in a Dask worker: it looks around, and keeps the worker processes beside it, which do what they are sent.

Everything comes as one packed argument, in which Dask finds no keys and tasks of its own. Dask may run a task twice
(where a result was lost): each has a number, and is done once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import ipaddress
import os
import pickle
import platform
import shutil
import tempfile
import threading
import time
import zipfile

import entry_script_helper
from entry_script_helper import environment
from entry_script_helper.naming import safe_component
from entry_script_helper.simulator import journal, worker
from entry_script_helper.simulator.cluster import project
from entry_script_helper.simulator.cluster.child import Child
from entry_script_helper.simulator.logs.monitor import Monitor
from entry_script_helper.simulator.logs.tree import Tree
from entry_script_helper.simulator.slots import Death

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from entry_script_helper.simulator.attempt import Attempt
    from entry_script_helper.simulator.settings import Settings

LEASE = 60.0
"""Seconds without a word of the master after which what it has here is ended."""

_LOOK_UP = 2.0
"""Seconds between two looks at how long ago the last word was."""


@dataclasses.dataclass(frozen=True)
class Order:
    """What a node is to look for, before it may take part."""

    run: str
    host: str
    """The Dask worker's host, as the scheduler knows it."""
    tokens: tuple[str, ...]
    """Files that hold the run's id, if the folder that they are in is shared."""
    script: str
    digest: str
    """What `project.digest` says of the script's folder."""
    inputs: tuple[str, ...]
    """Some of the files to score."""


@dataclasses.dataclass(frozen=True)
class Sight:
    """What a node sees."""

    version: str
    """That of this package."""
    python: str
    node: str
    """Its address, as the log tree has it."""
    sees: tuple[bool, ...]
    """For each token, whether it is there."""
    has_script: bool
    unseen: str
    """A file to score that is not there; empty where all are."""
    directory: str
    """One of the run's own on this node, removed at the run's end."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Which process is meant."""

    run: str
    name: str
    number: int
    generation: int
    """How many processes had the name before, of this slot."""


@dataclasses.dataclass
class Told:
    """What comes back of a call."""

    value: Any = None
    """What the called function returned, or the process's `Death`."""
    ended: list[tuple[Attempt, bytes]] = dataclasses.field(default_factory=list)
    """The tries that have ended, with the rows of those that succeeded."""
    culprit: journal.Start | None = None
    """The mini-batch that a process which is gone was at."""
    position: int = 0
    """The length of its journal, all of which is told."""


class _Process:
    """One worker process, and how much of its journal is told."""

    def __init__(self, place: Place, node: str) -> None:
        self.generation = place.generation
        self.last = time.monotonic()
        self.is_busy = False
        self._lock = threading.Lock()
        self._serial = -1
        self._told = Told()
        self._arrival: worker.Arrival | None = None
        self.child = Child(place.name, place.number, {environment.WORKER_IP: node})

    def call(self, serial: int, function: Callable[..., object], *arguments: object, seconds: float) -> Told:
        """Have the process call a function, once for each serial number."""
        with self._lock:
            if serial <= self._serial:
                return self._told
            self.is_busy = True
            try:
                value = self.child.call(function, *arguments, seconds=seconds)
                self._serial, self._told = serial, self._tell(value)
            finally:
                self.last = time.monotonic()
                self.is_busy = False
            return self._told

    def _tell(self, value: Any) -> Told:  # noqa: ANN401 - the function's own
        if isinstance(value, worker.Arrival):
            self._arrival = value
        if self._arrival is None:
            return Told(value)
        told = Told(value, position=self._told.position)
        if isinstance(value, worker.Chunk):
            rows = {
                entry.attempt.index: self._rows(entry)
                for entry in journal.read(self._arrival.journal, told.position)
                if isinstance(entry, journal.Done)
            }
            told.ended = [(attempt, rows.get(attempt.index, b"")) for attempt in value.attempts]
            told.position = value.position
        elif isinstance(value, Death):
            with contextlib.suppress(OSError):  # the folder is gone: then nothing is known
                for entry in journal.read(self._arrival.journal, told.position):
                    told.culprit = entry if isinstance(entry, journal.Start) else None
                    if isinstance(entry, journal.Done):
                        told.ended.append((entry.attempt, self._rows(entry)))
                    elif not isinstance(entry, journal.Start):
                        told.ended.append((entry, b""))
        return told

    def _rows(self, done: journal.Done) -> bytes:
        assert self._arrival is not None  # noqa: S101 - it has a journal
        with open(journal.rows_of(self._arrival.journal), "rb") as file:
            file.seek(done.offset)
            return file.read(done.length)

    def close(self, end: Callable[[Child], None]) -> None:
        """End the process, and remove what is its own alone."""
        end(self.child)
        if self._arrival is not None:
            with contextlib.suppress(OSError):  # the script's files are in it
                os.rmdir(self._arrival.temp_dir)
            for path in (self._arrival.journal, journal.rows_of(self._arrival.journal)):
                with contextlib.suppress(OSError):
                    os.remove(path)


class _Run:
    """What one run has beside this Dask worker."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.last = time.monotonic()
        self.directory = tempfile.mkdtemp(prefix="entry-script-helper-")
        self.processes: dict[str, _Process] = {}
        self.monitor: Monitor | None = None

    def is_forgotten(self) -> bool:
        """Tell whether there was no word of the master for too long, and nothing is under way."""
        last = max([self.last, *(process.last for process in list(self.processes.values()))])
        return last < time.monotonic() - LEASE and not any(process.is_busy for process in list(self.processes.values()))

    def close(self) -> None:
        """Leave nothing."""
        while self.processes:
            self.processes.popitem()[1].close(Child.kill)
        if self.monitor is not None:
            self.monitor.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


_runs: dict[str, _Run] = {}
_lock = threading.Lock()


def do(packed: bytes) -> bytes:
    """Call the function of this module that is packed, with its arguments; return what it returns, packed."""
    name, arguments = pickle.loads(packed)  # noqa: S301 - who reaches the Dask worker can run anything there
    return pickle.dumps(globals()[name](*arguments))


def look(order: Order) -> Sight:
    """Return what this node sees, and prepare for the run."""
    node = _node(order.host)
    with _lock:
        if order.run not in _runs:
            _runs[order.run] = _Run(node)
            if len(_runs) == 1:
                threading.Thread(target=_look_after_masters, name="look-after-masters", daemon=True).start()
        run = _runs[order.run]
    return Sight(
        version=entry_script_helper.__version__,
        python=platform.python_version(),
        node=node,
        sees=tuple(_holds(token, order.run) for token in order.tokens),
        has_script=os.path.isfile(order.script) and project.digest(os.path.dirname(order.script)) == order.digest,
        unseen=next((path for path in order.inputs if not os.path.exists(path)), ""),
        directory=run.directory,
    )


def install(run: str, archive: bytes) -> None:
    """Unpack the script's folder into the run's directory."""
    project.unpack(archive, os.path.join(_runs[run].directory, "project"))


def arrive(place: Place, settings: Settings, folder: str, measures_node: bool) -> Told:  # noqa: FBT001 - packed by place
    """Start a worker process, in the place of one that has its name."""
    run = _runs.get(place.run)
    if run is None:
        return _forgotten()
    if run.monitor is None:
        tree = Tree(os.path.join(settings.working_dir, "logs"), run.node)
        run.monitor = Monitor(tree, settings.resource_monitor_interval, of_node=measures_node)
        run.monitor.start()
    process = run.processes.get(place.name)
    if process is None or process.generation != place.generation:
        if process is not None:
            process.close(Child.kill)
        os.makedirs(folder, exist_ok=True)
        process = run.processes[place.name] = _Process(place, run.node)
    told = process.call(0, worker.arrive, settings, folder, os.getpid(), seconds=float("inf"))
    if isinstance(told.value, worker.Arrival):
        run.monitor.watch(told.value.pid)
    return told


def call(place: Place, serial: int, function: Callable[..., object], arguments: Any, seconds: float) -> Told:  # noqa: ANN401
    """Have a worker process call a function; its `Death` is lost where there is no such process."""
    process = _process(place)
    return _forgotten() if process is None else process.call(serial, function, *arguments, seconds=seconds)


def beat(run: str) -> None:
    """Take note that the master is there."""
    found = _runs.get(run)
    if found is not None:
        found.last = time.monotonic()


def leave(place: Place) -> None:
    """Let a worker process end by itself."""
    process = _process(place)
    if process is not None:
        del _runs[place.run].processes[place.name]
        process.close(Child.leave)


def logs(run: str) -> bytes:
    """Return, packed, the logs that are in the run's directory: those of a node that shares no folder."""
    found = _runs.get(run)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        if found is not None:
            if found.monitor is not None:
                found.monitor.stop()
            folder = os.path.join(found.directory, "logs")
            for directory, _, names in os.walk(folder):
                for name in names:
                    path = os.path.join(directory, name)
                    archive.write(path, os.path.relpath(path, folder))
    return buffer.getvalue()


def end(run: str) -> None:
    """End all that a run has here, at once."""
    found = _runs.pop(run, None)
    if found is not None:
        found.close()


def _process(place: Place) -> _Process | None:
    run = _runs.get(place.run)
    process = run.processes.get(place.name) if run is not None else None
    return process if process is not None and process.generation == place.generation else None


def _forgotten() -> Told:
    return Told(Death("its Dask worker is another by now, or had no word of the run for too long", is_lost=True))


def _look_after_masters() -> None:
    """End what belongs to runs whose master is gone, until there is none."""
    while True:
        time.sleep(_LOOK_UP)
        for name, run in list(_runs.items()):
            if run.is_forgotten():
                end(name)
        with _lock:
            if not _runs:
                return


def _holds(path: str, text: str) -> bool:
    try:
        with open(path, encoding="ascii") as file:
            return file.read() == text
    except (OSError, ValueError):
        return False


def _node(host: str) -> str:
    """Return this node's address: its variable's; or the Dask worker's; or, of a loopback one, the machine's."""
    said = environment.read(os.environ, environment.WORKER_IP)
    if said is None and not is_loopback(host):
        said = host
    return safe_component(said or str(entry_script_helper.where().node.value))


def is_loopback(host: str) -> bool:
    """Tell whether a host, by name or address, is this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in {"localhost", ""}
