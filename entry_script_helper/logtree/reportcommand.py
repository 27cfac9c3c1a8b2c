"""The command ``entry-script-helper report``: a page about a run, from the arguments to an exit code."""

from __future__ import annotations

import sys

from entry_script_helper.terminal import Parser, tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_DONE = 0
_DEFAULT = "report.html"
_MEGABYTE = 1_000_000

_HELP = """\
Write one page about a run: its verdict, a timeline of the mini-batches, throughput, resources, errors and records. It
opens in any browser, also offline, and asks no server for anything."""


def main(program: str, arguments: Sequence[str]) -> int:
    """Run the command and return its exit code.

    Args:
        program: The command's name, for its help.
        arguments: What stands behind it.

    Raises:
        UsageError: An argument can't be meant, there is no log at a path, or the page can't be written.
        MissingExtraError: A package that draws the page is not installed.
        SystemExit: After ``--help``, with code 0.
    """
    options = _parser(program).parse_args(arguments)
    from entry_script_helper.logtree import report  # noqa: PLC0415 - not needed for --help

    size = report.draw(options.path, options.output, say=lambda line: _complain(program, line))
    tell(f"{options.output}: {size / _MEGABYTE:.1f} MB")
    return _DONE


def _parser(program: str) -> Parser:
    parser = Parser(prog=program, allow_abbrev=False, description=_HELP, epilog="exit code: 0 done; 2 bad input")
    path_help = "a run's folder, its logs/, a zip archive of either, or a file; again for another node's"
    parser.add_argument("path", nargs="+", metavar="PATH", help=path_help)
    output_help = f"the page's file; without it {_DEFAULT} in the current directory"
    parser.add_argument("-o", "--output", default=_DEFAULT, metavar="FILE", help=output_help)
    return parser


def _complain(program: str, line: str) -> None:
    print(f"{program}: {line}", file=sys.stderr)  # noqa: T201
