"""The command ``entry-script-helper run``: from its arguments to settings, and from the result to an exit code."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import json
import os
import sys

from entry_script_helper.errors import UsageError
from entry_script_helper.simulator import options
from entry_script_helper.terminal import Parser, tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

_CLOSE = 0.85
"""How alike an unknown option and one of ours must be (0 to 1) to be taken for a slip of the pen."""

_HELP = """\
Run an entry script as ParallelRunStep does, on this machine: init() once in each worker process, run(mini_batch) for
each mini-batch, shutdown() once at the end where the script has one. The rows that run() returns end in the result
file, each mini-batch's exactly once. The logs are those of a job, below logs/."""

_EPILOG = """\
Options have the service's names, those of v1 and of v2, with hyphens or underscores. Options that are not listed here,
and everything after `--`, are the script's own: it finds them in sys.argv.

exit code: 0 all went well, or the failures were within the thresholds; 2 bad input; 71 the time was over;
72 init() failed; 73 some items failed; 74 all items failed; 130 stopped by Ctrl-C"""

_NAMES_OF_THE_SCRIPT = tuple(f"--{name.replace('_', '-')}" for name in options.SCRIPT)


def main(program: str, arguments: Sequence[str]) -> int:
    """Run the command and return its exit code.

    Args:
        program: The command's name, with ``run``.
        arguments: What follows it.

    Raises:
        EntryScriptHelperError: Bad input.
        KeyboardInterrupt: Ctrl-C.
        SystemExit: After ``--help``, with code 0.
    """
    script, given, own = _parsed(program, arguments)
    from entry_script_helper.simulator import request  # noqa: PLC0415 - not needed for --help

    quiet, as_json = bool(given.pop("quiet", False)), bool(given.pop("json", False))
    settings = request.settings_for(script, given, arguments=own, called=_called)
    from entry_script_helper.simulator import master, result, shown  # noqa: PLC0415 - pebble and tqdm, once all is checked

    with _for_the_result_alone() if as_json else contextlib.nullcontext():
        outcome = master.run(settings, quiet=quiet)
    if as_json:
        tell(json.dumps(result.as_object(outcome)))
        return outcome.exit_code
    if outcome.first_failure is not None and not quiet:
        print(shown.safe(outcome.first_failure.traceback), end="", file=sys.stderr)  # noqa: T201
    lines = result.verdict(outcome)
    if outcome.succeeded_mini_batches and outcome.succeeded_mini_batches < outcome.mini_batches:
        lines += (
            [] if settings.is_sample else ["again: the same command with --resume scores only what has not succeeded"]
        )
    tell("\n".join(lines))
    return outcome.exit_code


def _called(name: str) -> str:
    return f"--{name.replace('_', '-')}"


@contextlib.contextmanager
def _for_the_result_alone() -> Iterator[None]:
    """Let what the script prints, in this process or another, go to standard error."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _parsed(program: str, arguments: Sequence[str]) -> tuple[str | None, dict[str, Any], list[str]]:
    """Return the script, the options by their names, read, and the script's own arguments."""
    ours, own = list(arguments), []
    if "--" in ours:
        cut = ours.index("--")
        ours, own = ours[:cut], ours[cut + 1 :]
    ours = _without_the_drivers([_with_hyphens(argument) for argument in ours])
    names = {argument.partition("=")[0] for argument in ours}
    # Where the script need not be named here, a word among the script's arguments must not be taken for it.
    is_named = bool(names.intersection(("--job", *_NAMES_OF_THE_SCRIPT)))
    first = ours.pop(0) if is_named and ours and not ours[0].startswith("-") else None
    parsed, unknown = _parser(program, with_script=not is_named).parse_known_args(ours)
    found = vars(parsed)
    named = found.pop("script", None)
    _refuse_slips(unknown)
    _refuse_more_inputs(ours, unknown)
    given = {name: options.read(name, value, _called(name)) for name, value in found.items() if value is not None}
    return first or named, options.canonical(given), unknown + own


_FLAGS = {
    **{flag: option.name for option in options.OPTIONS for flag in option.flags},
    **dict.fromkeys(_NAMES_OF_THE_SCRIPT, "script"),
    "--max-retries": options.MAX_RETRIES,
}


def _with_hyphens(argument: str) -> str:
    """Return an argument with hyphens for underscores, where it is one of ours."""
    flag, equals, value = argument.partition("=")
    hyphened = flag.replace("_", "-")
    is_ours = flag.startswith("--") and (hyphened in _FLAGS or options.is_of_the_driver(flag[2:].replace("-", "_")))
    return f"{hyphened}{equals}{value}" if is_ours else argument


def _without_the_drivers(arguments: list[str]) -> list[str]:
    """Leave out what the service's driver takes and means nothing here."""
    kept = []
    waiting = iter(arguments)
    for argument in waiting:
        flag, equals, _ = argument.partition("=")
        if flag.startswith("--") and options.is_of_the_driver(flag[2:].replace("-", "_")):
            if not equals:
                next(waiting, None)
        else:
            kept.append(argument)
    return kept


def _parser(program: str, *, with_script: bool) -> Parser:
    parser = Parser(
        prog=program,
        allow_abbrev=False,
        description=_HELP,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=f"{program} SCRIPT --input PATH [options] [the script's own arguments]\n"
        f"       {program} --job FILE [--step NAME] [options] [more arguments for the script]",
    )
    groups = {}
    for option in options.OPTIONS:
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
            if not groups.keys() - {option.group} and with_script:
                help_text = "the entry script: a Python file that defines run(mini_batch)"
                groups[option.group].add_argument("script", metavar="SCRIPT", nargs="?", help=help_text)
        _add(groups[option.group], option)
    tries = groups["processes and time"]
    tries.add_argument("--max-retries", dest=options.MAX_RETRIES, metavar="N", help="the tries beyond the first (v2)")
    for flag in _NAMES_OF_THE_SCRIPT:
        parser.add_argument(flag, dest="script", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser


def _add(group: Any, option: options.Option) -> None:  # noqa: ANN401 - argparse's group
    text = option.help.replace("%", "%%")
    if not option.metavar:
        group.add_argument(*option.flags, dest=option.name, action="store_true", default=None, help=text)
    elif option.name == "input":
        group.add_argument(*option.flags, dest=option.name, metavar=option.metavar, action="append", help=text)
    else:
        group.add_argument(*option.flags, dest=option.name, metavar=option.metavar, help=text)


def _refuse_slips(unknown: list[str]) -> None:
    """Refuse an unknown option that is most likely one of ours, misspelt: the script would never ask for it."""
    for argument in unknown:
        name = argument.partition("=")[0]
        close = difflib.get_close_matches(name.replace("_", "-"), _FLAGS, n=1, cutoff=_CLOSE)
        if name.startswith("--") and close:
            raise UsageError(
                f"unknown option {name}: did you mean {close[0]}? (if it is the script's own, put it after `--`)"
            )


def _refuse_more_inputs(arguments: list[str], unknown: list[str]) -> None:
    """Refuse what a shell made of a pattern: several paths behind ``--input``, all but one for the script."""
    for flag, value, behind in zip(arguments, arguments[1:], arguments[2:]):
        alike = os.path.dirname(behind) == os.path.dirname(value) and os.path.exists(behind)
        if _FLAGS.get(flag) == "input" and behind in unknown and alike:
            raise UsageError(
                f"--input takes one path, and {behind} comes behind it: put the pattern in quotes, or give --input "
                "again for each (if it is the script's own argument, put it after `--`)"
            )
