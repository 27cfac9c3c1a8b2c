"""The options of a run, whoever gives them: the command line, a job's file, `simulate`. Names are the service's.

What each takes is for `values` to say, how they fit together for `settings`.
"""

from __future__ import annotations

import dataclasses
import re

from entry_script_helper.errors import UsageError
from entry_script_helper.simulator import values as reads
from entry_script_helper.simulator.values import UnfitError, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any


@dataclasses.dataclass(frozen=True)
class Option:
    """One option."""

    name: str
    """Its keyword in Python, and on the command line with hyphens; v1's name where v1 has one."""
    metavar: str
    """What its value is called in the help; empty for a switch."""
    read: Callable[[object], object]
    group: str
    help: str
    aliases: tuple[str, ...] = ()
    """Further names: v1's, then v2's."""
    predefined: bool = False
    """Whether the service takes it out of the script's own arguments (Azure Machine Learning, "CLI (v2) parallel job
    YAML schema", predefined arguments; and what v1's ParallelRunStep passes to its driver in the same list)."""

    @property
    def flags(self) -> tuple[str, ...]:
        """Its names on the command line."""
        return tuple(f"--{name.replace('_', '-')}" for name in (self.name, *self.aliases))


_WHAT, _CUT, _HOW, _FAR, _END, _BAD, _SEE = (
    "what to run",
    "mini-batches",
    "processes and time",
    "a Dask cluster",
    "results",
    "failures",
    "debugging and the terminal",
)
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

OPTIONS = (
    Option(
        "input",
        "PATH",
        reads.paths,
        _WHAT,
        "what to score: a directory (all files below it), a file, or a quoted pattern; again for more. "
        "With --job also NAME=VALUE, for one of the job's inputs",
        ("input_data",),
    ),
    Option(
        "input_format",
        "FORMAT",
        reads.choice("files", "csv", "parquet", "jsonl"),
        _WHAT,
        "files: run() gets their paths (default); csv, parquet or jsonl: it gets pandas DataFrames",
    ),
    Option(
        "job",
        "FILE",
        reads.text,
        _WHAT,
        "take the options from a job's own YAML: a pipeline of v2, or a saved config of v1",
    ),
    Option("step", "NAME", reads.text, _WHAT, "the step of the job's pipeline, where there are several parallel ones"),
    Option(
        "mini_batch_size",
        "SIZE",
        reads.size,
        _CUT,
        "files in a mini-batch (default: 10); for tables about how many bytes, such as 10kb or 1MB (default: 1MB)",
        predefined=True,
    ),
    Option(
        "partition_keys",
        "A,B",
        reads.keys,
        _CUT,
        "one mini-batch for each value of these columns of the table, or of the files' paths, instead of a size",
        predefined=True,
    ),
    Option(
        "partition_format",
        "FORMAT",
        reads.text,
        _CUT,
        "where a path has columns, such as '{store}/{day:yyyy-MM-dd}/sales.csv' (default: folders named key=value)",
    ),
    Option(
        "delimiter",
        "CHAR",
        reads.character,
        _CUT,
        "between the columns of CSV files (default: a comma, a tab in .tsv files)",
    ),
    Option(
        "processes",
        "N",
        whole(0, 1024),
        _HOW,
        "worker processes (default: one per processor); 0: in this very process, for breakpoints",
        ("process_count_per_node", "max_concurrency_per_instance"),
        predefined=True,
    ),
    Option(
        "run_invocation_timeout",
        "SECONDS",
        reads.seconds("more than 0"),
        _HOW,
        "for one call of run() or init(); beyond it the process is replaced (default: 60)",
        ("timeout",),
        predefined=True,
    ),
    Option(
        "run_max_try",
        "N",
        whole(1, 1000),
        _HOW,
        "how often a mini-batch is tried in all (default: 3); --max-retries counts the tries beyond the first",
        predefined=True,
    ),
    Option(
        "scheduler",
        "ADDRESS",
        reads.address,
        _FAR,
        "run on the Dask cluster of this scheduler, tcp://HOST:PORT or tls://HOST:PORT; --processes are then those on "
        "each node (default: one for each thread of its Dask workers)",
    ),
    Option(
        "tls_ca_file", "FILE", reads.existing_file, _FAR, "the authority that a tls:// scheduler's certificate is from"
    ),
    Option(
        "tls_cert", "FILE", reads.existing_file, _FAR, "the certificate that a tls:// scheduler is to know this run by"
    ),
    Option("tls_key", "FILE", reads.existing_file, _FAR, "the key of that certificate"),
    Option(
        "output_action",
        "ACTION",
        reads.choice("append_row", "summary_only"),
        _END,
        "append_row: the rows that run() returns go to the result file (default); summary_only: they are only counted",
        predefined=True,
    ),
    Option(
        "append_row_file_name",
        "NAME",
        reads.file_name,
        _END,
        "the result file's name (default: parallel_run_step.txt)",
        predefined=True,
    ),
    Option(
        "output",
        "PATH",
        reads.text,
        _END,
        "the result file, or a directory for it (default: the working directory)",
        ("append_row_to",),
    ),
    Option(
        "working_dir",
        "DIR",
        reads.text,
        _END,
        "the directory that logs/ is made in (default: what `entry-script-helper where` says)",
    ),
    Option(
        "resume", "", reads.switch, _END, "go on where an earlier run was stopped: what it finished is not scored again"
    ),
    Option(
        "error_threshold",
        "N",
        whole(-1),
        _BAD,
        "failed items (files or rows) to put up with; -1: any number",
        predefined=True,
    ),
    Option(
        "allowed_failed_count",
        "N",
        whole(-1),
        _BAD,
        "failed mini-batches to put up with; -1: any number",
        predefined=True,
    ),
    Option(
        "allowed_failed_percent", "P", reads.percent, _BAD, "the same, per cent of all mini-batches", predefined=True
    ),
    Option("mini_batch_error_threshold", "N", whole(-1), _BAD, "v2's name for --allowed-failed-count", predefined=True),
    Option("first", "N", whole(1), _SEE, "run the first N mini-batches only"),
    Option("mini_batch", "INDEX", whole(0), _SEE, "run the one mini-batch with this number, as the failures name it"),
    Option(
        "pdb",
        "",
        reads.switch,
        _SEE,
        "open the debugger where the script raises; implies --processes 0 and --run-max-try 1",
    ),
    Option(
        "logging_level",
        "LEVEL",
        reads.choice(*LEVELS),
        _SEE,
        "the lowest level that logs/master.txt tells (default: INFO)",
        predefined=True,
    ),
    Option(
        "resource_monitor_interval",
        "SECONDS",
        reads.seconds("0 or more"),
        _SEE,
        "between two looks at processor and memory (default: 5); 0: none",
        predefined=True,
    ),
    Option("quiet", "", reads.switch, _SEE, "no progress and no failures while it runs, only the verdict"),
    Option("json", "", reads.switch, _SEE, "print the result as one JSON object, and nothing else, on standard output"),
)
"""Every option, in the order of the help."""

