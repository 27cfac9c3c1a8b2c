"""The run that azureml-core knows, asked once a process. azureml-core is imported here and nowhere else."""

from __future__ import annotations

import os

from entry_script_helper.environment import RUN_ID, run_id
from entry_script_helper.errors import EntryScriptHelperError, MissingExtraError, RunContextError
from entry_script_helper.jsontext import readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_runs: dict[tuple[int, str | None], Any] = {}


def get_run() -> Any:  # noqa: ANN401 - azureml.core.Run
    """Return this process's `azureml.core.Run`.

    Raises:
        MissingExtraError: azureml-core is not installed, or one of the modules that it needs.
        RunContextError: There is no run here, or azureml-core could not make one from its variables (it raises
            errors of a dozen kinds: for a bad token, endpoint, expiry, network).
    """
    key = (os.getpid(), os.environ.get(RUN_ID))
    if key not in _runs:
        _runs[key] = _ask()
    return _runs[key]


def _ask() -> Any:  # noqa: ANN401
    try:
        from azureml.core import Run  # noqa: PLC0415 - more than a second, 80 MiB

        return Run.get_context(allow_offline=False)
    except ImportError as error:
        raise _missing(error) from error
    except Exception as error:
        run = run_id(os.environ).value
        if run is None:
            message = f"there is no Azure ML run here ({RUN_ID} is not set): get_run() works inside a job only"
        else:
            reason = " ".join(readable(error).split())
            message = f"azureml-core could not make the run {run}: {type(error).__name__}: {reason}"
        raise RunContextError(message) from error


def _missing(error: ImportError) -> EntryScriptHelperError:
    if error.name == "imghdr":  # left out of Python 3.13, which azureml-core 1.61 has not noticed
        return MissingExtraError("standard-imghdr", "azureml", "azureml-core on Python 3.13")
    return MissingExtraError("azureml-core", "azureml", "get_run()")
