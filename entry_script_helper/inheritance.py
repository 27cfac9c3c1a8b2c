"""What a spawned child needs to log like its parent.

A forked child has its parent's loggers. One that is spawned, or forked by a fork server, starts with none: what was
configured travels with the process object, in the mapping that multiprocessing hands to all descendants.
"""

from __future__ import annotations

import os
import sys

from entry_script_helper import lastresort, machine
from entry_script_helper.jsontext import readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterable
    from typing import Any, TypedDict

    from entry_script_helper.cutting import Cut
    from entry_script_helper.ratelimit import Rate

    class Options(TypedDict):
        """How a logger is configured, beside its level."""

        json: bool
        redact: bool | Iterable[str | re.Pattern[str]]
        cut: Cut | None
        rate: Rate | None


_KEY = "entry_script_helper"


class Inheritance:
    """The loggers that were configured, by name; it can be pickled whatever it holds."""

    def __init__(self) -> None:
        self.configured: dict[str, tuple[Any, ...]] = {}

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle each logger's arguments apart: what can't be pickled must not keep a child from starting."""
        from pickle import dumps  # noqa: PLC0415 - loaded by whoever pickles this

        payloads = []
        for helper, fallback, name, level, options in list(self.configured.values()):
            try:
                payloads.append(dumps((helper, fallback, name, level, options)))
            except Exception:  # noqa: BLE001, PERF203 - a lock or a local class in the helper
                payloads.append(dumps((fallback, fallback, name, level, {**options, "redact": True})))
        return _inherit, (payloads, machine.first_directory())


def remember(
    helper: Any,  # noqa: ANN401 - an EntryScriptHelper, whose module imports this one
    fallback: Any,  # noqa: ANN401
    name: str,
    level: int,
    options: Options,
) -> None:
    """Let children that will be spawned by this process configure a logger as it was configured here.

    Args:
        helper: The helper, which a child needs for the getters that it overrides.
        fallback: One to take in its place where it can't be pickled.
        name: The logger's name.
        level: The logger's level.
        options: What else there is to know.
    """
    process = sys.modules.get("multiprocessing.process")
    inherited = getattr(process.current_process(), "_config", None) if process else None
    if isinstance(inherited, dict):
        inheritance = inherited.setdefault(_KEY, Inheritance())
        inheritance.configured[name] = (helper, fallback, name, level, options)


def _inherit(payloads: list[bytes], first_directory: str) -> Inheritance:
    """In the child: configure the loggers, opening no file until one logs."""
    from pickle import loads  # noqa: PLC0415

    machine.remember_first_directory(first_directory)
    inheritance = Inheritance()
    for payload in payloads:
        try:
            arguments = loads(payload)  # noqa: S301 - from our parent, as the process object itself is
            helper, _, name, level, options = arguments
            helper._attach(name, level, options)  # noqa: SLF001 - config() without the file
            inheritance.configured[name] = arguments
        except Exception as error:  # noqa: BLE001, PERF203 - the child must start
            lastresort.say_once((os.getpid(), payload), f"a logger was not inherited: {readable(error)}")
    return inheritance
