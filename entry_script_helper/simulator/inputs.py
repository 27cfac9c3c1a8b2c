"""Which kind of input a run has: files by count or by key, or tables."""

from __future__ import annotations

from entry_script_helper.simulator.minibatches import FileInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from entry_script_helper.simulator.minibatches import Input
    from entry_script_helper.simulator.settings import Settings

_BLOCK = 10_000
"""Paths that are taken out of a listing at once."""


def of(settings: Settings) -> Input:
    """Return the mini-batches of a run.

    Raises:
        UsageError: There are none, or the input can't be read or is not of its format.
        MissingExtraError: A package for tables is not installed.
    """
    if settings.input_format != "files":
        from entry_script_helper.simulator.tabular import TableInput  # noqa: PLC0415 - for tables alone

        return TableInput(_files(settings), settings)
    if settings.partition_keys:
        from entry_script_helper.simulator.partitions import FilesByKey  # noqa: PLC0415 - for keys alone

        return FilesByKey(_files(settings), settings.partition_keys, settings.partition_format)
    return FileInput(settings.input, settings.mini_batch_size, settings.own_paths)


def _files(settings: Settings) -> Iterator[str]:
    listing = FileInput(settings.input, _BLOCK, settings.own_paths)
    for index in range(listing.mini_batches):
        yield from listing.mini_batch(index).load()
