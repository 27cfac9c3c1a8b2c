"""What runs in a worker process: the entry script's functions, their results and exceptions turned into plain values.

Nothing of the script's own crosses to the master, only text and numbers, so that what can't be pickled there is no
trouble here. Nor does a call raise: whatever the script raises comes back as a failure.
"""

from __future__ import annotations

import dataclasses
import os

from entry_script_helper import environment
from entry_script_helper.simulator import script
from entry_script_helper.simulator.failures import Failure, from_exception

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entry_script_helper.simulator.settings import Settings

_CONTRACT = "it must return a list or a tuple with one item for each file that succeeded"
_REMEDIES = {
    "NoneType": "is a `return` missing at its end?",
    "generator": "turn what it yields into a list, and return that",
}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How one call ended: a failure, or the rows (UTF-8, each ended by a newline) and the number of result items."""

    failure: Failure | None = None
    rows: bytes = b""
    returned: int = 0
    died: bool = False
    """Whether the worker process died in the call: said by the master, as nobody else can."""


_loaded: list[script.EntryScriptModule] = []
"""The entry script of this process, once `start` has loaded it."""


def start(settings: Settings) -> Outcome:
    """Load the entry script into this process and call its ``init()``."""
    # The master's directory, whatever the script does to its own, so that all logs of a run lie together.
    os.environ[environment.WORKING_DIR] = settings.working_dir
    try:
        loaded = script.load(settings.script, settings.arguments)
        loaded.init()
    except script.NotAnEntryScriptError as error:
        return Outcome(Failure(str(error), bad_input=True))
    except BaseException as error:  # noqa: BLE001 - also SystemExit: sys.exit() in a script is a failure to be told
        return Outcome(from_exception(error, settings.script))
    _loaded[:] = [loaded]
    return Outcome()


def score(files: list[str]) -> Outcome:
    """Call ``run()`` with the files of one mini-batch."""
    loaded = _loaded[0]
    try:
        returned = loaded.run(files)
        if not isinstance(returned, (list, tuple)):
            return Outcome(_wrong_type(returned, loaded.path))
        # As the service writes them. A file name that is no UTF-8 comes out as the bytes that it has on disk.
        rows = "".join(f"{item!s}\n" for item in returned).encode("utf-8", "surrogateescape")
        return Outcome(rows=rows, returned=len(returned))
    except BaseException as error:  # noqa: BLE001
        return Outcome(from_exception(error, loaded.path))


def finish() -> Outcome:
    """Call ``shutdown()``."""
    loaded = _loaded[0]
    try:
        loaded.shutdown()
    except BaseException as error:  # noqa: BLE001
        return Outcome(from_exception(error, loaded.path))
    return Outcome()


def _wrong_type(returned: object, path: str) -> Failure:
    kind = type(returned).__name__
    remedy = _REMEDIES.get(kind, "wrap it: `return [result]` for one file, or a list of the files' results")
    what = "None" if returned is None else f"a value of type {kind}"
    error = f"TypeError: run() returned {what}, but {_CONTRACT}; {remedy}"
    return Failure(error, os.path.basename(path), traceback=f"{error}\n")
