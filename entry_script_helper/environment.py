"""From variables to "where am I, and why": pure functions, so that each rule can be tested as a table.

Every function takes the environment as a mapping and returns a `Choice`. The variables are those of Azure ML's
old Batch-AI runtime (``AZ_BATCHAI_*``, which the article's class reads), of its common runtime
(``AZUREML_CR_*``), of compute instances and of Kubernetes; docs/explanation lists them with their sources.
"""

from __future__ import annotations

import os
import re
from collections import namedtuple

from entry_script_helper import naming

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WORKING_DIR = "ENTRY_SCRIPT_HELPER_WORKING_DIR"
SHARE = "AZ_BATCHAI_INPUT_AZUREML"
JOB_TEMP = "AZ_BATCHAI_JOB_TEMP"
WORKER_IP = "AZ_BATCHAI_WORKER_IP"
COMMON_RUNTIME_DIR = "AZUREML_CR_EXECUTION_WORKING_DIR_PATH"
COMMON_RUNTIME_RANK = "AZUREML_CR_NODE_RANK"
COMMON_RUNTIME_COMPUTE = "AZUREML_CR_COMPUTE_CONTEXT"
RUN_ID = "AZUREML_RUN_ID"
OUTPUT_PATH = "AZUREML_BI_OUTPUT_PATH"
SITE_NAME = "APPSETTING_WEBSITE_SITE_NAME"

_REFERENCE = r"(?a:\$(?:(\w+)|\{(\w+)\}))"


class Choice(namedtuple("Choice", ["value", "why"])):  # noqa: PYI024 - typing takes longer to import than all of this
    """What was chosen (text or None) and the reason, as a part of a sentence."""

    __slots__ = ()


class Place(
    namedtuple(  # noqa: PYI024 - as above
        "Place",
        ["platform", "run_id", "node", "process", "working_dir", "log_dir", "temp_dir", "output_dir"],
    )
):
    """Where a process is: one `Choice` a field. It can't be changed."""

    __slots__ = ()


def read(environ: Mapping[str, str], variable: str) -> str | None:
    """Return a variable's value without white space around it, ``$VAR`` and ``${VAR}`` in it replaced.

    An unset, empty or blank variable is None, and so is one that refers to a variable of which that holds, or to
    itself: half a path would be taken for a whole one.
    """
    return _resolved(environ, variable, frozenset())


def _resolved(environ: Mapping[str, str], variable: str, within: frozenset[str]) -> str | None:
    value = environ.get(variable, "").strip()
    if "$" not in value:
        return value or None
    within = within.union([variable])
    pieces: list[str] = []
    end = 0
    for match in re.finditer(_REFERENCE, value):
        name = match.group(1) or match.group(2)
        replacement = None if name in within else _resolved(environ, name, within)
        if replacement is None:
            return None
        pieces += [value[end : match.start()], replacement]
        end = match.end()
    return "".join([*pieces, value[end:]])


def platform(environ: Mapping[str, str]) -> Choice:  # noqa: PLR0911 - one for each platform
    """Return which of Azure ML's runtimes this is: ``batch-ai``, ``common-runtime``, ..., or ``local``.

    A job on compute whose runtime is none of these is ``azureml``: no more is known of it than that it is a job.
    """
    if read(environ, SHARE):
        return Choice("batch-ai", f"{SHARE} is set")
    for variable in ("AML_JOB_ID", *sorted([name for name in environ if name.startswith("AMLARC_")])):
        if read(environ, variable):
            return Choice("kubernetes", f"{variable} is set")
    for variable in (COMMON_RUNTIME_DIR, COMMON_RUNTIME_RANK, COMMON_RUNTIME_COMPUTE):
        if read(environ, variable):
            return Choice("common-runtime", f"{variable} is set")
    site = read(environ, SITE_NAME)
    if site == "AMLComputeInstance":
        return Choice("compute-instance", f"{SITE_NAME} is AMLComputeInstance")
    if read(environ, "CI_WORKSPACE"):
        return Choice("compute-instance", "CI_WORKSPACE is set")
    if site == "AMLCompute":
        return Choice("amlcompute", f"{SITE_NAME} is AMLCompute")
    if read(environ, RUN_ID):
        return Choice("azureml", f"{RUN_ID} is set, but no variable of a runtime that is known")
    return Choice("local", "no variable of an Azure ML runtime is set")


