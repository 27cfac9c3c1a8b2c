"""The debugger, opened where the script raised."""

from __future__ import annotations

import os
import pdb  # noqa: T100 - for those who ask for it
import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


def open_at(error: BaseException, script: str) -> bool:
    """Open Python's debugger at an exception, in the innermost frame of the script or of modules beside it.

    Args:
        error: What was raised, with its traceback.
        script: The entry script's path.

    Returns:
        Whether to go on: False where the user quit.
    """
    debugger = _PostMortem()
    print(traceback.format_exception_only(type(error), error)[-1], end="", file=debugger.stdout)
    above = _frames_above(error.__traceback__, os.path.dirname(script))
    if above:
        debugger.rcLines.append(f"up {above}")
    debugger.reset()
    debugger.interaction(None, error.__traceback__)
    return not debugger.quitting


class _PostMortem(pdb.Pdb):
    """A debugger that traces nothing, as all is over: other tracers (an editor's, coverage's) stay in their place."""

    def set_continue(self) -> None:
        """Go on."""

    def set_quit(self) -> None:
        """Stop."""
        self.quitting = True


def _frames_above(trace: TracebackType | None, folder: str) -> int:
    """Return how many frames there are within the innermost one of the script's own; 0 where none is its own."""
    count = found = 0
    is_found = False
    while trace is not None:
        count += 1
        if os.path.dirname(trace.tb_frame.f_code.co_filename) == folder:
            is_found, found = True, count
        trace = trace.tb_next
    return count - found if is_found else 0
