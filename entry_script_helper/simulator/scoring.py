"""One call of run(): with what it is called, and what its result comes to."""

from __future__ import annotations

import dataclasses
import os

from entry_script_helper import contract
from entry_script_helper.simulator.failures import Failure
from entry_script_helper.simulator.script import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entry_script_helper.simulator.minibatches import MiniBatch
    from entry_script_helper.simulator.script import EntryScriptModule


@dataclasses.dataclass(frozen=True)
class Scored:
    """What became of a mini-batch in one call."""

    total: int
    succeeded: int = 0
    rows: bytes = b""
    failure: Failure | None = None
    """Why the mini-batch failed, or items of it."""
    is_whole: bool = True
    """Whether it counts as succeeded, though items of it may have failed."""
    note: str = ""


def score(module: EntryScriptModule, mini_batch: MiniBatch, value: Any, number: int) -> Scored:  # noqa: ANN401
    """Call run() for a try at a mini-batch.

    Args:
        module: The entry script.
        mini_batch: The mini-batch.
        value: What it holds: paths, or a DataFrame. An empty one is not passed to run() (as the service has it).
        number: Which try it is, counted from 1.

    Raises:
        BaseException: Whatever run() raises, or an item of its result when its text is asked for.
    """
    total = contract.count(value)
    if not total:
        return Scored(0)
    if module.takes_context:
        context = Context(mini_batch.index, number - 1, mini_batch.partition_key_value, mini_batch.dataset)
        returned = module.run(value, context)
    else:
        returned = module.run(value)
    judged = contract.judge(returned, total)
    place = os.path.basename(module.path)
    if not judged.is_right_type:
        error = f"TypeError: {judged.problem}"
        return Scored(total, failure=Failure(error, place, traceback=f"{error}\n"), is_whole=False)
    rows = contract.rows(returned)
    if judged.failed:
        return Scored(total, judged.succeeded, rows, Failure(judged.problem, place))
    return Scored(total, total, rows, note=judged.problem)
