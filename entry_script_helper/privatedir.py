"""A directory for one process, in a place that others may write to: ours alone, or refused."""

from __future__ import annotations

import contextlib
import os
import stat

from entry_script_helper.errors import TempDirectoryError

_OURS_ALONE = 0o700

_REMEDY = "set AZ_BATCHAI_JOB_TEMP, or TMPDIR, to a directory of your own"


def make(path: str) -> str:
    """Make a directory that only this user may enter (mode 0700), and return its path.

    Its parent is shared by this user's processes; where another user has that name already, as on a machine that
    several people use, it is taken with this user's id behind it.

    Raises:
        TempDirectoryError: It can't be made, or what is there is a link, a file, or somebody else's.
    """
    parent, name = os.path.split(path)
    try:
        os.makedirs(os.path.dirname(parent), exist_ok=True)
        if _is_directory_of_another(parent):
            parent = f"{parent}-{os.geteuid()}"
        for directory in (parent, os.path.join(parent, name)):
            _make_ours(directory)
    except OSError as error:
        message = f"the temp directory {path} can't be used: {error.strerror or error}; {_REMEDY}"
        raise TempDirectoryError(message) from error
    return os.path.join(parent, name)


def _is_directory_of_another(path: str) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid != os.geteuid()


def _make_ours(path: str) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, _OURS_ALONE)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(None, f"{path} is a link or a file")
    if found.st_uid != os.geteuid():
        raise PermissionError(None, f"{path} belongs to user {found.st_uid}")
    if stat.S_IMODE(found.st_mode) & 0o777 != _OURS_ALONE:  # made with other rights, or under an odd umask
        os.chmod(path, _OURS_ALONE)
