"""What a run was asked to do: checked before anything starts, and never changed after."""

from __future__ import annotations

import dataclasses
import difflib
import glob
import os

from entry_script_helper import environment
from entry_script_helper.errors import UsageError
from entry_script_helper.simulator import options
from entry_script_helper.simulator.values import in_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

PER_THREAD = -1
"""As many worker processes beside each Dask worker as it has threads."""

RESULT_FILE = "parallel_run_step.txt"
"""The service's name for the file in which ``append_row`` collects the rows."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """One run's settings, by the service's names. All paths are absolute."""

    script: str
    input: tuple[str, ...]
    """Directories, files or globs."""
    output: str
    """The result file of a whole run; `result_file` is the one that is written."""
    working_dir: str
    processes: int = 1
    """Worker processes (``process_count_per_node``); 0: in this very process; or, on a cluster, `PER_THREAD`."""
    mini_batch_size: int = 10
    """Files; bytes for tabular input."""
    input_format: str = "files"
    """``files``, ``csv``, ``parquet`` or ``jsonl``."""
    delimiter: str | None = None
    """Between the columns of CSV; None: a comma, or a tab in ``.tsv`` files."""
    partition_keys: tuple[str, ...] = ()
    """Columns of the tables, or of the files' paths: one mini-batch for each of their values."""
    partition_format: str | None = None
    """Where a path has columns; None: folders named ``key=value``."""
    output_action: str = "append_row"
    """``append_row`` or ``summary_only``."""
    append_row_file_name: str = RESULT_FILE
    arguments: tuple[str, ...] = ()
    """The script's own arguments."""
    environment_variables: tuple[tuple[str, str], ...] = ()
    """Variables, with their values, that the job sets for the script."""
    error_threshold: int | None = None
    """Failed items beyond which the run stops; -1: never; None: not given (so with the three below)."""
    allowed_failed_count: int | None = None
    """Failed mini-batches beyond which the run stops."""
    allowed_failed_percent: float | None = None
    """Failed mini-batches, in percent of all, beyond which the run stops."""
    mini_batch_error_threshold: int | None = None
    """Failed mini-batches beyond which the run stops (v2's name for it)."""
    run_max_try: int = 3
    """Tries at a mini-batch, the first included."""
    run_invocation_timeout: float = 60.0
    """Seconds for one init() or run()."""
    logging_level: str = "INFO"
    resume: bool = False
    """Go on with the run of the same result file that was stopped."""
    first: int | None = None
    """Run only so many mini-batches, from the start."""
    mini_batch: int | None = None
    """Run only the mini-batch of this index."""
    resource_monitor_interval: float = 5.0
    """Seconds between two samples; 0: none."""
    pdb: bool = False
    """Open the debugger where the script raises (in this very process only)."""
    scheduler: str | None = None
    """The address of a Dask cluster's scheduler; None: processes on this machine."""
    tls_ca_file: str | None = None
    """What a ``tls://`` scheduler is told to be known by, and is to know this run by; None: as Dask is configured."""
    tls_cert: str | None = None
    tls_key: str | None = None

    @property
    def is_sample(self) -> bool:
        """Return whether only a part of the input is asked for."""
        return self.first is not None or self.mini_batch is not None

    @property
    def result_file(self) -> str:
        """Return where the rows are gathered: a sample's are kept apart, so that it harms no whole run's."""
        return f"{self.output}.sample" if self.is_sample else self.output

    @property
    def own_paths(self) -> tuple[str, ...]:
        """Return the directories and files that a run makes: where a directory of input holds them, they are none."""
        results = [name for whole in (self.output, f"{self.output}.sample") for name in (whole, *_beside(whole))]
        return (os.path.join(self.working_dir, "logs"), *results)


def _beside(result_file: str) -> tuple[str, ...]:
    return tuple(f"{result_file}.{ending}" for ending in ("part", "part.old"))


_FILES, _TABLES = 10, 1024**2
"""The service's default sizes of a mini-batch (azureml-pipeline-steps, `ParallelRunConfig`): files, bytes."""


def checked(
    *,
    script: str | os.PathLike[str],
    arguments: Iterable[str] = (),
    environment_variables: Mapping[str, str] | None = None,
    called: Callable[[str], str] = str,
    **given: Any,  # noqa: ANN401 - each option has its own type
) -> Settings:
    """Return the settings for a run.

    Args:
        script: The entry script's path.
        arguments: The script's own arguments.
        environment_variables: Variables for the script.
        called: Gives what an option is called where it was given, for the errors' texts.
        **given: The options, by the names in `options`; None is one that was not given.

    Raises:
        UsageError: One of them can't be meant: its text says which, and what to give instead.
    """
    values = _read(given, called)
    _check_together(values, called)
    script = os.fspath(script)
    if not os.path.isfile(script):
        state = "is a directory" if os.path.isdir(script) else "does not exist"
        raise UsageError(f"the entry script {script} {state}: give the path of a Python file that defines run()")
    inputs = tuple(_input(path, called("input")) for path in values.pop("input", ()))
    if not inputs:
        raise UsageError(f"{called('input')} is missing: give the directory or the files to score")
    place = os.path.abspath(values.pop("working_dir", None) or working_dir())
    processes = values.pop("processes", None)
    if values.get("pdb"):
        processes = 0
        values.setdefault("run_max_try", 1)  # nobody wants the same debugger three times
    values["mini_batch_size"] = _size(values)
    return Settings(
        script=os.path.abspath(script),
        input=inputs,
        output=_output(values.pop("output", None), place, values.get("append_row_file_name"), called("output")),
        working_dir=place,
        processes=_default_processes(values) if processes is None else processes,
        arguments=tuple(str(argument) for argument in arguments),
        environment_variables=tuple((environment_variables or {}).items()),
        **values,
    )


