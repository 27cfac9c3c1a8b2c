"""The result file: each succeeded mini-batch's rows exactly once, and never half a file for a reader to find.

The rows gather in a file beside it, which takes its place at the end of the run (also of one that failed or was
stopped by Ctrl-C: what succeeded is kept). So a run starts afresh, and until its end an earlier run's file stands.
"""

from __future__ import annotations

import os

from entry_script_helper.errors import EntryScriptHelperError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import NoReturn


class OutputError(EntryScriptHelperError, OSError):
    """The result file can't be written."""


class ResultFile:
    """The result file of one run, as a context: what is written is at *path* when the context ends.

    Where it ends with an exception other than `KeyboardInterrupt`, what stood at *path* is left as it was.

    Raises:
        OutputError: The file can't be made or written.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._gathering = f"{path}.{os.getpid()}.part"

    def __enter__(self) -> ResultFile:  # noqa: PYI034 - typing.Self is not in Python 3.9
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            self._file = open(self._gathering, "wb", buffering=0)
        except OSError as error:
            self._refuse(error)
        return self

    def write(self, rows: bytes) -> None:
        """Append one mini-batch's rows."""
        try:
            while rows:  # a write may take only a part
                rows = rows[self._file.write(rows) :]
        except OSError as error:
            self._refuse(error)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        try:
            if kind is None or issubclass(kind, KeyboardInterrupt):
                os.replace(self._gathering, self._path)
            else:
                os.remove(self._gathering)
        except OSError as trouble:
            self._refuse(trouble)

    def _refuse(self, error: OSError) -> NoReturn:
        raise OutputError(
            f"the result file {self._path} can't be written: {error}; free some space, or give --output another file"
        ) from error
