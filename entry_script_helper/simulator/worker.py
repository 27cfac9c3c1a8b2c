"""What runs in a worker process: init(), mini-batches one after the other, shutdown(); all turned into plain values.

Nothing of the script's own crosses to the master, only text and numbers, so that what can't be pickled there is no
trouble here. Nor does a call raise: whatever the script raises comes back as a failure. Rows don't cross either: they
go into this process's own file, and its journal says which are whole.
"""

from __future__ import annotations

import bdb
import contextlib
import dataclasses
import os
import signal
import threading
import time

from entry_script_helper import EntryScriptHelper, contract, environment, machine
from entry_script_helper.errors import EntryScriptHelperError
from entry_script_helper.simulator import journal, script, tablefiles
from entry_script_helper.simulator.attempt import FAILED, SUCCEEDED, Attempt
from entry_script_helper.simulator.failures import Failure, from_exception
from entry_script_helper.simulator.logs import driverlog, errorlog
from entry_script_helper.simulator.logs.tree import tree
from entry_script_helper.simulator.logs.workerlog import WorkerLog
from entry_script_helper.simulator.scoring import Scored, score
from entry_script_helper.stacks import before, stacks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from entry_script_helper.simulator.minibatches import MiniBatch
    from entry_script_helper.simulator.settings import Settings

_LOOK_AFTER_MASTER = 0.5
"""Seconds between two looks at whether the master is still there."""


@dataclasses.dataclass(frozen=True)
class Arrival:
    """A worker process that is there, and where it leaves what."""

    pid: int
    process: str
    journal: str
    log: str
    """Where its stacks are when it hangs or crashes."""
    temp_dir: str
    node: str = ""
    """The address of its machine, as it stands in the log tree; empty for the master's own."""


@dataclasses.dataclass(frozen=True)
class Started:
    """A worker process in which init() has gone well."""

    has_shutdown: bool
    """Whether something is missed where the process ends by itself."""


@dataclasses.dataclass(frozen=True)
class Chunk:
    """The tries that were made at a chunk of mini-batches; those that are not among them were not begun."""

    attempts: list[Attempt]
    position: int
    """The journal's length after them."""


