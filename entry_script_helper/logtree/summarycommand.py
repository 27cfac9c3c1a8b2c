"""The command ``entry-script-helper summary``: what a log tree tells of a run, for people or for programs."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from entry_script_helper.logtree.findings import verdict
from entry_script_helper.logtree.findings.summarising import summarise
from entry_script_helper.terminal import Parser, tell, wants_colours

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from entry_script_helper.logtree.findings.summary import Summary

_DONE, _FAILED = 0, 1


def main(program: str, arguments: Sequence[str]) -> int:
    """Run the command and return its exit code: 1 where the run has failed.

    Args:
        program: The command's name, for its help.
        arguments: What stands behind it.

    Raises:
        UsageError: An argument can't be meant, or there is no log at a path.
        SystemExit: After ``--help``, with code 0.
    """
    options = _parser(program).parse_args(arguments)
    summary = summarise(*options.path, say=_complain)
    if options.json:
        tell(json.dumps(as_object(summary)))
    else:
        is_terminal = sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if is_terminal else None
        tell("\n".join(verdict.lines(summary, width, colours=is_terminal and wants_colours())))
    return _FAILED if summary.failed else _DONE


def _parser(program: str) -> Parser:
    parser = Parser(prog=program, allow_abbrev=False, description="Say what failed in a run, and why, by its logs.")
    path_help = "a run's folder, its logs/, a single log, or a zip archive of them; again for another node's"
    parser.add_argument("path", nargs="+", metavar="PATH", help=path_help)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _complain(line: str) -> None:
    print(f"entry-script-helper: {line}", file=sys.stderr)  # noqa: T201


def as_object(summary: Summary) -> dict[str, Any]:
    """Return a summary as JSON can say it: its fields, and what its properties tell. Times are text by RFC 3339."""
    found: dict[str, Any] = _plain(summary)
    first = summary.first_cause
    return {"state": summary.state, "failed": summary.failed, "first_cause": _plain(first), **found}


def _plain(value: Any) -> Any:  # noqa: ANN401 - what JSON can say of it
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return list(map(_plain, value))
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return value
