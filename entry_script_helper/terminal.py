"""How a command talks: complaints of one line, and output that nobody may be reading any more."""

from __future__ import annotations

import argparse
import os
import sys

from entry_script_helper.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line: a page of usage hides what was wrong."""

    def error(self, message: str) -> NoReturn:
        """Raise the complaint as a `UsageError`."""
        raise UsageError(f"{message}; `{self.prog} --help` shows what can be given")


def tell(text: str) -> None:
    """Print to standard output, now; nobody may be reading any more (``| head``), which is no failure of the run."""
    try:
        print(text, flush=True)  # noqa: T201
    except BrokenPipeError:  # Python would try, and complain, once more when it exits
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def wants_colours() -> bool:
    """Tell whether a terminal may be sent colours: https://no-color.org, and terminals that have none."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
