"""The entry script's folder as it travels to nodes that don't see it: what is in it, known by a digest, and packed."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile

from entry_script_helper.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_BYTES = 64 * 1024 * 1024
"""What a folder may hold to be sent: more is for a shared file system."""

_MOST_MODULES = 1000
"""Python files that the digest looks at: who has more has a shared file system, or a package that is installed."""


def digest(folder: str) -> str:
    """Return a digest of the Python files below a folder; empty where there is no such folder."""
    found = hashlib.sha256()
    count = 0
    for path in _files(folder, ()):
        if path.endswith(".py") and count < _MOST_MODULES:
            count += 1
            with open(path, "rb") as file:
                text = file.read()
            found.update(b"%b %d\n%b" % (os.fsencode(os.path.relpath(path, folder)), len(text), text))
    return found.hexdigest() if count else ""


def pack(folder: str, without: Iterable[str]) -> bytes:
    """Return a folder as a zip archive.

    Args:
        folder: The folder.
        without: Files and directories that are left out: the input, and what the run itself makes.

    Raises:
        UsageError: It holds too much, or can't be read.
    """
    size = 0
    buffer = io.BytesIO()
    try:
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
            for path in _files(folder, tuple(without)):
                size += os.path.getsize(path)
                if size > MOST_BYTES:
                    raise UsageError(
                        f"the entry script's folder {folder} holds more than {MOST_BYTES // 1024**2} MB, too much "
                        "to be sent to each node: share it with the nodes under the same path, or put the script "
                        "into a folder of its own"
                    )
                archive.write(path, os.path.relpath(path, folder))
    except OSError as error:
        raise UsageError(f"the entry script's folder can't be read: {error}; give one that can") from error
    return buffer.getvalue()


def unpack(archive: bytes, folder: str) -> None:
    """Write out what `pack` returned."""
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        packed.extractall(folder)  # nosec - it is from the master, who may run anything here


def _files(folder: str, without: tuple[str, ...]) -> Iterator[str]:
    """Yield the files below a folder, in an order of their own: no hidden ones, no byte code, no links that loop."""
    for directory, names, files in os.walk(folder):
        names[:] = sorted(
            name
            for name in names
            if not name.startswith(".") and name != "__pycache__" and os.path.join(directory, name) not in without
        )
        for name in sorted(files):
            path = os.path.join(directory, name)
            if not name.startswith(".") and path not in without and os.path.isfile(path):
                yield path
