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
    """One run's settings, by the service's names. All paths are absolute."""

    script: str
    input: tuple[str, ...]
    """Directories, files or globs."""
    output: str
    """The result file of a whole run; `result_file` is the one that is written."""
    working_dir: str
    processes: int = 1
    """Worker processes (``process_count_per_node``); 0: in this very process."""
    mini_batch_size: int = 10
    """Files; bytes for tabular input."""
    input_format: str = "files"
    """``files``, ``csv``, ``parquet`` or ``jsonl``."""
    partition_keys: tuple[str, ...] = ()
    output_action: str = "append_row"
    """``append_row`` or ``summary_only``."""
    append_row_file_name: str = RESULT_FILE
    arguments: tuple[str, ...] = ()
    """The script's own arguments."""
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

    @property
    def is_sample(self) -> bool:
        """Return whether only a part of the input is asked for."""
        return self.first is not None or self.mini_batch is not None

    @property
    def result_file(self) -> str:
        """Return where the rows are gathered: a sample's are kept apart, so that it harms no whole run's."""
        return f"{self.output}.sample" if self.is_sample else self.output


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
        input=(os.path.abspath(input_dir),),
        processes=processes,
        mini_batch_size=mini_batch_size,
        output=output,
        working_dir=working_dir,
        arguments=tuple(arguments),
    )
