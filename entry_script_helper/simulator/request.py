"""From what a caller asks for, and a job's file where one is named, to the settings of a run."""

from __future__ import annotations

import os

from entry_script_helper.errors import UsageError
from entry_script_helper.simulator import options, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from entry_script_helper.simulator.settings import Settings


def settings_for(
    script: str | os.PathLike[str] | None,
    given: Mapping[str, Any],
    *,
    arguments: Sequence[str] = (),
    environment_variables: Mapping[str, str] | None = None,
    called: Callable[[str], str] = str,
) -> Settings:
    """Return the settings of a run.

    Args:
        script: The entry script; None for the job's.
        given: The caller's options by their names, ``job`` and ``step`` among them; None is one that was not given.
            They win over the job's.
        arguments: The script's own arguments, which come behind the job's.
        environment_variables: Variables for the script, which win over the job's.
        called: Gives what an option is called where it was given, for the errors' texts.

    Raises:
        UsageError: Something can't be meant: its text says what, and what to give instead.
        MissingExtraError: A package for a job's file is not installed.
    """
    found = options.canonical(
        {name: options.read(name, value, called(name)) for name, value in given.items() if value is not None}
    )
    job, step = found.pop("job", None), found.pop("step", None)
    own, variables = list(arguments), dict(environment_variables or {})
    if job is not None:
        from entry_script_helper.simulator import jobfile  # noqa: PLC0415 - for a job's file alone

        place = os.path.abspath(found.get("working_dir") or settings.working_dir())
        said = jobfile.load(job, step, found, place)
        values = dict(said.options)
        jobs_script = values.pop("script")
        script = jobs_script if script is None else script
        variables = {**values.pop("environment_variables", {}), **variables}
        own = [*said.arguments, *own]
        found = {**values, **found, "input": values["input"]} if "input" in values else {**values, **found}
    elif step is not None:
        raise UsageError(f"{called('step')} names a step of a job: give the job's file by {called('job')}")
    if script is None:
        raise UsageError("the entry script is missing: give the path of a Python file that defines run(), or a job")
    checked = settings.checked(script=script, arguments=own, environment_variables=variables, called=called, **found)
    for directory in said.directories if job is not None else ():
        os.makedirs(directory, exist_ok=True)
    return checked
