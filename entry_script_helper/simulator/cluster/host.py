"""One Dask worker as a place for worker processes: what it sees of the run's files, and what it lacks of them."""

from __future__ import annotations

import dataclasses
import os
import time
from concurrent.futures import CancelledError, Future

import entry_script_helper
from entry_script_helper.errors import UsageError
from entry_script_helper.simulator.cluster import node, project
from entry_script_helper.simulator.cluster.connection import host_of, value
from entry_script_helper.simulator.settings import PER_THREAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entry_script_helper.simulator.cluster.connection import Connection
    from entry_script_helper.simulator.settings import Settings

_BEAT = 10.0
"""Seconds between two words to a node that the master is there."""


@dataclasses.dataclass
class Briefing:
    """What all nodes are told of the run.

    Args:
        run: Its id.
        settings: Its settings.
        connection: The way to the nodes.
        inputs: Some of the files to score.
        tokens: Where the run's id lies, if folders are shared: beside its journals, and in its working directory.
    """

    run: str
    settings: Settings
    connection: Connection
    inputs: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._folder = os.path.dirname(self.settings.script)
        self._digest = project.digest(self._folder)
        self._archive = b""

    def order(self, host: str) -> node.Order:
        """Return what a node is to look for."""
        return node.Order(self.run, host, self.tokens, self.settings.script, self._digest, self.inputs)

    def archive(self) -> bytes:
        """Return the script's folder, packed once."""
        if not self._archive:
            self._archive = project.pack(self._folder, (*self.settings.own_paths, *self.settings.input))
        return self._archive


class Host:
    """One Dask worker.

    Args:
        briefing: What it is told of the run.
        address: Its address.
        threads: How many tasks it takes at a time.
        was_first: Whether it was there when the run began: then a run does not begin where it can't take part.
    """

    def __init__(self, briefing: Briefing, address: str, threads: int, *, was_first: bool) -> None:
        self.address = address
        self.threads = threads
        self.was_first = was_first
        self.run = briefing.run
        self.is_ready = self.is_refused = self.measures_node = self.shares = self.shares_logs = False
        self.node = ""
        self.folder = ""
        """Where its processes' journals are, on the node."""
        self.log_dir = os.path.join(briefing.settings.working_dir, "logs")
        self._briefing = briefing
        self._beat: Future[Any] = Future()
        self._beat.set_result(None)
        self._last = time.monotonic()
        self._sight: node.Sight | None = None
        self._waiting: Future[Any] | None = None

    def submit(self, function: str, *arguments: object) -> Future[Any]:
        """Have the Dask worker call a function of `node`."""
        return self._briefing.connection.submit(self.address, function, *arguments)

    def look_again(self) -> None:
        """Take nothing for known of the node: its Dask worker may be another, at the same address."""
        self.is_ready = False
        self._sight = self._waiting = None

    def beat(self) -> None:
        """Tell the node now and then that the master is there, but when it has not heard the last."""
        if self.is_ready and self._beat.done() and time.monotonic() - self._last > _BEAT:
            self._last = time.monotonic()
            self._beat = self.submit("beat", self.run)

    def forget_workers(self) -> None:
        """Take nobody for there until the scheduler has been asked anew: the connection was lost."""
        self._briefing.connection.workers = None

    def settings_from(self, settings: Settings) -> Settings:
        """Return the run's settings as they hold on this node."""
        assert self._sight is not None  # noqa: S101 - it is ready
        script, place = settings.script, settings.working_dir
        if not self._sight.has_script:
            script = os.path.join(self._sight.directory, "project", os.path.basename(script))
        if not self.shares_logs:
            place = self._sight.directory
        count = min(self.threads, settings.processes) if settings.processes != PER_THREAD else self.threads
        return dataclasses.replace(settings, script=script, working_dir=place, processes=count)

    def get_ready(self) -> None:
        """Go on with what is to be done before processes can be started here.

        Raises:
            UsageError: It can't take part.
        """
        if self.is_ready or self.is_refused:
            return
        if self._waiting is None:
            self._waiting = self.submit("look", self._briefing.order(host_of(self.address)))
        if not self._waiting.done():
            return
        done, self._waiting = self._waiting, None
        try:
            found = value(done)
        except CancelledError:  # the connection was lost: once more
            self._sight = None
            return
        except Exception as error:
            raise UsageError(
                f"the Dask worker {self.address} can't take part: {type(error).__name__}: {error}; "
                f"install entry-script-helper {entry_script_helper.__version__} with its extra dask there"
            ) from error
        if self._sight is None:
            self._sight = found
            self._check(found)
            if not found.has_script:
                self._waiting = self.submit("install", self.run, self._briefing.archive())
                return
        self._use(self._sight)

    def _check(self, sight: node.Sight) -> None:
        here = entry_script_helper.__version__
        if sight.version != here:
            raise UsageError(
                f"the Dask worker {self.address} has entry-script-helper {sight.version}, and this is {here}: "
                "install the same on both"
            )
        if sight.unseen:
            raise UsageError(
                f"the input file {sight.unseen} does not exist on {sight.node} (the Dask worker {self.address}): "
                "have all nodes see the input under the same path, as on a shared mount"
            )

    def _use(self, sight: node.Sight) -> None:
        self.shares, self.shares_logs = sight.sees
        self.node = sight.node
        self.folder = (
            os.path.dirname(self._briefing.tokens[0]) if self.shares else os.path.join(sight.directory, "journals")
        )
        self.is_ready, self.was_first = True, False
