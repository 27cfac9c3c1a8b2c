"""The master: what a run begins and ends with; what is between is the `loop`."""

from __future__ import annotations

import contextlib
import dataclasses
import time

from entry_script_helper import EntryScriptHelper
from entry_script_helper.simulator import inputs, minibatches, outputs, progress
from entry_script_helper.simulator.accounts import DONE, Accounts
from entry_script_helper.simulator.logs.runlogs import RunLogs
from entry_script_helper.simulator.loop import Loop
from entry_script_helper.simulator.pool import LocalCrew
from entry_script_helper.simulator.result import Result, SlowestMiniBatch, verdict
from entry_script_helper.simulator.runfolder import RunFolder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entry_script_helper.simulator.minibatches import Input
    from entry_script_helper.simulator.settings import Settings
    from entry_script_helper.simulator.slots import Crew


def run(settings: Settings, *, quiet: bool = False) -> Result:
    """Run an entry script over its input, and return how that ended.

    ``init()`` runs in every worker process, also where there are fewer mini-batches than processes.

    Args:
        settings: What was asked for.
        quiet: Whether to show nothing meanwhile.

    Raises:
        UsageError: There is no input, the script has no ``run()``, another run uses the result file, or there is
            nothing to resume.
        OutputError: The result file can't be written.
        KeyboardInterrupt: Ctrl-C; the worker processes are gone by then. Its text says how to go on.
    """
    started = time.monotonic()
    source = inputs.of(settings)
    indexes = minibatches.chosen(source.mini_batches, settings.first, settings.mini_batch)
    keep = not settings.is_sample
    with contextlib.ExitStack() as stack:
        crew = _crew(settings)  # first: nothing is changed where there is none
        stack.enter_context(crew)
        header = _header(settings, source)
        folder = stack.enter_context(RunFolder(settings.result_file, header, resume=settings.resume, keep=keep))
        accounts = Accounts(settings, len(indexes), _items(source, indexes))
        with RunLogs(settings, len(indexes)) as logs:
            with progress.Progress(len(indexes), quiet=quiet, tries=settings.run_max_try) as seen:

                def say(line: str) -> None:
                    seen.say(line)
                    logs.say(line)

                if folder.note:
                    say(folder.note)
                crew.brief(source, folder.path, say)
                loop = Loop(settings, crew, source, accounts, folder.path, seen, logs)
                loop.work(indexes)
            if settings.output_action == "append_row":
                outputs.gather(folder.path, loop.succeeded, settings.result_file)
            result = _result(settings, accounts, crew.processes, time.monotonic() - started)
            logs.end(verdict(result), is_good=accounts.exit_code == DONE)
        if accounts.exit_code == DONE:
            folder.discard()
    return dataclasses.replace(result, to_open=logs.to_open())


def _crew(settings: Settings) -> Crew:
    if settings.scheduler is not None:
        from entry_script_helper.simulator.cluster.crew import DaskCrew  # noqa: PLC0415 - distributed

        return DaskCrew(settings)
    return LocalCrew(settings.processes)


def _result(settings: Settings, accounts: Accounts, processes: int, seconds: float) -> Result:
    slowest = accounts.slowest
    return Result(
        items=accounts.items if accounts.items is not None else accounts.succeeded + accounts.failed,
        succeeded=accounts.succeeded,
        mini_batches=accounts.mini_batches,
        succeeded_mini_batches=accounts.succeeded_mini_batches,
        failed_mini_batches=accounts.failed_mini_batches,
        processes=processes,
        seconds=seconds,
        exit_code=accounts.exit_code,
        output=settings.result_file if settings.output_action == "append_row" else None,
        log_dir=EntryScriptHelper(settings.working_dir).get_log_dir(),
        retries=accounts.retries,
        timeouts=accounts.timeouts,
        deaths=accounts.deaths,
        resumed_mini_batches=accounts.resumed_mini_batches,
        stopped=accounts.stopped,
        slowest=SlowestMiniBatch(slowest.index, slowest.process, slowest.seconds) if slowest is not None else None,
        failures=tuple(accounts.failures),
    )


def _header(settings: Settings, source: Input) -> dict[str, Any]:
    """Return what must be the same for a run that goes on with this one, by the names that a user knows."""
    return {
        "entry script": settings.script,
        "input": source.digest,
        "input_format": settings.input_format,
        "mini_batch_size": settings.mini_batch_size,
        "partition_keys": list(settings.partition_keys),
        "output_action": settings.output_action,
    }


def _items(source: Input, indexes: range) -> int | None:
    """Return how many items the chosen mini-batches have; None where that is not known."""
    if len(indexes) == source.mini_batches:
        return source.items
    counts = [source.mini_batch(index).items for index in indexes]
    return sum(counts) if all(counts) else None
