"""Text for the terminal and for machines: without secrets, and without characters that steer a terminal.

What a script raises may hold an URL with its signature, or the name of a file that an attacker chose.
"""

from __future__ import annotations

from entry_script_helper import formatting, redaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_redactors: list[Callable[[str], str]] = []


def safe(text: str) -> str:
    """Return text as it may be shown: secrets replaced, control characters but newlines and tabs written out."""
    if not _redactors:
        redactor = redaction.from_environment(True)  # noqa: FBT003 - config()'s argument
        _redactors.append(redactor or str)
    redacted = _redactors[0](text)
    return "\n".join(formatting.one_line(line) for line in redacted.split("\n"))
