"""What only the running machine can tell: its address, this process's name and arguments, the first directory."""

from __future__ import annotations

import errno
import os
import sys

from entry_script_helper import naming
from entry_script_helper.processstate import state

_OUTSIDE = ("192.0.2.1", 9)
"""An address that stands for "outside" (TEST-NET-1, RFC 5737) and the discard port: nothing is sent there."""

_NO_DESCRIPTOR = {errno.EMFILE, errno.ENFILE}


def first_directory() -> str:
    """Return the current directory as it was when first asked, or the temp directory where it is gone."""
    kept = state()
    if kept.get("first_directory") is None:
        try:
            kept["first_directory"] = os.getcwd()
        except OSError:
            return system_temp_dir()
    return str(kept["first_directory"])


def remember_first_directory(directory: str | None) -> None:
    """Set the answer of `first_directory`: a spawned child takes its parent's; None forgets it."""
    state()["first_directory"] = directory


def system_temp_dir() -> str:
    """Return the system's temp directory, from the variables that `tempfile` reads, without importing it."""
    for variable in ("TMPDIR", "TEMP", "TMP"):
        directory = os.environ.get(variable, "").strip()
        if os.path.isabs(directory):
            return directory
    return "/tmp"  # noqa: S108 - what is made below it is checked to be ours


def process_name() -> str:
    """Return the name of this process: multiprocessing's, or the cloud agent's own where that says ``MainProcess``."""
    # A process that never imported multiprocessing is a main process: logging asks in the same way.
    multiprocessing = sys.modules.get("multiprocessing.process")
    name = str(multiprocessing.current_process().name) if multiprocessing else "MainProcess"
    if name != "MainProcess":
        return name
    return agent_name() or name


def agent_name() -> str | None:
    """Return the cloud agent's name of this process (``process000``), or None where there is no agent."""
    # orig_argv, since Python 3.10: the driver may have replaced sys.argv, which an embedded interpreter may not have.
    for arguments in (getattr(sys, "argv", None), getattr(sys, "orig_argv", None)):
        name = naming.agent_name([str(argument) for argument in arguments or []])
        if name:
            return name
    return None


def address() -> str | None:
    """Return the address of the interface that would reach out, or None where there is none.

    Connecting a UDP socket sends no packet and asks no DNS: it only makes the kernel choose a route.

    Raises:
        OSError: There is no free file descriptor now, so the question can't be asked.
    """
    kept = state()
    if kept.get("address") is None:
        try:
            import _socket  # noqa: PLC0415 - the C module alone: `socket` imports three times as long
        except ImportError as error:  # a shared library needs a descriptor to be loaded
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE)) from error
        try:
            probe = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
        except OSError as error:
            if error.errno in _NO_DESCRIPTOR:
                raise
            return None
        try:
            probe.connect(_OUTSIDE)
            kept["address"] = str(probe.getsockname()[0])
        except OSError:
            return None
        finally:
            probe.close()
    found = str(kept["address"])
    return None if found.startswith(("127.", "0.")) else found


def host_name() -> str:
    """Return the name of this host as the kernel knows it: no DNS is asked."""
    return os.uname().nodename or "localhost"
