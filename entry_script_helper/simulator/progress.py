"""What is seen while a run goes on: a bar where standard error is a terminal, and the failures as they come."""

from __future__ import annotations

import sys

from entry_script_helper.errors import MissingExtraError

try:
    from tqdm import tqdm
except ImportError as error:
    raise MissingExtraError("tqdm", "simulator", "entry-script-helper run") from error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def bar(items: int) -> Any:  # noqa: ANN401 - tqdm has no types
    """Return a context that shows how many of the items are done, on a terminal; elsewhere it shows nothing."""
    return tqdm(total=items, unit="item", file=sys.stderr, disable=None)


def say(line: str) -> None:
    """Print a line to standard error, above the bar where there is one."""
    tqdm.write(line, file=sys.stderr)
