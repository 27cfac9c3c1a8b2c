"""The simulator from Python: `simulate` in a test, a notebook or a script of one's own."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading

from entry_script_helper.errors import UsageError
from entry_script_helper.simulator import request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Union

    from entry_script_helper.simulator.result import Result

    _Path = Union[str, os.PathLike[str]]


def simulate(  # noqa: PLR0913 - one for each option, so that editors know them
    script: _Path | None = None,
    inputs: _Path | Sequence[_Path] | None = None,
    *,
    arguments: Iterable[str] = (),
    environment_variables: Mapping[str, str] | None = None,
    job: _Path | None = None,
    step: str | None = None,
    input_format: str | None = None,
    mini_batch_size: int | str | None = None,
    partition_keys: str | Sequence[str] | None = None,
    partition_format: str | None = None,
    delimiter: str | None = None,
    processes: int | None = None,
    run_invocation_timeout: float | None = None,
    run_max_try: int | None = None,
    scheduler: str | None = None,
    tls_ca_file: _Path | None = None,
    tls_cert: _Path | None = None,
    tls_key: _Path | None = None,
    output_action: str | None = None,
    append_row_file_name: str | None = None,
    output: _Path | None = None,
    working_dir: _Path | None = None,
    resume: bool | None = None,
    error_threshold: int | None = None,
    allowed_failed_count: int | None = None,
    allowed_failed_percent: float | None = None,
    mini_batch_error_threshold: int | None = None,
    first: int | None = None,
    mini_batch: int | None = None,
    pdb: bool | None = None,
    logging_level: str | None = None,
    resource_monitor_interval: float | None = None,
    quiet: bool = True,
) -> Result:
    """Run an entry script as ParallelRunStep does, and return how that ended.

    The options are those of ``entry-script-helper run``, and so is what holds where one is left out. Afterwards the
    current directory, ``sys.path``, ``sys.argv``, the environment, signal handlers and, with ``processes=0``, the
    script's modules and our log handlers are as they were. It can be called from any thread.

    Args:
        script: The entry script's path; with *job* it may be left out.
        inputs: A directory, a file or a pattern, or several of these; with *job* also ``"NAME=VALUE"``.
        arguments: The script's own arguments.
        environment_variables: Variables for the script.
        job: A job's own YAML; what is given here wins over what it says.
        step: The step of the job's pipeline.
        input_format: ``"files"``, ``"csv"``, ``"parquet"`` or ``"jsonl"``.
        mini_batch_size: Files, or bytes of tables (``"1MB"``).
        partition_keys: Columns; each of their values is a mini-batch.
        partition_format: Where a path has columns.
        delimiter: Between the columns of CSV.
        processes: Worker processes; 0: in this very process.
        run_invocation_timeout: Seconds for one call of ``run()`` or ``init()``.
        run_max_try: Tries at a mini-batch in all.
        scheduler: The address of a Dask cluster's scheduler, to run there.
        tls_ca_file: The authority that a ``tls://`` scheduler's certificate is from.
        tls_cert: The certificate that it is to know this run by.
        tls_key: The key of that certificate.
        output_action: ``"append_row"`` or ``"summary_only"``.
        append_row_file_name: The result file's name.
        output: The result file, or a directory for it.
        working_dir: The directory that ``logs`` is made in; without it the current one, or what a variable says.
        resume: Whether to go on where an earlier run was stopped.
        error_threshold: Failed items to put up with; -1: any number.
        allowed_failed_count: Failed mini-batches to put up with.
        allowed_failed_percent: The same, per cent of all.
        mini_batch_error_threshold: v2's name for *allowed_failed_count*.
        first: How many mini-batches to run, from the start.
        mini_batch: The index of the one mini-batch to run.
        pdb: Whether to open the debugger where the script raises.
        logging_level: The lowest level that ``logs/master.txt`` tells.
        resource_monitor_interval: Seconds between two looks at processor and memory; 0: none.
        quiet: Whether to show nothing on standard error.

    Raises:
        UsageError: Something was given that can't be meant: the text says what, and what to give instead.
        MissingExtraError: A package is not installed.
    """
    given = {**locals(), "input": inputs}
    _refuse_import_by_worker()
    for name in ("script", "inputs", "arguments", "environment_variables", "quiet"):
        del given[name]
    checked = request.settings_for(
        script,
        given,
        arguments=list(arguments),
        environment_variables=environment_variables,
        called=lambda name: "inputs" if name == "input" else name,
    )
    from entry_script_helper.simulator import master  # noqa: PLC0415 - pebble and tqdm, once all is checked

    with _process_as_it_was(is_in_it=checked.processes == 0, folder=os.path.dirname(checked.script)):
        return master.run(checked, quiet=quiet)


def _refuse_import_by_worker() -> None:
    """Refuse a call at a main module's top level: worker processes are spawned, and import that module."""
    process = sys.modules.get("multiprocessing.process")
    if process is not None and getattr(process.current_process(), "_inheriting", False):  # as multiprocessing asks
        raise UsageError(
            'simulate() is called where its worker processes import it: call it below `if __name__ == "__main__":`'
        )


@contextlib.contextmanager
def _process_as_it_was(*, is_in_it: bool, folder: str) -> Iterator[None]:
    """Leave this process as it was.

    Args:
        is_in_it: Whether the script runs in this process.
        folder: The script's folder: another script's modules may have the names of those in it.
    """
    directory, path, arguments, variables = os.getcwd(), list(sys.path), sys.argv, dict(os.environ)
    modules = set(sys.modules)
    handlers = _handlers()
    with contextlib.ExitStack() as stack:
        if is_in_it:
            from entry_script_helper.testing import loggers_as_they_were  # noqa: PLC0415 - may import pytest

            stack.enter_context(loggers_as_they_were())
        try:
            yield
        finally:
            sys.path[:], sys.argv = path, arguments
            for name in set(os.environ) - set(variables):
                del os.environ[name]
            os.environ.update(variables)
            for number in handlers:
                if signal.getsignal(number) is not handlers[number]:
                    signal.signal(number, handlers[number])
            if is_in_it:
                _forget(set(sys.modules) - modules, folder)
            with contextlib.suppress(OSError):  # the script may have removed it
                os.chdir(directory)


def _handlers() -> dict[signal.Signals, signal.Handlers]:
    """Return the signal handlers that this thread may put back: those that Python knows, in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)}
    return {number: handler for number, handler in handlers.items() if handler is not None}  # type: ignore[misc]


def _forget(names: set[str], folder: str) -> None:
    """Let modules from a folder be imported anew next time."""
    for name in names:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(folder + os.sep):
            del sys.modules[name]
