"""The place of one worker process beside a Dask worker: what it has scored is committed here, in the master.

So nothing that a node does once its process is given up, however alive it is, can double a row.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from concurrent.futures import CancelledError, Future, InvalidStateError
from concurrent.futures import TimeoutError as OutOfTimeError

from entry_script_helper.simulator import journal, worker
from entry_script_helper.simulator.cluster import node
from entry_script_helper.simulator.cluster.connection import value
from entry_script_helper.simulator.logs.tree import Tree
from entry_script_helper.simulator.slots import Death

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from entry_script_helper.simulator.cluster.host import Host
    from entry_script_helper.simulator.settings import Settings

_FAREWELL = 10.0
"""Seconds that leaving may take."""


class DaskSlot:
    """The place of one worker process beside a Dask worker. Once lost, it is no more: another takes its number.

    Args:
        host: What it is beside.
        number: Its process's number in the run.
    """

    chunk_seconds = 0.5  # a task of Dask's takes a hundredth of a second or two to come and go
    leeway = math.inf

    def __init__(self, host: Host, number: int) -> None:
        self.name = f"Process-{number}"
        self.number = number
        self.is_there = True
        self.host = host
        self._generation = self._serial = 0
        self._outer: Future[Any] | None = None
        """The task that it has."""
        self._tries: list[Any] = []
        self._writer: journal.Writer | None = None
        self._journal = ""
        """Where its process's own journal is, on the node, and how much of it is told."""
        self._position = 0

    def arrive(self, settings: Settings, folder: str) -> Future[Any]:
        """Start a process, and make it a worker."""
        self._folder = folder
        host = self.host
        return self._task("arrive", self._place, host.settings_from(settings), host.folder, host.measures_node)

    def submit(self, function: Callable[..., object], *arguments: Any, seconds: float) -> Future[Any]:  # noqa: ANN401
        """Have the process call a function; the node ends it when its time is over."""
        self._serial += 1
        self._tries = arguments[0] if function is worker.score_chunk else []
        return self._task("call", self._place, self._serial, function, arguments, seconds)

    def result(self, future: Future[Any]) -> Any:  # noqa: ANN401 - the task's own
        """Return what a task has come to; the rows that it brought are committed then."""
        inner = future.result()
        self._outer = None
        if inner is None:
            return self._lost(f"its Dask worker {self.host.address} is gone")
        try:
            told: node.Told = value(inner)
        except CancelledError:
            return self._lost("the connection to the scheduler was lost", is_innocent=True)
        except Exception as error:  # noqa: BLE001 - Dask's own: it could not carry the task, or not often enough
            return self._lost(f"{type(error).__name__}: {error}")
        if isinstance(told.value, Death) and told.value.is_lost:
            return self._lost(told.value.reason)
        return self._taken(told)

    def _taken(self, told: node.Told) -> Any:  # noqa: ANN401
        found, self._position = told.value, told.position
        if isinstance(found, worker.Arrival):
            return self._arrived(found)
        if self._writer is None:
            return found
        attempts = [self._writer.commit(attempt, rows) for attempt, rows in told.ended]
        if told.culprit is not None:
            self._accuse(told.culprit)
        return worker.Chunk(attempts, self._writer.position) if isinstance(found, worker.Chunk) else found

    def _arrived(self, arrival: worker.Arrival) -> worker.Arrival:
        """Return an arrival with places that are here."""
        self._journal = arrival.journal
        self._writer = journal.Writer(self._folder, self.name, arrival.pid)
        return dataclasses.replace(
            arrival,
            journal=self._writer.path,
            log=Tree(self.host.log_dir, self.host.node).user(self.name),
            temp_dir="",
            node=self.host.node,
        )

    def _lost(self, reason: str, *, is_innocent: bool = False) -> Death:
        """Take note that nothing more comes of the process, whatever it may be doing.

        Args:
            reason: Why.
            is_innocent: Whether nothing that it did can be the cause.
        """
        self.is_there = False
        self.host.look_again()
        if is_innocent:
            self.host.forget_workers()
            return Death(reason, is_lost=True, is_innocent=True)
        culprit, is_known = self._evidence()
        if culprit is not None:
            self._accuse(culprit)
        return Death(reason, is_lost=True, is_known=is_known)

    def _evidence(self) -> tuple[journal.Start | None, bool]:
        """Return the mini-batch that a lost process was at, if any, and whether that is known.

        A shared folder has its journal. Without one, a mini-batch that was sent alone was begun, as far as we know.
        """
        try:
            start = None
            if self.host.shares:
                for entry in journal.read(self._journal, self._position):
                    start = entry if isinstance(entry, journal.Start) else None
                return start, True
        except OSError:
            pass  # the folder was shared
        if len(self._tries) != 1:
            return None, not self._tries
        mini_batch, number = self._tries[0]
        return journal.Start(mini_batch.index, number, mini_batch.items, time.time(), 0.0), True

    def _accuse(self, culprit: journal.Start) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):  # the disk is full: it costs the mini-batch no try
                self._writer.started(culprit)

    def lose(self) -> None:
        """Let the task that it has end: its Dask worker is gone."""
        self.is_there = False
        if self._outer is not None:
            _resolve(self._outer, None)

    def renew(self) -> None:
        """Have the next task run in a new process."""
        self._generation += 1
        self._serial = self._position = 0
        self._journal, self._tries = "", []

    def ask_to_leave(self) -> None:
        """Let the process end; `join` waits for it, for a while."""
        self._leaving = self._task("leave", self._place)

    def join(self) -> None:
        """Wait for the process that was asked to leave."""
        with contextlib.suppress(OutOfTimeError):
            self._leaving.result(timeout=_FAREWELL)

    def kill(self) -> None:
        """Have nothing to do with what the process does any more; it is ended with the run, or by a new one."""
        self.is_there = False

    def abandon(self) -> None:
        """Close what is here of the process."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    @property
    def _place(self) -> node.Place:
        return node.Place(self.host.run, self.name, self.number, self._generation)

    def _task(self, function: str, *arguments: object) -> Future[Any]:
        outer: Future[Any] = Future()
        if not self.is_there:
            outer.set_result(None)
            return outer
        self._outer = outer
        inner = self.host.submit(function, *arguments)
        inner.add_done_callback(lambda done: _resolve(outer, done))
        return outer


def _resolve(outer: Future[Any], result: Future[Any] | None) -> None:
    with contextlib.suppress(InvalidStateError):  # the first word counts
        outer.set_result(result)
