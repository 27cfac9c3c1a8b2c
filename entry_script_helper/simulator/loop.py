"""The loop over the worker processes, each of which has at most one task: hands out, retries, replaces, stops."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import signal
import time
from concurrent.futures import FIRST_COMPLETED, wait

from entry_script_helper.errors import UsageError
from entry_script_helper.simulator import journal, outputs, worker
from entry_script_helper.simulator.attempt import DIED, SUCCEEDED, TIMEOUT, Attempt
from entry_script_helper.simulator.failures import Failure
from entry_script_helper.simulator.slots import Death
from entry_script_helper.simulator.todo import Pace, Todo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from typing import Any

    from entry_script_helper.simulator.accounts import Accounts
    from entry_script_helper.simulator.logs.runlogs import RunLogs
    from entry_script_helper.simulator.minibatches import Input
    from entry_script_helper.simulator.progress import Progress
    from entry_script_helper.simulator.settings import Settings
    from entry_script_helper.simulator.slots import Crew, Slot
    from entry_script_helper.simulator.todo import Try

    _Then = Callable[["_Seat", Any], None]

_LOOK_UP = 0.5
"""Seconds after which a wait is begun anew: Python would not see a Ctrl-C that came just as it went to sleep."""

_CRASHES = (signal.SIGSEGV, signal.SIGFPE, signal.SIGABRT, signal.SIGBUS, signal.SIGILL)
"""The signals at which `faulthandler` writes the stacks."""

_GRACE = 0.5
"""Seconds beyond its time after which a task is ended: it may have begun that much later than it was given."""


@dataclasses.dataclass
class _Seat:
    """The place of one worker process in the loop, and what is known of the process that has it."""

    slot: Slot
    pace: Pace
    arrival: worker.Arrival | None = None
    position: int = 0
    """The length of its journal, up to which all is known."""
    tries: list[Try] = dataclasses.field(default_factory=list)
    """The chunk that it has."""
    begun: float = 0.0
    limit: float = math.inf
    """When the task that it has was given, and the time at which it is ended, by the monotonic clock."""
    is_overdue: bool = False
    has_shutdown: bool = False
    fruitless: int = 0
    """How many processes in a row failed at init(), or died, before they had ended a mini-batch."""


class Loop:
    """The worker processes of one run, and what each of them is at.

    Args:
        settings: What was asked for.
        crew: Who has the worker processes.
        source: The input.
        accounts: What is counted.
        folder: The directory of the run's journals.
        seen: What is seen on the terminal.
        logs: The master's logs.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a run has
        self,
        settings: Settings,
        crew: Crew,
        source: Input,
        accounts: Accounts,
        folder: str,
        seen: Progress,
        logs: RunLogs,
    ) -> None:
        self.succeeded = bytearray(source.mini_batches)
        """For each mini-batch, whether it has succeeded."""
        self._settings = settings
        self._crew = crew
        self._source = source
        self._accounts = accounts
        self._folder = folder
        self._seen = seen
        self._logs = logs
        self._seats: list[_Seat] = []
        self._lost_in_a_row = 0
        """Processes whose machines were gone before they, or others meanwhile, had ended a mini-batch."""
        self._has_given_up = False
        """Whether a process could not be started, however often that was tried."""
        self._idle: list[_Seat] = []
        """Those whose process lives and has nothing left to score."""
        self._waiting: dict[Future[Any], tuple[_Seat, _Then]] = {}
        """Whose each task is, and what to do with its result."""

    def work(self, indexes: range) -> None:
        """Go through the mini-batches. No worker process is left behind, however this ends."""
        self._resume()
        fresh = (index for index in indexes if not self.succeeded[index])
        self._todo = Todo(fresh, len(indexes) - self._accounts.resumed_mini_batches)
        try:
            if self._todo:
                self._go_through()
        except KeyboardInterrupt:
            self._stop()
            raise KeyboardInterrupt(self._how_to_go_on()) from None
        finally:
            worker.leave()  # where this very process was the worker
            for seat in self._seats:
                _clear(seat)

    def _resume(self) -> None:
        """Take over what the journals have of the run that this one goes on with."""
        for path in journal.paths(self._folder):
            for entry in journal.read(path):
                if isinstance(entry, journal.Done) and not self.succeeded[entry.attempt.index]:
                    self.succeeded[entry.attempt.index] = True
                    self._accounts.resume(entry.attempt)
        self._seen.resume(self._accounts.resumed_mini_batches)
        self._logs.resume(self._accounts.resumed_mini_batches)

    def _go_through(self) -> None:
        self._loop()
        if self._todo and not self._accounts.stopped:
            self._accounts.stopped = self._crew.trouble
        if self._accounts.stopped:
            self._stop()
            return
        self._accounts.init_failed = bool(self._todo)
        for seat in self._idle:
            self._submit(seat, self._finished, worker.finish, timed=True)
        self._loop()
        for seat in self._idle:
            seat.slot.ask_to_leave()
        for seat in self._idle:
            seat.slot.join()

    def _loop(self) -> None:
        """Wait for tasks and do what is to be done after each, until none is left."""
        while not self._accounts.stopped:
            for slot in self._crew.come(is_wanted=bool(self._todo)):
                self._seats.append(_Seat(slot, Pace(slot.chunk_seconds)))
                self._begin(self._seats[-1])
            if self._waiting:
                now = time.monotonic()
                soonest = min(seat.limit for seat, _ in self._waiting.values())
                wait(self._waiting, timeout=max(0.0, min(_LOOK_UP, soonest - now)), return_when=FIRST_COMPLETED)
            elif self._todo and not self._has_given_up and self._crew.waits():
                time.sleep(_LOOK_UP)
            else:
                return
            done = [future for future in self._waiting if future.done()]
            self._seen.tick()
            self._logs.tick()
            for future in done:
                seat, then = self._waiting.pop(future)
                seat.limit = math.inf
                then(seat, self._result(seat, future))
            self._end_overdue()
            while self._idle and self._todo:  # a mini-batch came back from another process
                self._next(self._idle.pop())

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for seat, _ in list(self._waiting.values()):
            if now > seat.limit:
                seat.is_overdue = True
                seat.limit = math.inf
                seat.slot.kill()  # its future tells of it

    def _submit(
        self, seat: _Seat, then: _Then, function: Callable[..., object], *arguments: object, timed: bool = False
    ) -> None:
        seat.begun = time.monotonic()
        seconds = seat.slot.chunk_seconds + self._settings.run_invocation_timeout + _GRACE if timed else math.inf
        seat.limit = seat.begun + seconds + seat.slot.leeway
        self._waiting[seat.slot.submit(function, *arguments, seconds=seconds)] = (seat, then)

    def _result(self, seat: _Seat, future: Future[Any]) -> Any:  # noqa: ANN401 - the task's own
        """Return a task's result; where its process is gone, a `Death`, and its journal is at its end."""
        result = seat.slot.result(future)
        if isinstance(result, Death):
            seat.is_overdue = seat.is_overdue or result.is_overdue
            told = "killed because its time was over (run_invocation_timeout)" if seat.is_overdue else result.reason
            self._logs.gone(seat.slot.name, seat.arrival.pid if seat.arrival is not None else 0, told)
        return result

    def _begin(self, seat: _Seat) -> None:
        """Have a new process at a seat."""
        seat.arrival, seat.position, seat.is_overdue = None, 0, False
        self._waiting[seat.slot.arrive(self._settings, self._folder)] = (seat, self._arrived)

    def _arrived(self, seat: _Seat, result: worker.Arrival | Failure | Death) -> None:
        if isinstance(result, worker.Arrival):
            seat.arrival = result
            self._logs.arrived(result.process, result.pid, result.log, result.node)
            self._submit(seat, self._started, worker.start, timed=True)
        else:
            self._start_over(seat, result, "the start")

    def _started(self, seat: _Seat, result: worker.Started | Failure | Death) -> None:
        if isinstance(result, worker.Started):
            seat.has_shutdown = result.has_shutdown
            self._next(seat)
        else:
            self._start_over(seat, result, "init()")

    def _start_over(self, seat: _Seat, result: Failure | Death, what: str) -> None:
        """Try once more with a new process, where the last one came to nothing; not without end."""
        if isinstance(result, Death) and result.is_lost:
            self._lose(seat, result)
            return
        failure = result if isinstance(result, Failure) else self._why(seat, result, what)
        if failure.bad_input:
            raise UsageError(failure.error)
        failure = failure.located(f"starting {seat.slot.name}")
        seat.fruitless += 1
        gives_up = seat.fruitless >= self._settings.run_max_try
        self._seen.fail(failure)
        self._logs.fail(failure)
        if gives_up:
            self._has_given_up = True
            self._accounts.add_failure(failure, counts=False)
            _clear(seat)
        else:
            self._renew(seat)

    def _renew(self, seat: _Seat) -> None:
        """Put a new process in the place of one that is gone, if there is anything to do for it."""
        _clear(seat)
        if self._todo:
            seat.slot.renew()
            self._begin(seat)

    def _lose(self, seat: _Seat, death: Death) -> None:
        """Have a seat no more, whose machine is gone or can't be reached; if no other does any better, stop."""
        _clear(seat)
        self._seats.remove(seat)
        self._lost_in_a_row += not death.is_innocent
        if self._lost_in_a_row > self._settings.run_max_try * self._crew.processes:
            self._accounts.add_failure(Failure(f"the worker process was lost: {death.reason}", seat.slot.name))
            self._accounts.stopped = f"{self._lost_in_a_row} processes in a row were lost before they had scored any"

    def _next(self, seat: _Seat) -> None:
        """Give the process its next mini-batches."""
        seat.tries = self._todo.take(seat.pace.size(len(self._todo), len(self._seats)))
        if seat.tries:
            batches = [(self._source.mini_batch(index), number) for index, number in seat.tries]
            self._submit(seat, self._scored, worker.score_chunk, batches, seat.slot.chunk_seconds, timed=True)
        else:
            self._submit(seat, self._rested, worker.rest)

    def _rested(self, seat: _Seat, result: Death | None) -> None:
        if result is None:
            self._idle.append(seat)
        elif result.is_lost:  # who has nothing to do may leave
            self._lose(seat, result)
        else:
            self._finished(seat, result)

    def _scored(self, seat: _Seat, result: worker.Chunk | Death) -> None:
        if isinstance(result, Death):
            self._died(seat, result)
            return
        seat.position = result.position
        seat.pace.learn(len(result.attempts), time.monotonic() - seat.begun)
        self._todo.give_back(seat.tries[len(result.attempts) :])
        seat.tries = []
        seat.fruitless = self._lost_in_a_row = 0
        for attempt in result.attempts:
            self._record(attempt)
        self._next(seat)

    def _died(self, seat: _Seat, death: Death) -> None:
        """Find in the journal of a process that died how far it came, and put a new one in its place."""
        ended, culprit = self._settle(seat)
        if culprit is not None:
            ended.append(self._attempt(seat, culprit, self._why(seat, death, "run()")))
        known = {attempt.index for attempt in ended}
        undone = [(index, number) for index, number in seat.tries if index not in known]
        self._todo.give_back(undone, alone=not death.is_known)
        seat.tries = []
        for attempt in ended:
            self._record(attempt)
            self._lost_in_a_row = 0
        if ended and not death.is_lost:
            seat.fruitless = 0
            self._renew(seat)
        else:
            self._start_over(seat, death, "the process")

    def _finished(self, seat: _Seat, result: Failure | Death | None) -> None:
        """Take note of how shutdown() went; a process without it that dies after its last mini-batch does no harm."""
        if isinstance(result, Death):
            result = self._why(seat, result, "shutdown()") if seat.has_shutdown else None
        if result is not None:
            failure = result.located(f"ending {seat.slot.name}")
            self._accounts.add_failure(failure)
            self._seen.fail(failure)
            self._logs.fail(failure)

    def _stop(self) -> None:
        """End all processes at once, and count what they had done."""
        for seat in self._seats:
            seat.slot.kill()
        for seat in self._seats:
            if seat.tries:
                for attempt in self._settle(seat)[0]:
                    self._record(attempt)

    def _settle(self, seat: _Seat) -> tuple[list[Attempt], journal.Start | None]:
        """Return the tries that a process that is gone has ended and not told of, and the one that it was at."""
        assert seat.arrival is not None  # noqa: S101 - it was given mini-batches
        ended: list[Attempt] = []
        start = None
        try:
            for entry in journal.read(seat.arrival.journal, seat.position):
                start = entry if isinstance(entry, journal.Start) else None
                if not isinstance(entry, journal.Start):
                    ended.append(entry.attempt if isinstance(entry, journal.Done) else entry)
        except OSError as error:
            raise outputs.refusal(self._settings.result_file, error) from error
        return ended, start

    def _attempt(self, seat: _Seat, start: journal.Start, failure: Failure) -> Attempt:
        """Return the try at which a process was when it was gone."""
        assert seat.arrival is not None  # noqa: S101 - it has started a mini-batch
        return Attempt(
            index=start.index,
            number=start.number,
            process=seat.arrival.process,
            pid=seat.arrival.pid,
            status=TIMEOUT if seat.is_overdue else DIED,
            total=start.total,
            succeeded=0,
            start1=start.start1,
            end1=time.time(),
            start2=start.start2,
            end2=start.start2,
            failure=failure,
        )

    def _record(self, attempt: Attempt) -> None:
        """Count a try, and see to what follows from it."""
        is_good = attempt.status == SUCCEEDED
        is_last = is_good or attempt.number >= self._settings.run_max_try
        self.succeeded[attempt.index] = is_good
        self._accounts.add(attempt, is_last=is_last)
        self._seen.add(attempt, is_last=is_last)
        self._logs.add(attempt, is_last=is_last)
        if not is_last:
            self._todo.give_back([(attempt.index, attempt.number + 1)])
        if attempt.failure is not None:
            self._accounts.stopped = self._accounts.stopped or self._accounts.beyond()

    def _why(self, seat: _Seat, death: Death, what: str) -> Failure:
        """Return why a process is gone."""
        log = f"the stacks of its threads are in {seat.arrival.log}" if seat.arrival is not None else ""
        if seat.is_overdue:
            seconds = self._settings.run_invocation_timeout
            return Failure(f"{what} did not end within {seconds:g} s (run_invocation_timeout); {log}")
        crash = f"; {log}" if log and any(f"signal {number:d} " in death.reason for number in _CRASHES) else ""
        return Failure(f"the worker process died: {death.reason}{crash}")

    def _how_to_go_on(self) -> str:
        accounts = self._accounts
        done = f"after {accounts.succeeded_mini_batches} of {accounts.mini_batches} mini-batches"
        if self._settings.is_sample or not accounts.succeeded_mini_batches:
            return f"stopped by Ctrl-C {done}"
        return f"stopped by Ctrl-C {done}, which are kept: the same command with --resume goes on with the others"


def _clear(seat: _Seat) -> None:
    """Leave nothing of a seat's process, but what it wrote."""
    seat.slot.abandon()
    if seat.arrival is not None:
        with contextlib.suppress(OSError):  # the script's files are in it
            os.rmdir(seat.arrival.temp_dir)
