"""The options of a run, whoever gives them: the command line, a job's file, `simulate`. Names are the service's.

An option's reader takes what was given (text, or what YAML or Python makes of it) and returns the value, or raises
`UnfitError` with what to give instead. How options fit together is for `settings` to say.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re

from entry_script_helper.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any


class UnfitError(ValueError):
    """What was given can't be meant; the text says what to give instead."""


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


def whole(minimum: int, maximum: float = math.inf) -> Callable[[object], int]:
    """Return a reader of whole numbers."""
    what = f"a whole number, {minimum} or more" if maximum == math.inf else f"a whole number, {minimum} to {maximum}"

    def read(value: object) -> int:
        number = _number(value, f"give {what}")
        if number != int(number) or not minimum <= number <= maximum:
            raise UnfitError(f"give {what}")
        return int(number)

    return read


def seconds(minimum: str) -> Callable[[object], float]:
    """Return a reader of times: *minimum* says whether "more than 0" or "0 or more"."""

    def read(value: object) -> float:
        number = _number(value, f"give seconds, {minimum}")
        if number < 0 or (number == 0 and minimum == "more than 0"):
            raise UnfitError(f"give seconds, {minimum}")
        return number

    return read


def percent(value: object) -> float:
    """Read a number from 0 to 100."""
    number = _number(value, "give a number from 0 to 100")
    if not 0 <= number <= 100:  # noqa: PLR2004 - per cent
        raise UnfitError("give a number from 0 to 100")
    return number


def _number(value: object, remedy: str) -> float:
    # An integer stays one: a float would round a large one.
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return value
    text = str(value).strip()
    if re.fullmatch(r"(?a:[+-]?\d{1,18})", text):
        return int(text)
    if re.fullmatch(r"(?a:[+-]?\d{1,18}(\.\d*)?)", text):
        return float(text)
    raise UnfitError(remedy)


_UNITS = {"": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}


def size(value: object) -> int | str:
    """Read a mini-batch size: a plain number as an integer, one with a unit as text such as ``"10kb"``."""
    match = re.fullmatch(r"(?ai:(\d{1,18})\s*([kmg]b)?)", str(value).strip())
    if isinstance(value, bool) or not match or not int(match.group(1)):
        raise UnfitError("give a number of files, 1 or more, or for tables a size such as 10kb or 1MB")
    return f"{int(match.group(1))}{match.group(2).lower()}" if match.group(2) else int(match.group(1))


def in_bytes(read_size: int | str) -> int:
    """Return what `size` has read as a number of bytes (1 KB is 1,024, as in the service)."""
    text = str(read_size)
    digits = text.rstrip("kmgb")
    return int(digits) * _UNITS[text[len(digits) :]]


def choice(*names: str) -> Callable[[object], str]:
    """Return a reader of one of some names, in upper or lower case."""
    known = {name.lower(): name for name in names}
    remedy = f"give {', '.join(names[:-1])} or {names[-1]}"

    def read(value: object) -> str:
        try:
            return known[str(value).strip().lower()]
        except KeyError:
            raise UnfitError(remedy) from None

    return read


def keys(value: object) -> tuple[str, ...]:
    """Read column names: a list, a JSON list as the service writes it, or text with commas."""
    remedy = "give names of columns with commas between them, such as store,brand"
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.lstrip().startswith("[") else value.split(",")
        except ValueError:
            raise UnfitError(remedy) from None
    names = tuple(str(name).strip() for name in value) if isinstance(value, (list, tuple)) else ()
    if not names or not all(names) or len(set(names)) < len(names):
        raise UnfitError(remedy)
    return names


def text(value: object) -> str:
    """Read some text."""
    found = os.fspath(value) if isinstance(value, (str, os.PathLike)) else ""
    if not isinstance(found, str) or not found or "\0" in found:
        raise UnfitError("give some text")
    return found


def character(value: object) -> str:
    r"""Read a single character; ``\t`` and ``tab`` are a tab."""
    single = "\t" if str(value) in {"\\t", "tab"} else str(value)
    if len(single) != 1 or single in '"\r\n' or not single.isascii():
        raise UnfitError("give one character, such as ; or \\t")
    return single


def paths(value: object) -> tuple[str, ...]:
    """Read one path or several."""
    given = (value,) if isinstance(value, (str, os.PathLike)) else value
    if not isinstance(given, (list, tuple)) or not given:
        raise UnfitError("give the path of a directory or a file, or a pattern such as 'data/*.csv'")
    return tuple(text(path) for path in given)


