"""The master: one loop over the worker processes, each of which has at most one task at a time."""

from __future__ import annotations

import functools
import os
import time
from concurrent.futures import FIRST_COMPLETED, wait

from entry_script_helper import EntryScriptHelper
from entry_script_helper.errors import UsageError
from entry_script_helper.simulator import minibatches, outputs, progress, worker
from entry_script_helper.simulator.attempt import Attempt
from entry_script_helper.simulator.failures import Failure
from entry_script_helper.simulator.pool import DEATHS, Slot
from entry_script_helper.simulator.result import Result
from entry_script_helper.simulator.worker import Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from entry_script_helper.simulator.minibatches import MiniBatch
    from entry_script_helper.simulator.settings import Settings

    _Then = Callable[[Slot, Outcome], None]

_LOOK_UP = 0.5
"""Seconds after which a wait is begun anew: Python would not see a Ctrl-C that came just as it went to sleep."""


def run(settings: Settings, *, quiet: bool = False) -> Result:
    """Run an entry script over its input, and return how that ended.

    ``init()`` runs in every worker process, also where there are fewer mini-batches than processes. A mini-batch is
    tried once. A failing ``init()`` stops the run.

    Raises:
        UsageError: There are no files, or the script has no ``run()``.
        OutputError: The result file can't be written.
        KeyboardInterrupt: Ctrl-C; the worker processes are gone by then, and what had succeeded is written.
    """
    started = time.monotonic()
    items = minibatches.count_files(settings.input[0])
    count = -(-items // settings.mini_batch_size)
    with outputs.ResultFile(settings.output) as results, progress.Progress(count, quiet=quiet) as seen:
        master = _Master(settings, results, seen)
        master.work()
    failed = master.failed_mini_batches or master.failures or master.succeeded < items
    code = 72 if master.init_failed else 0 if not failed else 73 if master.succeeded else 74
    return Result(
        items=items,
        succeeded=master.succeeded,
        mini_batches=count,
        succeeded_mini_batches=master.mini_batches - master.failed_mini_batches,
        failed_mini_batches=master.failed_mini_batches,
        processes=settings.processes,
        seconds=time.monotonic() - started,
        exit_code=code,
        output=settings.output,
        log_dir=os.path.dirname(EntryScriptHelper(settings.working_dir).get_log_file_path()),
        failures=tuple(master.failures),
    )


class _Master:
    """The state of one run."""

    def __init__(self, settings: Settings, results: outputs.ResultFile, seen: progress.Progress) -> None:
        self.succeeded = 0
        self.mini_batches = 0
        self.failed_mini_batches = 0
        self.failures: list[Failure] = []
        self.init_failed = False
        self._settings = settings
        self._results = results
        self._seen = seen
        self._slots = [Slot(number + 1) for number in range(settings.processes)]
        self._todo = minibatches.cut(settings.input[0], settings.mini_batch_size)
        self._idle: list[Slot] = []
        """Those whose process lives and has nothing left to score."""
        self._waiting: dict[Future[Outcome], tuple[Slot, _Then]] = {}
        """Whose each task is, and what to do when its outcome is there."""

    def work(self) -> None:
        """Go through all mini-batches. No worker process is left behind, however this ends."""
        try:
            for slot in self._slots:
                self._submit(slot, self._started, worker.start, self._settings)
            self._loop()
            for slot in self._idle:
                self._submit(slot, self._finished, worker.finish)
            self._loop()
            for slot in self._slots:
                slot.ask_to_leave()
            for slot in self._slots:
                slot.join()
        except _InitFailedError:
            pass  # said already: it is one of the failures
        finally:
            for slot in self._slots:
                slot.kill()

    def _submit(self, slot: Slot, then: _Then, function: Callable[..., Outcome], *arguments: object) -> None:
        self._waiting[slot.submit(function, *arguments)] = (slot, then)

    def _loop(self) -> None:
        """Wait for tasks and do what is to be done after each, until none is left."""
        while self._waiting:
            done, _ = wait(self._waiting, timeout=_LOOK_UP, return_when=FIRST_COMPLETED)
            for future in done:
                slot, then = self._waiting.pop(future)
                then(slot, _outcome(slot, future))

    def _started(self, slot: Slot, outcome: Outcome, batch: MiniBatch | None = None) -> None:
        """Go on after ``init()``; *batch* is the mini-batch for which a dead process was replaced."""
        if outcome.failure is not None:
            if outcome.failure.bad_input:
                raise UsageError(outcome.failure.error)
            self._fail(outcome.failure.located(f"starting {slot.name}"))
            self.init_failed = True
            raise _InitFailedError
        if batch is None:
            self._next(slot)
        else:
            self._score(slot, batch)

    def _next(self, slot: Slot, *, died: bool = False) -> None:
        """Give the slot its next mini-batch, in a new process where the last one died."""
        batch = next(self._todo, None)
        if batch is not None and died:
            slot.renew()
            self._submit(slot, functools.partial(self._started, batch=batch), worker.start, self._settings)
        elif batch is not None:
            self._score(slot, batch)
        elif not died:
            self._idle.append(slot)

    def _score(self, slot: Slot, batch: MiniBatch) -> None:
        self.mini_batches += 1
        self._submit(slot, functools.partial(self._scored, batch=batch), worker.score, batch.files)

    def _scored(self, slot: Slot, outcome: Outcome, batch: MiniBatch) -> None:
        if outcome.failure is None:
            self._results.write(outcome.rows)
            self.succeeded += min(outcome.returned, len(batch.files))
        else:
            self.failed_mini_batches += 1
            self.failures.append(outcome.failure.located(f"mini-batch {batch.index}", slot.name))
        status = "failed" if outcome.failure else "succeeded"
        total = len(batch.files)
        self._seen.add(
            Attempt(batch.index, 1, slot.name, 0, status, total, outcome.returned, 0, 0, 0, 0, outcome.failure),
            is_last=True,
        )
        self._next(slot, died=outcome.died)

    def _finished(self, slot: Slot, outcome: Outcome) -> None:
        if outcome.failure is not None:
            self._fail(outcome.failure.located(f"ending {slot.name}"))

    def _fail(self, failure: Failure) -> None:
        self.failures.append(failure)
        self._seen.fail(failure)


class _InitFailedError(Exception):
    """An ``init()`` failed, so the run stops. It has been recorded."""


def _outcome(slot: Slot, future: Future[Outcome]) -> Outcome:
    try:
        return future.result()
    except DEATHS:
        return Outcome(Failure(f"the worker process died: {slot.death()}"), died=True)