def _default_processes(values: Mapping[str, Any]) -> int:
    return (os.cpu_count() or 1) if values.get("scheduler") is None else PER_THREAD


_FIELDS = {field.name for field in dataclasses.fields(Settings)}


def _read(given: Mapping[str, Any], called: Callable[[str], str]) -> dict[str, Any]:
    """Return the options that were given, read."""
    for name in given:
        if name not in _FIELDS and name != options.MAX_RETRIES:
            close = difflib.get_close_matches(name, _FIELDS, n=1)
            hint = f"did you mean {called(close[0])}?" if close else "leave it out"
            raise UsageError(f"there is no option {called(name)}: {hint}")
    return options.canonical(
        {name: options.read(name, value, called(name)) for name, value in given.items() if value is not None}
    )


def _check_together(values: Mapping[str, Any], called: Callable[[str], str]) -> None:
    """Refuse options that contradict each other."""
    if values.get("scheduler") is not None and (values.get("pdb") or values.get("processes") == 0):
        raise UsageError(
            f"{called('scheduler')} has the script run elsewhere: leave {called('pdb')} and {called('processes')} 0 out"
        )
    for name in ("tls_ca_file", "tls_cert", "tls_key"):
        if values.get(name) is not None and not str(values.get("scheduler")).startswith(("tls://", "wss://")):
            raise UsageError(f"{called(name)} is for a tls:// scheduler: give {called('scheduler')} tls://HOST:PORT")
    if values.get("pdb") and values.get("processes"):
        raise UsageError(f"{called('pdb')} needs the script in this very process: leave {called('processes')} out")
    pairs = (("first", "mini_batch"), ("resume", "first"), ("resume", "mini_batch"))
    for one, other in pairs:
        if values.get(one) not in {None, False} and values.get(other) is not None:
            raise UsageError(f"{called(one)} and {called(other)} exclude each other: give one of them")
    table = values.get("input_format", "files")
    if table == "files" and isinstance(values.get("mini_batch_size"), str):
        raise UsageError(
            f"{called('mini_batch_size')} is {values['mini_batch_size']}, but files are counted: give a number, "
            f"or {called('input_format')} csv, parquet or jsonl"
        )
    if table == "files" and "partition_format" in values and "partition_keys" not in values:
        raise UsageError(
            f"{called('partition_format')} says where the keys are: give {called('partition_keys')} as well"
        )
    if table != "csv" and "delimiter" in values:
        raise UsageError(f"{called('delimiter')} is for CSV: give {called('input_format')} csv, or leave it out")


def _size(values: Mapping[str, Any]) -> int:
    default = _FILES if values.get("input_format", "files") == "files" else _TABLES
    return in_bytes(values.get("mini_batch_size", default))


def _input(path: str, option: str) -> str:
    """Return an absolute path of the input, or pattern, that leads to something."""
    if not os.path.exists(path) and next(glob.iglob(path, recursive=True), None) is None:
        remedy = "give the directory that holds the files to score, a file, or a pattern that finds some"
        raise UsageError(f"{option}: {path} does not exist: {remedy}")
    return os.path.abspath(path)


def working_dir() -> str:
    """Return the working directory where none is given: that of the helper, started here and now.

    Raises:
        UsageError: The current directory is gone.
    """
    try:
        return str(environment.working_dir(os.environ, os.getcwd).value)
    except OSError as error:
        raise UsageError("the current directory is gone: change to one that exists") from error


def _output(given: str | None, place: str, name: str | None, option: str) -> str:
    """Return the result file's absolute path."""
    name = name or RESULT_FILE
    if given is None:
        path = os.path.join(place, name)
    elif given.endswith(os.sep) or os.path.isdir(given):  # as the service's --output, which is a directory
        path = os.path.join(given, name)
    else:
        path = given
    # Through links to the file itself: it is replaced at the end, and a link is to stay a link.
    path = os.path.realpath(path)
    if os.path.exists(path) and not os.path.isfile(path):
        raise UsageError(f"the result file {path} is a directory or a device: give {option} the path of a file")
    return path