def run_id(environ: Mapping[str, str]) -> Choice:
    """Return the run's id, which Azure ML passes in a variable (azureml-core takes ``Run.id`` from it, unchanged)."""
    value = read(environ, RUN_ID)
    return Choice(value, f"{RUN_ID} is set" if value else f"{RUN_ID} is not set")


def node(environ: Mapping[str, str], address: Callable[[], str | None], host_name: Callable[[], str]) -> Choice:
    """Return this node's name among those of the job: an address, or else the host's name."""
    value = read(environ, WORKER_IP)
    if value:
        return Choice(value, f"{WORKER_IP} is set")
    value = address()
    if value:
        return Choice(value, f"{WORKER_IP} is not set; it is the address of the interface that reaches out")
    return Choice(host_name(), f"{WORKER_IP} is not set and no interface reaches out; it is the host's name")


def working_dir(
    environ: Mapping[str, str],
    first_directory: Callable[[], str],
    *,
    argument: str | None = None,
    ask_run_id: Callable[[], str | None] = lambda: None,
    run_is_overridden: bool = False,
) -> Choice:
    """Return the working directory, absolute.

    Args:
        environ: The variables.
        first_directory: Gives the current directory as it was first seen: relative paths start there.
        argument: The caller's own choice, which comes before everything else.
        ask_run_id: Called where a run is expected and ``AZUREML_RUN_ID`` is missing; may return None.
        run_is_overridden: The caller has a run of its own: *ask_run_id* names the directory, as in the article.
    """
    if argument:
        return Choice(_absolute(argument, first_directory), "given as an argument")
    value = read(environ, WORKING_DIR)
    if value:
        return Choice(_absolute(value, first_directory), f"{WORKING_DIR} is set")
    share = read(environ, SHARE)
    if run_is_overridden:
        run = ask_run_id()
        if run:
            directory = _absolute(os.path.join(share or "", naming.safe_component(run)), first_directory)
            return Choice(directory, "the id of the run that an overridden get_run() gives")
    run = run_id(environ).value
    if share and not run and not run_is_overridden:
        run = ask_run_id()
    if share and run:
        directory = _absolute(os.path.join(share, naming.safe_component(run)), first_directory)
        return Choice(directory, f"the run's directory on the share that {SHARE} names")
    missing = f"{SHARE} is set but the run's id is not known; " if share else ""
    value = read(environ, COMMON_RUNTIME_DIR)
    if value:
        return Choice(_absolute(value, first_directory), f"{missing}{COMMON_RUNTIME_DIR} is set")
    return Choice(
        os.path.abspath(first_directory()),
        f"{missing or 'no variable names one; '}it is the current directory as it was first seen",
    )


def temp_dir(
    environ: Mapping[str, str],
    first_directory: Callable[[], str],
    system_temp_dir: Callable[[], str],
    process_id: int,
) -> Choice:
    """Return this process's temp directory: ``azureml-bi/<process id>`` below the job's, or else the system's."""
    below = os.path.join("azureml-bi", str(process_id))
    job = read(environ, JOB_TEMP)
    if job:
        return Choice(_absolute(os.path.join(job, below), first_directory), f"below {JOB_TEMP}")
    return Choice(os.path.join(system_temp_dir(), below), f"{JOB_TEMP} is not set; below the system's temp directory")


def output_dir(environ: Mapping[str, str], first_directory: Callable[[], str]) -> Choice:
    """Return the directory for a script's own output files."""
    value = read(environ, OUTPUT_PATH)
    if value:
        return Choice(_absolute(value, first_directory), f"{OUTPUT_PATH} is set")
    return Choice(os.path.abspath(first_directory()), f"{OUTPUT_PATH} is not set; it is the first current directory")


def _absolute(path: str, first_directory: Callable[[], str]) -> str:
    # os.path.abspath would ask for the current directory, which a script may have changed since.
    return os.path.normpath(path if os.path.isabs(path) else os.path.join(first_directory(), path))
