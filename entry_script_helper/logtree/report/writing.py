"""A file that is there as a whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile

from entry_script_helper.errors import UsageError


def check(path: str) -> None:
    """Check that a file can be written there, before what costs time is begun.

    Raises:
        UsageError: It is a directory, or its directory can't be written to.
    """
    if os.path.isdir(path):
        raise UsageError(f"{path} is a directory: give the name of a file, such as {os.path.join(path, 'report.html')}")
    handle, temporary = _begun(path)
    os.close(handle)
    os.unlink(temporary)


def write(path: str, data: bytes) -> None:
    """Write a file beside its place, and move it there when it is whole.

    Raises:
        UsageError: It can't be written; what was there is as it was.
    """
    handle, temporary = _begun(path)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _mode())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise _refusal(path, error) from error
        raise


def _begun(path: str) -> tuple[int, str]:
    """Return a new file beside a path, open, and its own path."""
    try:
        return tempfile.mkstemp(dir=os.path.dirname(path) or ".", prefix=".report-", suffix=".tmp")
    except OSError as error:
        raise _refusal(path, error) from error


def _refusal(path: str, error: OSError) -> UsageError:
    return UsageError(f"{path} can't be written: {error.strerror}: name another file with -o")


def _mode() -> int:
    """Return the mode of a new file, as for any other: mkstemp's own lets nobody else read it."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
