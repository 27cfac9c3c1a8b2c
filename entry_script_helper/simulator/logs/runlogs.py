"""What the master tells of a run, to each file of the log tree that is the master's."""

from __future__ import annotations

import os

from entry_script_helper.simulator.attempt import DIED, TIMEOUT
from entry_script_helper.simulator.logs import tree as trees
from entry_script_helper.simulator.logs.driverlog import DriverLog
from entry_script_helper.simulator.logs.masterlog import MOST_EVENTS, MasterLog
from entry_script_helper.simulator.logs.monitor import Monitor
from entry_script_helper.simulator.logs.overview import Overview
from entry_script_helper.simulator.logs.workerlog import WorkerLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from entry_script_helper.simulator.attempt import Attempt
    from entry_script_helper.simulator.failures import Failure
    from entry_script_helper.simulator.settings import Settings


class RunLogs:
    """The master's logs of one run, as a context: what is open is closed when it ends, and the monitor stopped.

    Args:
        settings: What was asked for.
        mini_batches: How many there are.

    Raises:
        MissingExtraError: psutil is not installed, and the use of resources is to be measured.
    """

    def __init__(self, settings: Settings, mini_batches: int) -> None:
        self.tree = trees.tree(settings.working_dir)
        self._overview = Overview(self.tree.overview, mini_batches)
        self._master = MasterLog(self.tree.master, mini_batches, settings.run_max_try, settings.logging_level)
        self._driver = DriverLog(self.tree.driver)
        # On other machines their own processes measure.
        interval = settings.resource_monitor_interval if settings.scheduler is None else 0
        self._monitor = Monitor(self.tree, interval)
        self._logs: dict[str, tuple[str, int]] = {}
        """By its name, where a worker process's own log is, and how long that was when the process began."""
        self._nodes: dict[str, str] = {}
        """By its name, where a worker process is, or was last: the address of a machine that is not this one."""
        self._tracebacks = 0
        self._suspect = ""
        """The process that failed first."""
        where = f"{settings.processes or 1} processes" if settings.scheduler is None else f"on {settings.scheduler}"
        what = f"{settings.script}, {mini_batches} mini-batches, {where}"
        self._overview.begin(what)
        self._master.begin([f"run begins: {what}", f"logs below {self.tree.log_dir}"])

    def __enter__(self) -> RunLogs:  # noqa: PYI034 - typing.Self is not in Python 3.9
        self._monitor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._monitor.stop()
        if error is not None:
            text = f"{error}" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
            self.end([f"FAILED: {text}"], is_good=False)
        self._driver.close()

    def resume(self, mini_batches: int) -> None:
        """Count mini-batches that had succeeded in the run that this one goes on with."""
        self._overview.resume(mini_batches)
        self._master.resume(mini_batches)

    def arrived(self, process: str, pid: int, log: str, node: str = "") -> None:
        """Take note of a worker process that has begun.

        Args:
            process: Its name.
            pid: Its id.
            log: Its own log, where its stacks are going to be.
            node: The address of its machine, where that is another.
        """
        self._master.arrived(process, pid, node)
        if node:
            self._nodes[process] = node
        else:
            self._monitor.watch(pid)
        try:
            size = os.path.getsize(log)
        except OSError:
            size = 0
        self._logs[process] = (log, size)

    def gone(self, process: str, pid: int, reason: str) -> None:
        """Take note of a worker process that has ended unasked: killed, crashed, or by the master, as it hung."""
        self._suspect = self._suspect or process
        self._master.gone(process, pid, reason)
        log, begin = self._logs.pop(process, ("", 0))
        if log and self._may_tell():
            self._driver.stacks(f"the stacks of {process} (process id {pid}), {reason}:", log, begin)

    def add(self, attempt: Attempt, *, is_last: bool) -> None:
        """Take note of a try that has ended; *is_last* says whether its mini-batch has come to its end with it."""
        self._overview.add(attempt, is_last=is_last)
        self._master.add(attempt, is_last=is_last)
        if attempt.failure is not None:
            self._suspect = self._suspect or attempt.process
            headline = f"mini-batch {attempt.index}, try {attempt.number}, {attempt.process} (process id {attempt.pid})"
            self._show(headline, attempt.failure)
        if attempt.status in {TIMEOUT, DIED}:  # the process is gone: this is what it could not say itself
            log = WorkerLog(self._tree_of(attempt.process), attempt.process, claimed=False)
            log.completed(attempt)
            log.close()

    def fail(self, failure: Failure) -> None:
        """Take note of a failure that is of no mini-batch: in init(), in shutdown()."""
        self._master.fail(failure)
        self._show(str(failure), failure)

    def say(self, text: str) -> None:
        """Take note of something of the run as a whole."""
        self._master.say(text)

    def tick(self) -> None:
        """Say how far it is, if it is time to: may be called as often as one likes."""
        self._overview.tick()
        self._master.tick()

    def end(self, verdict: Iterable[str], *, is_good: bool) -> None:
        """Say how the run ended, in lines."""
        lines = list(verdict)
        self._overview.end(lines, is_good=is_good, to_open=self.to_open())
        self._master.end(lines, is_good=is_good)

    def to_open(self) -> tuple[str, ...]:
        """Return the files that tell what went wrong, the one that helps most first."""
        wanted = [self.tree.driver, self.tree.master]
        if self._suspect:
            tree = self._tree_of(self._suspect)
            user = tree.user(self._suspect)
            jsonl, printed = os.path.splitext(user)[0] + ".jsonl", tree.driver_of_node
            wanted = [user, jsonl, self.tree.driver, printed, tree.worker(self._suspect)]
        return tuple(path for path in wanted if _has_content(path))

    def _tree_of(self, process: str) -> trees.Tree:
        """Return the log tree of the node that a process is on."""
        node = self._nodes.get(process)
        return self.tree if node is None else trees.Tree(self.tree.log_dir, node)

    def _show(self, headline: str, failure: Failure) -> None:
        if failure.traceback and self._may_tell():
            self._driver.traceback(headline, failure.traceback)

    def _may_tell(self) -> bool:
        self._tracebacks += 1
        return self._tracebacks <= MOST_EVENTS


def _has_content(path: str) -> bool:
    try:
        return os.path.getsize(path) > 0
    except OSError:
        return False
