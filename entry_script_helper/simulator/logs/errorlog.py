"""user/<ip>/Process-N.<pid>.error.json: what the script of a worker process raised, as `guard` would describe it."""

from __future__ import annotations

import contextlib
import time

from entry_script_helper import lastresort, redaction
from entry_script_helper.jsontext import readable
from entry_script_helper.simulator.failures import script_frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from entry_script_helper.simulator.journal import Start


MOST_ITEMS = 100
"""Items of a mini-batch that are told: as many as `guard` tells."""


def first_items(mini_batch: object) -> list[str]:
    """Return the first items of a mini-batch of files, before run() changes the list; of a table none."""
    return mini_batch[:MOST_ITEMS] if isinstance(mini_batch, list) else []


def add(error: BaseException, function: str, log: str, start: Start | None = None, items: Sequence[str] = ()) -> None:
    """Add an exception to the error file of this process.

    Args:
        error: What was raised.
        function: The entry script's function: ``init``, ``run`` or ``shutdown``.
        log: This process's own log, which the file stands beside.
        start: The try at a mini-batch in which it was raised, if it was in one.
        items: The mini-batch's first items, where they are files.
    """
    fields: dict[str, object] = {"function": function, "outcome": "failed"}
    if start is not None:
        fields |= {
            "elapsed_seconds": round(time.time() - start.start1, 6),
            "processor_seconds": round(time.process_time() - start.start2, 6),
            "items_in": start.total,
            "minibatch_index": start.index,
            "retry_count": start.number - 1,
            "items": items,
        }
    try:
        from entry_script_helper.guardedcall import describe  # noqa: PLC0415 - for scripts that fail

        describe(error, script_frames(error), fields, log, redaction.from_environment(redact=True))
    except Exception as trouble:  # noqa: BLE001 - the failure itself is told in any case
        with contextlib.suppress(MemoryError):
            lastresort.say_once("error file", f"an exception could not be described: {readable(trouble)}")