class Worker:
    """This process as a worker.

    Args:
        settings: The run's settings.
        folder: The directory of the run's journals.
        master: The master's process id; this process's own if it is the master.

    Raises:
        EntryScriptHelperError: Its temp directory can't be used.
        OSError: Its journal can't be made.
    """

    def __init__(self, settings: Settings, folder: str, master: int) -> None:
        self._settings = settings
        self._in_process = master == os.getpid()
        # The master's directory, whatever the script does to its own, so that all logs of a run lie together.
        os.environ.update(settings.environment_variables)
        os.environ[environment.WORKING_DIR] = settings.working_dir
        files = tree(settings.working_dir)
        if not self._in_process:  # there the terminal is a debugger's
            driverlog.redirect(files.driver if settings.scheduler is None else files.driver_of_node)
        helper = EntryScriptHelper()
        log = os.path.splitext(helper.get_log_file_path())[0] + ".txt"
        self._watch = _Watch(log, settings.run_invocation_timeout)
        temp_dir = helper.get_temp_dir()
        os.chdir(temp_dir)
        self._journal = journal.Writer(folder, machine.process_name())
        self._log = WorkerLog(files, machine.process_name())
        self.arrival = Arrival(os.getpid(), machine.process_name(), self._journal.path, log, temp_dir)
        if not self._in_process:
            os.setpgid(0, 0)  # so that what the script starts can be stopped with it
            threading.Thread(target=_leave_after, args=(master,), name="look-after-master", daemon=True).start()

    def start(self) -> Started | Failure:
        """Load the entry script and call its ``init()``."""
        if self._settings.input_format != "files":
            tablefiles.pandas()  # now: its import takes seconds, which are none of the script's first run()
        try:
            with self._watch:
                self._module = script.load(self._settings.script, script.polluted(self._settings))
                self._module.init()
        except script.NotAnEntryScriptError as error:
            return Failure(str(error), bad_input=True)
        except BaseException as error:  # noqa: BLE001 - also SystemExit: sys.exit() in a script is a failure to be told
            return self._caught(error, "init")
        return Started(self._module.has_shutdown)

    def score(self, tries: list[tuple[MiniBatch, int]], seconds: float) -> Chunk:
        """Call ``run()`` for one mini-batch after the other, each with the number of its try, for so many seconds."""
        begin = time.monotonic()
        attempts: list[Attempt] = []
        for mini_batch, number in tries:
            if attempts and time.monotonic() - begin > seconds:
                break
            attempts.append(self._try(mini_batch, number))
        return Chunk(attempts, self._journal.position)

    def finish(self) -> Failure | None:
        """Call ``shutdown()``."""
        try:
            with self._watch:
                self._module.shutdown()
        except BaseException as error:  # noqa: BLE001
            return self._caught(error, "shutdown")
        finally:
            self.close()
        return None

    def close(self) -> None:
        """Have done with this process's files."""
        stacks().rest()
        self._log.close()
        self._journal.close()

    def _try(self, mini_batch: MiniBatch, number: int) -> Attempt:
        start = journal.Start(mini_batch.index, number, mini_batch.items, time.time(), time.process_time())
        total, items = start.total, []
        self._log.picked(start.index, start.number, self.arrival.pid, total, start.start1, start.start2)
        try:
            self._journal.started(start)
            with self._watch:
                value = mini_batch.load()
                total = contract.count(value)
                items = errorlog.first_items(value)
                scored = score(self._module, mini_batch, value, number)
        except BaseException as error:  # noqa: BLE001
            scored = Scored(total, failure=self._caught(error, "run", start, items), is_whole=False)
        return self._ended(start, scored)

    def _ended(self, start: journal.Start, scored: Scored) -> Attempt:
        attempt = Attempt(
            index=start.index,
            number=start.number,
            process=self.arrival.process,
            pid=self.arrival.pid,
            status=SUCCEEDED if scored.is_whole else FAILED,
            total=scored.total,
            succeeded=scored.succeeded,
            start1=start.start1,
            end1=time.time(),
            start2=start.start2,
            end2=time.process_time(),
            failure=scored.failure,
            note=scored.note,
        )
        attempt = self._journal.commit(attempt, scored.rows if self._settings.output_action == "append_row" else b"")
        self._log.completed(attempt)
        return attempt

    def _caught(
        self, error: BaseException, function: str, start: journal.Start | None = None, items: Sequence[str] = ()
    ) -> Failure:
        if self._in_process:
            if isinstance(error, (KeyboardInterrupt, bdb.BdbQuit)):  # the user's own, of the run and not of the script
                raise KeyboardInterrupt from error
            if self._settings.pdb:
                from entry_script_helper.simulator import debugger  # noqa: PLC0415 - for those who ask for it

                if not debugger.open_at(error, self._settings.script):
                    raise KeyboardInterrupt from error
        failure = from_exception(error, self._settings.script)  # first, where memory is short
        if not getattr(getattr(getattr(self, "_module", None), function, None), "is_guarded", False):
            errorlog.add(error, function, self.arrival.log, start, items)  # else the guard has done it
        return failure


class _Watch:
    """A context for a call of the script: stacks shortly before its time is over; no forked child comes out of it."""

    def __init__(self, log: str, timeout: float) -> None:
        self._process = os.getpid()
        self._log = log
        self._seconds = before(timeout)
        self._slack = timeout / 10
        stacks().show_crashes(log)

    def __enter__(self) -> None:
        self._deadline = stacks().begin(self._log, self._seconds, self._slack)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.getpid() != self._process:  # the script forked, and its child comes out of the call as well
            os._exit(0 if kind is None else 1)
        stacks().end(self._deadline)


def _leave_after(master: int) -> None:
    """End this process, and what it started, when the master is gone."""
    while os.getppid() == master:
        time.sleep(_LOOK_AFTER_MASTER)
    os.killpg(os.getpid(), signal.SIGKILL)


_worker: list[Worker] = []
"""This process as a worker, once it has arrived."""


def arrive(settings: Settings, folder: str, master: int) -> Arrival | Failure:
    """Make this process a worker."""
    try:
        _worker[:] = [Worker(settings, folder, master)]
    except EntryScriptHelperError as error:
        return Failure(str(error), bad_input=True)
    except OSError as error:  # the disk is full, perhaps of what the others write
        return Failure(f"the process can't write its journal: {error}")
    return _worker[0].arrival


def start() -> Started | Failure:
    """Call `Worker.start`."""
    return _worker[0].start()


def score_chunk(tries: list[tuple[MiniBatch, int]], seconds: float) -> Chunk:
    """Call `Worker.score`."""
    return _worker[0].score(tries, seconds)


def rest() -> None:
    """Prepare for a while without work: setting the stacks' timer is dear, so it goes on from chunk to chunk."""
    stacks().rest()


def finish() -> Failure | None:
    """Call `Worker.finish`."""
    return _worker[0].finish()


def leave() -> None:
    """Let this process be no worker any more, without a call of the script."""
    while _worker:
        with contextlib.suppress(OSError):
            _worker.pop().close()
