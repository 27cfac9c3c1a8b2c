"""What a run was asked to do: checked before anything starts, and never changed after."""

from __future__ import annotations

import dataclasses
import os

from entry_script_helper import EntryScriptHelper
from entry_script_helper.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

RESULT_FILE = "parallel_run_step.txt"
"""The service's name for the file in which ``append_row`` collects the rows."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """One run's settings. All paths are absolute."""

    script: str
    input_dir: str
    processes: int
    mini_batch_size: int
    output: str
    working_dir: str
    arguments: tuple[str, ...]


def checked(  # noqa: PLR0913 - one for each option
    *,
    script: str,
    input_dir: str,
    processes: int | None = None,
    mini_batch_size: int = 10,
    output: str | None = None,
    arguments: Iterable[str] = (),
) -> Settings:
    """Return the settings for a run.

    Args:
        script: The entry script's path.
        input_dir: The directory whose files are scored.
        processes: Worker processes; None for one per processor.
        mini_batch_size: Files in a mini-batch.
        output: The result file; None for ``parallel_run_step.txt`` in the working directory.
        arguments: The script's own arguments.

    Raises:
        UsageError: One of them can't be meant: its text says which, and what to give instead.
    """
    processes = (os.cpu_count() or 1) if processes is None else processes
    for option, number in (("--processes", processes), ("--mini-batch-size", mini_batch_size)):
        if number < 1:
            raise UsageError(f"{option} is {number}: give 1 or more")
    if not os.path.isfile(script):
        state = "is a directory" if os.path.isdir(script) else "does not exist"
        raise UsageError(f"the entry script {script} {state}: give the path of a Python file that defines run()")
    if not os.path.isdir(input_dir):
        state = "is a file" if os.path.exists(input_dir) else "does not exist"
        raise UsageError(f"--input: {input_dir} {state}: give the directory that holds the files to score")
    working_dir = EntryScriptHelper().get_working_dir()
    # Through links to the file itself: it is replaced at the end, and a link is to stay a link.
    output = os.path.realpath(output or os.path.join(working_dir, RESULT_FILE))
    if os.path.exists(output) and not os.path.isfile(output):
        raise UsageError(f"the result file {output} is a directory or a device: give --output the path of a file")
    return Settings(
        script=os.path.abspath(script),
        input_dir=os.path.abspath(input_dir),
        processes=processes,
        mini_batch_size=mini_batch_size,
        output=output,
        working_dir=working_dir,
        arguments=tuple(arguments),
    )