BY_NAME = {option.name: option for option in OPTIONS}

MAX_RETRIES = "max_retries"
"""v2's name for the tries beyond the first: its value is not that of `run_max_try`."""

SCRIPT = ("entry_script", "scoring_module_name")
"""Names of the entry script itself, where it is no positional argument."""

_INPUT_OF_THE_DRIVER = r"input(_f?ds_)?\d+|input_pipeline_param_\d+"

IGNORED = {
    "client_sdk_version",
    "copy_logs_to_parent",
    "create_snapshot_at_runtime",
    "first_task_creation_timeout",
    "metrics_name_prefix",
    "node_count",
    "progress_update_timeout",
    "push_metrics_to_parent",
    "rank_mini_batch_count",
    "task_overhead_timeout",
}
"""What the service's driver takes as well, each with a value, and what means nothing on one machine."""


def read(name: str, value: object, label: str) -> Any:  # noqa: ANN401 - each option has its own type
    """Return an option's value.

    Args:
        name: Its name, or `MAX_RETRIES`.
        value: What was given.
        label: What the option is called where it was given, for the error's text.

    Raises:
        UsageError: It can't be meant.
    """
    try:
        return whole(0)(value) if name == MAX_RETRIES else BY_NAME[name].read(value)
    except UnfitError as error:
        raise UsageError(f"{label} is {value}: {error}") from None


def canonical(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return read options under our own names: `MAX_RETRIES` becomes ``run_max_try``, which wins where both are."""
    found = dict(values)
    retries = found.pop(MAX_RETRIES, None)
    if retries is not None:
        found.setdefault("run_max_try", retries + 1)
    return found


def is_of_the_driver(name: str) -> bool:
    """Tell whether an argument (its name with underscores) is one that the service's driver takes and we ignore.

    So are the names of its inputs (``--input_fds_0 inp``): here they name no place.
    """
    return name in IGNORED or re.fullmatch(_INPUT_OF_THE_DRIVER, name) is not None


def split(arguments: Iterable[str], label: str) -> tuple[dict[str, Any], list[str]]:
    """Take the service's predefined options out of a script's arguments, as its driver does.

    Returns:
        The options that were read, and the arguments that are the script's own.

    Raises:
        UsageError: One of the options can't be meant, or has no value.
    """
    names = {name: option for option in OPTIONS if option.predefined for name in (option.name, *option.aliases)}
    # v1 and v2 have these names for a job's fields, not for arguments: they may well be the script's own.
    names = {name: option for name, option in names.items() if name not in {"processes", "timeout"}}
    found: dict[str, Any] = {}
    own: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        flag, equals, value = argument.partition("=")
        name = flag[2:].replace("-", "_") if flag.startswith("--") else ""
        if name not in names and not is_of_the_driver(name) and name not in SCRIPT:
            own.append(argument)
            continue
        if not equals:
            value = next(waiting, "")
            if not value:
                raise UsageError(f"{label}: {flag} has no value: give one")
        if name in names:
            found[names[name].name] = read(names[name].name, value, f"{label}: {flag}")
    return found, own
