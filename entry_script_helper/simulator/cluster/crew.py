"""The worker processes beside the workers of a Dask cluster, as the loop has them: they join, leave and are lost."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
import zipfile
from collections import Counter
from io import BytesIO

from entry_script_helper.errors import UsageError
from entry_script_helper.simulator.cluster import node
from entry_script_helper.simulator.cluster.connection import Connection, host_of, value
from entry_script_helper.simulator.cluster.host import Briefing, Host
from entry_script_helper.simulator.cluster.slot import DaskSlot
from entry_script_helper.simulator.settings import PER_THREAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from entry_script_helper.simulator.minibatches import Input
    from entry_script_helper.simulator.settings import Settings

PATIENCE = 60.0
"""Seconds that a run waits for a Dask worker where there is none, and for the scheduler where that is gone."""

_FAREWELL = 10.0
"""Seconds that sending the logs of nodes that share no folder may take."""


class DaskCrew:
    """All worker processes of one run on a Dask cluster, as a context.

    Args:
        settings: The run's settings.

    Raises:
        UsageError: No scheduler answers.
        MissingExtraError: distributed is not installed.
    """

    def __init__(self, settings: Settings) -> None:
        self.processes = 0
        self.trouble = ""
        self._settings = settings
        self._connection = Connection(settings)
        self._briefing = Briefing(secrets.token_hex(8), settings, self._connection)
        self._hosts: dict[str, Host] = {}
        self._slots: list[DaskSlot] = []
        self._say: Callable[[str], object] = str
        self._alone_since: float | None = None
        self._had_any = False

    def __enter__(self) -> DaskCrew:  # noqa: PYI034 - typing.Self is not in Python 3.9
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._fetch_logs()
        self._connection.close(self._briefing.run, is_urgent=kind is not None and issubclass(kind, KeyboardInterrupt))
        for token in self._briefing.tokens:
            with contextlib.suppress(OSError):
                os.remove(token)

    def brief(self, source: Input, folder: str, say: Callable[[str], None]) -> None:
        """Tell of the run: say where the dashboard is, and what may be dangerous."""
        self._say = say
        self._briefing.inputs = tuple(dict.fromkeys(_files(source, index) for index in (0, source.mini_batches - 1)))
        journals = os.path.join(folder, "nodes")
        os.makedirs(journals, exist_ok=True)
        self._briefing.tokens = tuple(
            _token(path, self._briefing.run)
            for path in (
                os.path.join(journals, "token"),
                os.path.join(self._settings.working_dir, f".entry-script-helper-{self._briefing.run}"),
            )
        )
        address = str(self._settings.scheduler)
        if not address.startswith(("tls://", "wss://")) and not node.is_loopback(host_of(address)):
            say(
                f"warning: {address} is not encrypted, and whoever reaches it can run code on the whole cluster: "
                "see that only you do, or use tls://"
            )
        if self._connection.dashboard:
            say(f"Dask's dashboard: {self._connection.dashboard}")
        self._see(was_first=True)

    def come(self, *, is_wanted: bool) -> list[DaskSlot]:
        """See who has joined and who is gone, and return the slots that are new, if any is wanted."""
        self._see(was_first=False)
        for host in list(self._hosts.values()):
            try:
                host.get_ready()
            except UsageError as error:
                if host.was_first or not self._had_any:
                    raise
                host.is_refused = True
                self._say(f"warning: {error}")
            host.beat()
        self._slots = [slot for slot in self._slots if slot.is_there]
        return self._new_slots() if is_wanted and self._connection.workers is not None else []

    def waits(self) -> bool:
        """Tell whether Dask workers may still come: for `PATIENCE` from when there was none."""
        now = time.monotonic()
        if self._connection.workers is not None and any(not host.is_refused for host in self._hosts.values()):
            self._alone_since = None
            return True
        who = "Dask worker" if self._connection.workers is not None else "scheduler"
        if self._alone_since is None:
            self._alone_since = now
            self._say(f"no {who} is there at {self._settings.scheduler}: waiting up to {PATIENCE:g} s")
        if now - self._alone_since < PATIENCE:
            return True
        self.trouble = f"no {who} was there at {self._settings.scheduler} for {PATIENCE:g} s"
        if not self._had_any:
            raise UsageError(f"--scheduler: {self.trouble}: start some (dask worker {self._settings.scheduler})")
        return False

    def _see(self, *, was_first: bool) -> None:
        workers = self._connection.workers
        if workers is None:
            return
        for address in set(self._hosts) - set(workers):
            gone = self._hosts.pop(address)
            for slot in self._slots:
                if slot.host is gone:
                    slot.lose()
        for address, threads in workers.items():
            if address not in self._hosts:
                self._hosts[address] = Host(self._briefing, address, threads, was_first=was_first)

    def _ready(self) -> list[Host]:
        return [host for host in self._hosts.values() if host.is_ready]

    def _new_slots(self) -> list[DaskSlot]:
        new = []
        beside = Counter(slot.host.address for slot in self._slots)
        on_node = Counter(slot.host.node for slot in self._slots)
        measured = {host.node for host in self._ready() if host.measures_node}
        for host in self._ready():
            if host.node not in measured:
                measured.add(host.node)
                host.measures_node = True
            room = host.threads - beside[host.address]
            if self._settings.processes != PER_THREAD:
                room = min(room, self._settings.processes - on_node[host.node])
            for _ in range(room):
                new.append(DaskSlot(host, self._free_number()))
                self._slots.append(new[-1])
                on_node[host.node] += 1
        self._had_any = self._had_any or bool(new)
        self.processes = max(self.processes, len(self._slots))
        return new

    def _free_number(self) -> int:
        taken = {slot.number for slot in self._slots}
        return next(number for number in range(1, len(taken) + 2) if number not in taken)

    def _fetch_logs(self) -> None:
        """Bring the logs here of nodes that don't share the working directory."""
        tasks = [(host, host.submit("logs", self._briefing.run)) for host in self._ready() if not host.shares_logs]
        end = time.monotonic() + _FAREWELL
        for host, task in tasks:
            try:
                task.result(timeout=max(0.0, end - time.monotonic()))
                _append(value(task), host.log_dir)
            except Exception as error:  # noqa: BLE001, PERF203 - the run's result does not depend on it
                self._say(f"warning: the logs of {host.node} can't be fetched: {type(error).__name__}: {error}")


def _files(source: Input, index: int) -> str:
    return str(source.mini_batch(index).dataset[0])


def _token(path: str, run: str) -> str:
    with contextlib.suppress(OSError), open(path, "x", encoding="ascii") as file:
        file.write(run)  # where it can't, nobody finds it, and nothing is taken for shared
    return path


def _append(archive: bytes, log_dir: str) -> None:
    with zipfile.ZipFile(BytesIO(archive)) as packed:
        for name in packed.namelist():
            path = os.path.join(log_dir, *(part for part in name.split("/") if part not in {"", ".", ".."}))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _append_to(path, packed.read(name))


def _append_to(path: str, text: bytes) -> None:
    with open(path, "ab") as file:
        file.write(text)
