"""Which kind of input a run has."""

from __future__ import annotations

from entry_script_helper.simulator.minibatches import FileInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entry_script_helper.simulator.minibatches import Input
    from entry_script_helper.simulator.settings import Settings


def of(settings: Settings) -> Input:
    """Return the mini-batches of a run.

    Raises:
        UsageError: There are none, or the input can't be read.
    """
    return FileInput(settings.input, settings.mini_batch_size, settings.own_paths)
