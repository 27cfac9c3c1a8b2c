"""A record of a log, whatever wrote it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclasses.dataclass(frozen=True)
class Record:
    """One record, with its further lines. What a format does not tell is empty or None."""

    path: str
    """The file that holds it, relative to the tree's root, with ``/``."""
    offset: int
    """Where it begins in that file, in bytes."""
    raw: str
    """All of its lines, as they are; bytes that are no UTF-8 as ``\\xff``."""
    time: datetime | None = None
    """When it was written, in UTC; where its own lines have no time, that of the record before it in the file."""
    level: str = ""
    """``DEBUG``, ``INFO``, ``WARNING``, ``ERROR``, ``CRITICAL``, or another level's name."""
    logger: str = ""
    message: str = ""
    """What was said, with further lines (a traceback) behind it, as they were before they were indented."""
    process: int | None = None
    """The process's id."""
    process_name: str = ""
    """The process's name, from the record or from the file's: ``Process-1``."""
    node: str = ""
    """The node, from the record or from the directory: ``10.0.0.4``."""
    thread: int | None = None
    function: str = ""
    extras: Mapping[str, object] = dataclasses.field(default_factory=dict)
    """Further keys of a record in JSON, ``exception`` among them."""