def file_name(value: object) -> str:
    """Read the name of a file, without a directory."""
    name = text(value)
    if os.path.basename(name) != name or name in {".", ".."}:
        raise UnfitError("give a file's name without a directory (--output takes the directory)")
    return name


def switch(value: object) -> bool:
    """Read a switch."""
    if not isinstance(value, bool):
        raise UnfitError("give True or False")
    return value


_WHAT, _CUT, _HOW, _END, _BAD, _SEE = (
    "what to run",
    "mini-batches",
    "processes and time",
    "results",
    "failures",
    "debugging and the terminal",
)
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

OPTIONS = (
    Option(
        "input",
        "PATH",
        paths,
        _WHAT,
        "what to score: a directory (all files below it), a file, or a quoted pattern; again for more. "
        "With --job also NAME=VALUE, for one of the job's inputs",
        ("input_data",),
    ),
    Option(
        "input_format",
        "FORMAT",
        choice("files", "csv", "parquet", "jsonl"),
        _WHAT,
        "files: run() gets their paths (default); csv, parquet or jsonl: it gets pandas DataFrames",
    ),
    Option(
        "job", "FILE", text, _WHAT, "take the options from a job's own YAML: a pipeline of v2, or a saved config of v1"
    ),
    Option("step", "NAME", text, _WHAT, "the step of the job's pipeline, where there are several parallel ones"),
    Option(
        "mini_batch_size",
        "SIZE",
        size,
        _CUT,
        "files in a mini-batch (default: 10); for tables about how many bytes, such as 10kb or 1MB (default: 1MB)",
        predefined=True,
    ),
    Option(
        "partition_keys",
        "A,B",
        keys,
        _CUT,
        "one mini-batch for each value of these columns of the table, or of the files' paths, instead of a size",
        predefined=True,
    ),
    Option(
        "partition_format",
        "FORMAT",
        text,
        _CUT,
        "where a path has columns, such as '{store}/{day:yyyy-MM-dd}/sales.csv' (default: folders named key=value)",
    ),
    Option(
        "delimiter", "CHAR", character, _CUT, "between the columns of CSV files (default: a comma, a tab in .tsv files)"
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
        seconds("more than 0"),
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
        "output_action",
        "ACTION",
        choice("append_row", "summary_only"),
        _END,
        "append_row: the rows that run() returns go to the result file (default); summary_only: they are only counted",
        predefined=True,
    ),
    Option(
        "append_row_file_name",
        "NAME",
        file_name,
        _END,
        "the result file's name (default: parallel_run_step.txt)",
        predefined=True,
    ),
    Option(
        "output",
        "PATH",
        text,
        _END,
        "the result file, or a directory for it (default: the working directory)",
        ("append_row_to",),
    ),
    Option(
        "working_dir",
        "DIR",
        text,
        _END,
        "the directory that logs/ is made in (default: what `entry-script-helper where` says)",
    ),
    Option("resume", "", switch, _END, "go on where an earlier run was stopped: what it finished is not scored again"),
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
    Option("allowed_failed_percent", "P", percent, _BAD, "the same, per cent of all mini-batches", predefined=True),
    Option("mini_batch_error_threshold", "N", whole(-1), _BAD, "v2's name for --allowed-failed-count", predefined=True),
    Option("first", "N", whole(1), _SEE, "run the first N mini-batches only"),
    Option("mini_batch", "INDEX", whole(0), _SEE, "run the one mini-batch with this number, as the failures name it"),
    Option(
        "pdb", "", switch, _SEE, "open the debugger where the script raises; implies --processes 0 and --run-max-try 1"
    ),
    Option(
        "logging_level",
        "LEVEL",
        choice(*LEVELS),
        _SEE,
        "the lowest level that logs/master.txt tells (default: INFO)",
        predefined=True,
    ),
    Option(
        "resource_monitor_interval",
        "SECONDS",
        seconds("0 or more"),
        _SEE,
        "between two looks at processor and memory (default: 5); 0: none",
        predefined=True,
    ),
    Option("quiet", "", switch, _SEE, "no progress and no failures while it runs, only the verdict"),
    Option("json", "", switch, _SEE, "print the result as one JSON object, and nothing else, on standard output"),
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
