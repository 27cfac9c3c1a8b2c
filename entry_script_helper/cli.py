"""The command ``entry-script-helper``: reads the command line and calls what it names, importing only that."""

from __future__ import annotations

import io
import json
import sys

import entry_script_helper
from entry_script_helper.errors import EntryScriptHelperError
from entry_script_helper.terminal import Parser, tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from entry_script_helper.environment import Choice

PROGRAM = "entry-script-helper"

_DONE, _BAD_INPUT, _INTERRUPTED = 0, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        argv: The arguments; without them, those of this process.

    Raises:
        SystemExit: After ``--help`` and ``--version``, with code 0.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a path may hold what the terminal's encoding can't say
            stream.reconfigure(errors="backslashreplace")
    try:
        return _dispatch(list(sys.argv[1:] if argv is None else argv))
    except EntryScriptHelperError as error:
        print(f"{PROGRAM}: error: {error}", file=sys.stderr)  # noqa: T201
        return _BAD_INPUT
    except KeyboardInterrupt as error:
        print(f"{PROGRAM}: {str(error) or 'stopped by Ctrl-C'}", file=sys.stderr)  # noqa: T201
        return _INTERRUPTED


def _dispatch(arguments: list[str]) -> int:
    if arguments[:1] == ["run"]:
        from entry_script_helper.simulator import commandline  # noqa: PLC0415 - for this alone

        return commandline.main(f"{PROGRAM} run", arguments[1:])
    if arguments[:1] == ["logs"]:
        from entry_script_helper.logtree import logscommand  # noqa: PLC0415 - as above

        return logscommand.main(f"{PROGRAM} logs", arguments[1:])
    if arguments[:1] == ["summary"]:
        from entry_script_helper.logtree import summarycommand  # noqa: PLC0415 - as above

        return summarycommand.main(f"{PROGRAM} summary", arguments[1:])
    if arguments[:1] == ["report"]:
        from entry_script_helper.logtree import reportcommand  # noqa: PLC0415 - as above

        return reportcommand.main(f"{PROGRAM} report", arguments[1:])
    options = _parser().parse_args(arguments)
    return _where(as_json=options.json)


def _parser() -> Parser:
    parser = Parser(prog=PROGRAM, allow_abbrev=False, description="Batch-scoring entry scripts, debuggable.")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {entry_script_helper.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)

    commands.add_parser("run", add_help=False, help="run an entry script as ParallelRunStep does, on this machine")
    commands.add_parser("logs", add_help=False, help="show a run's logs, all processes and nodes merged by time")
    commands.add_parser("summary", add_help=False, help="say what failed in a run, and why, by its logs")
    commands.add_parser("report", add_help=False, help="write one page about a run, with charts, that opens offline")

    where_text = "tell where this process is, as the helper sees it, and why"
    where = commands.add_parser("where", allow_abbrev=False, help=where_text, description=where_text)
    where.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _where(*, as_json: bool) -> int:
    place: dict[str, Choice] = entry_script_helper.where()._asdict()
    if as_json:
        tell(json.dumps({field: choice._asdict() for field, choice in place.items()}))
        return _DONE
    width = max(len(field) for field in place)
    tell("\n".join(f"{field:{width}}  {choice.value or '-'}  ({choice.why})" for field, choice in place.items()))
    return _DONE
