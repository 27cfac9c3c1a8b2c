r"""Names that are safe as one component of a path: pure functions, no look at the machine.

The encoding is percent-encoding (RFC 3986) of all but a few characters, so that two names never meet in one
file, also on the Azure file shares that the logs lie on (they forbid ``\ / : | < > * ? "`` and a trailing dot).
"""

from __future__ import annotations

import functools
import re

LONGEST = 200
"""Bytes in a component: a file system's 255 less what a log file's name adds (a process id, an ending)."""


def safe_component(name: str) -> str:
    """Return *name* as one safe component of a path.

    Ordinary names (``Process-1``, ``10.0.0.4``, ``ForkPoolWorker-1 (a)``) come back as they are. Different names
    come back different: ``%`` is always encoded, so the forms below can't be the encoding of another name.

    Args:
        name: Any text, also empty, with separators, NUL, lone surrogates, or of any length.

    Returns:
        At most `LONGEST` ASCII characters, never empty, ``.`` or ``..``, without a separator.
    """
    if not name:
        return "%empty"
    encoded = _unsafe().sub(_percent, name)
    if len(encoded) <= LONGEST:
        return encoded
    from hashlib import sha256  # noqa: PLC0415 - hashlib is heavy, and a name this long is rare

    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{encoded[: LONGEST - 34]}%~{digest}"


@functools.cache
def _unsafe() -> re.Pattern[str]:
    # Compiled when first needed: it would take longer than the rest of this module's import.
    return re.compile(r"[^A-Za-z0-9 _.,;=@()+~#&!$'{}^\[\]-]|^[. ]|[. ]$")


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match.group().encode("utf-8", "surrogatepass"))


def agent_name(arguments: list[str]) -> str | None:
    """Return the agent's name that Azure ML's driver puts into a worker's command line, such as ``process000``.

    The driver starts its agents as plain subprocesses, which `multiprocessing` all calls ``MainProcess``; one of
    their arguments is a JSON object with the key ``agent_name`` (observed in public job logs).
    """
    for argument in arguments:
        if '"agent_name"' in argument:
            match = re.search(r'"agent_name"\s*:\s*"([^"\\]+)"', argument)
            if match:
                return match.group(1)
    return None
