"""user/<ip>/Process-N.<pid>.error.json: what the script of a worker process raised, as `guard` would describe it."""

from __future__ import annotations

import contextlib
import time

from entry_script_helper import lastresort, redaction
from entry_script_helper.jsontext import readable
from entry_script_helper.simulator.failures import script_frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entry_script_helper.simulator.journal import Start


def add(error: BaseException, function: str, log: str, start: Start | None = None) -> None:
    """Add an exception to the error file of this process.

    Args:
        error: What was raised.
        function: The entry script's function: ``init``, ``run`` or ``shutdown``.
        log: This process's own log, which the file stands beside.
        start: The try at a mini-batch in which it was raised, if it was in one.
    """
    fields: dict[str, object] = {"function": function, "outcome": "failed"}
    if start is not None:
        fields |= {
            "elapsed_seconds": round(time.time() - start.start1, 6),
            "processor_seconds": round(time.process_time() - start.start2, 6),
            "items_in": start.total,
            "minibatch_index": start.index,
            "retry_count": start.number - 1,
        }
    try:
        from entry_script_helper.guardedcall import describe  # noqa: PLC0415 - for scripts that fail

        describe(error, script_frames(error), fields, log, redaction.from_environment(redact=True))
    except Exception as trouble:  # noqa: BLE001 - the failure itself is told in any case
        with contextlib.suppress(MemoryError):
            lastresort.say_once("error file", f"an exception could not be described: {readable(trouble)}")
