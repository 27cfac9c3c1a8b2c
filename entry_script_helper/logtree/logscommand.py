"""The command ``entry-script-helper logs``: the records of log trees, from its arguments to an exit code."""

from __future__ import annotations

import argparse
import os
import select
import sys

from entry_script_helper.errors import UsageError
from entry_script_helper.terminal import Parser, wants_colours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from entry_script_helper.logtree.selection import filters, reading

_LOGS = """\
Show the records of a run's logs, those of all processes and nodes merged by time, records of several lines whole."""

_LOGS_EPILOG = """\
examples:
  entry-script-helper logs . --level warning            what went wrong, of the run in this folder
  entry-script-helper logs logs.zip --mini-batch 7      all that one mini-batch left, of an archive
  entry-script-helper logs . --since 10m --follow       the last ten minutes, and what is still to come
  entry-script-helper logs . --color always | less -R   in a pager

Times are UTC. A pattern has * ? [...]; an option that can be given again asks for any of its values, --grep for all of
them. A record without a level counts as INFO, one with a traceback in it as ERROR.

exit code: 0 done; 2 bad input; 130 stopped by Ctrl-C"""


def main(program: str, arguments: Sequence[str]) -> int:
    """Run the command ``logs`` and return its exit code.

    Args:
        program: The command's name, with ``logs``.
        arguments: What follows it.

    Raises:
        UsageError: Bad input.
        KeyboardInterrupt: Ctrl-C.
        SystemExit: After ``--help``, with code 0.
    """
    options = _logs_parser(program).parse_args(arguments)
    from entry_script_helper.logtree.complaints import Complaints  # noqa: PLC0415
    from entry_script_helper.logtree.selection import reading  # noqa: PLC0415 - not needed for --help

    complaints = Complaints(lambda line: print(f"{program}: {line}", file=sys.stderr, flush=True))  # noqa: T201
    selection = reading.Selection(options.path, complaints)
    wanted = selection.wanted(
        level=options.level,
        loggers=options.logger,
        processes=options.process,
        nodes=options.node,
        since=options.since,
        until=options.until,
        greps=options.grep,
        mini_batches=options.mini_batch,
    )
    for chunk in _written(options, selection, wanted):
        if not _write(chunk):
            break
    complaints.close()
    return 0


def _logs_parser(program: str) -> Parser:
    parser = Parser(
        prog=program,
        allow_abbrev=False,
        description=_LOGS,
        epilog=_LOGS_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("path", nargs="+", metavar="PATH", help="a run's folder, its logs/, a zip archive of either, or a file")
    wanted = parser.add_argument_group("which records").add_argument
    wanted("--level", default="", help="this level and those above it")
    wanted("--logger", action="append", default=[], metavar="NAME", help="of this logger, or pattern; again for more")
    wanted("--process", action="append", default=[], help="of this process: its name, a pattern, or its id")
    wanted("--node", action="append", default=[], help="of this node, or pattern")
    wanted("--since", default="", metavar="TIME", help="from this time on (ISO 8601), or the last 10m, 2h")
    wanted("--until", default="", metavar="TIME", help="up to this time, given alike")
    wanted("--grep", action="append", default=[], metavar="REGEX", help="in which this regular expression is found")
    wanted("--mini-batch", action="append", default=[], metavar="N", help="left by this mini-batch, or naming it")
    shown = parser.add_argument_group("how").add_argument
    shown("--json", action="store_true", help="one JSON object a line")
    shown("--follow", "-f", action="store_true", help="go on with what is written from now on, also to new files")
    shown("--label", action="store_true", default=None, help="begin each line with its process (on a terminal it does)")
    shown("--no-label", action="store_false", dest="label", help="leave that out")
    shown("--color", choices=["auto", "always", "never"], default="auto", help="on a terminal (auto), always, or never")
    return parser


def _written(options: argparse.Namespace, selection: reading.Selection, wanted: filters.Filters) -> Iterator[bytes]:
    """Yield what is to be written, in the form that was asked for."""
    from entry_script_helper.logtree.selection import reading, shown  # noqa: PLC0415 - not needed for --help

    is_terminal = sys.stdout.isatty()
    has_colours = options.color == "always" or (options.color == "auto" and is_terminal and wants_colours())
    has_labels = is_terminal if options.label is None else options.label
    if not (options.json or is_terminal or has_colours or has_labels):
        for records in selection.merged(wanted, reading.as_text, follow=options.follow):
            yield from shown.plain(records) if records else [b""]
        return
    if options.json:
        line = _as_json
    else:
        line = shown.Lines(
            selection.files, has_labels=has_labels, has_colours=has_colours, is_terminal=is_terminal
        ).line
    for found in selection.merged(wanted, reading.as_found, follow=options.follow):
        yield from _joined(map(line, found))


def _as_json(item: reading.Found) -> bytes:
    from entry_script_helper.logtree.selection import reading, shown  # noqa: PLC0415 - as above

    return shown.as_object(reading.as_record(item))


def _joined(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines, some at a time: a page comes at once, and a write is not made for each of many. Of none, nothing."""
    waiting: list[bytes] = []
    size = 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size > _AT_ONCE:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


_AT_ONCE = 1 << 14


def _write(chunk: bytes) -> bool:
    """Write to standard output, and tell whether anybody still reads it.

    Raises:
        UsageError: It can't be written to.
    """
    try:
        if not chunk:
            return not _is_left()
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python would try once more when it exits
        return False
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise UsageError(f"standard output can't be written to: {error.strerror}") from error
    return True


def _is_left() -> bool:
    """Tell whether standard output is a pipe that nobody will read any more."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
