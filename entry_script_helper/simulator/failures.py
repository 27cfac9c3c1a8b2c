"""What went wrong, as text that can cross processes: the entry script's own exceptions need not be picklable."""

from __future__ import annotations

import dataclasses
import os
import traceback

from entry_script_helper.tracebacks import readable_traceback, summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@dataclasses.dataclass(frozen=True)
class Failure:
    """One failure: the error in a line, where in the script it was, and its traceback, ended by a newline."""

    error: str
    place: str = ""
    traceback: str = ""
    bad_input: bool = False
    """Whether what was given can't be run at all, as opposed to a script that failed at its work."""

    def located(self, *where: str) -> Failure:
        """Return this failure with more about its place."""
        return dataclasses.replace(self, place=", ".join(part for part in (self.place, *where) if part))

    def __str__(self) -> str:
        return f"{self.error} ({self.place})" if self.place else self.error


def from_exception(error: BaseException, script: str) -> Failure:
    """Return an exception of the entry script as a failure.

    Args:
        error: What was raised, with its traceback.
        script: The entry script's path: the innermost line of it is what its author wants to see first.
    """
    return Failure(
        error=summary(error),
        place=_place(error, script),
        traceback=readable_traceback(error, script_frames(error)),
    )


def _place(error: BaseException, script: str) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{os.path.basename(error.filename)}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == script]
    if not frames:
        return os.path.basename(script)
    return f"{os.path.basename(script)}:{frames[-1].lineno} in {frames[-1].name}"


def script_frames(error: BaseException) -> TracebackType | None:
    """Return an exception's traceback without the frames of this package, which called the script."""
    shown = error.__traceback__
    while shown is not None and shown.tb_frame.f_code.co_filename.startswith(_PACKAGE + os.sep):
        shown = shown.tb_next
    return shown
