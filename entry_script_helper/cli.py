"""The command ``entry-script-helper``: reads the command line and calls what it names, importing only that."""

from __future__ import annotations

import argparse
import difflib
import io
import json
import os
import sys

import entry_script_helper
from entry_script_helper.errors import EntryScriptHelperError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from entry_script_helper.environment import Choice

PROGRAM = "entry-script-helper"

_DONE, _FAILED, _BAD_INPUT, _INTERRUPTED = 0, 1, 2, 130

_CLOSE = 0.85
"""How alike an unknown option and one of ours must be (0 to 1) to be taken for a slip of the pen."""

_RUN_HELP = """\
Run an entry script over the files of a directory, as ParallelRunStep does: init() once in each worker process,
run(mini_batch) for each mini-batch of files, shutdown() once at the end where the script has one.

The rows that run() returns end in the result file, each mini-batch's exactly once. A mini-batch whose run() raises,
returns a wrong type or loses its process counts as failed; it is not tried again, and the others go on."""

_RUN_EPILOG = """\
Options that are not listed here, and everything after `--`, are the script's own: it finds them in sys.argv.

exit code: 0 all went well; 1 a mini-batch, init() or shutdown() failed, or no item succeeded; 2 bad input;
130 stopped by Ctrl-C"""


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line: a page of usage hides what was wrong."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; `{self.prog} --help` shows what can be given")


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
    except KeyboardInterrupt:
        print(f"{PROGRAM}: stopped by Ctrl-C; the result file holds what had succeeded", file=sys.stderr)  # noqa: T201
        return _INTERRUPTED


def _dispatch(arguments: list[str]) -> int:
    parser, run_parser = _parsers()
    ours, the_scripts = arguments, []
    if "--" in arguments:
        cut = arguments.index("--")
        ours, the_scripts = arguments[:cut], arguments[cut + 1 :]
    options, unknown = parser.parse_known_args(ours)
    if options.command == "where":
        if unknown or the_scripts:
            parser.error(f"where: unknown arguments: {' '.join(unknown + the_scripts)}")
        return _where(as_json=options.json)
    _refuse_slips(run_parser, unknown)
    return _run(options, unknown + the_scripts)


def _parsers() -> tuple[_Parser, _Parser]:
    parser = _Parser(prog=PROGRAM, allow_abbrev=False, description="Batch-scoring entry scripts, debuggable.")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {entry_script_helper.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    where_text = "tell where this process is, as the helper sees it, and why"
    where = commands.add_parser("where", allow_abbrev=False, help=where_text, description=where_text)
    where.add_argument("--json", action="store_true", help="print one JSON object")

    run = commands.add_parser(
        "run",
        allow_abbrev=False,
        help="run an entry script over the files of a directory, on this machine",
        description=_RUN_HELP,
        epilog=_RUN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=f"{PROGRAM} run SCRIPT --input DIR [options] [the script's own arguments]",
    )
    run.add_argument("script", metavar="SCRIPT", help="the entry script: a Python file that defines run(mini_batch)")
    run.add_argument("--input", required=True, metavar="DIR", help="the files to score: all below this directory")
    run.add_argument("--processes", type=int, metavar="N", help="worker processes (default: one per processor)")
    run.add_argument("--mini-batch-size", type=int, default=10, metavar="N", help="files in a mini-batch (default: 10)")
    run.add_argument(
        "--output", metavar="FILE", help="the result file (default: parallel_run_step.txt in the working directory)"
    )
    return parser, run


def _refuse_slips(run_parser: _Parser, unknown: list[str]) -> None:
    """Refuse an unknown option that is most likely one of ours, misspelt: the script would never ask for it."""
    known = [option for action in run_parser._actions for option in action.option_strings]  # noqa: SLF001
    for argument in unknown:
        name = argument.partition("=")[0]
        close = difflib.get_close_matches(name.replace("_", "-"), known, n=1, cutoff=_CLOSE)
        if name.startswith("--") and close:
            raise UsageError(
                f"unknown option {name}: did you mean {close[0]}? (if it is the script's own, put it after `--`)"
            )


def _where(*, as_json: bool) -> int:
    place: dict[str, Choice] = entry_script_helper.where()._asdict()
    if as_json:
        _tell(json.dumps({field: choice._asdict() for field, choice in place.items()}))
        return _DONE
    width = max(len(field) for field in place)
    _tell("\n".join(f"{field:{width}}  {choice.value or '-'}  ({choice.why})" for field, choice in place.items()))
    return _DONE


def _run(options: argparse.Namespace, arguments: list[str]) -> int:
    from entry_script_helper.simulator import master, result, settings  # noqa: PLC0415 - pebble and tqdm, for this alone

    outcome = master.run(
        settings.checked(
            script=options.script,
            input_dir=options.input,
            processes=options.processes,
            mini_batch_size=options.mini_batch_size,
            output=options.output,
            arguments=arguments,
        )
    )
    _tell("\n".join(result.verdict(outcome)))
    if outcome.first_failure is not None:
        print(outcome.first_failure.traceback, end="", file=sys.stderr)  # noqa: T201
    return _DONE if outcome.succeeded_wholly else _FAILED


def _tell(text: str) -> None:
    """Print to standard output, now; nobody may be reading any more (``| head``), which is no failure of the run."""
    try:
        print(text, flush=True)  # noqa: T201
    except BrokenPipeError:  # Python would try, and complain, once more when it exits
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
