"""Make batch-scoring entry scripts for Azure ML's ParallelRunStep debuggable.

Call `config` (or ``EntryScriptHelper().config(...)``) in ``init()``, and log with the standard library.
"""

from __future__ import annotations

from entry_script_helper.entryscript import EntryScript
from entry_script_helper.errors import (
    EntryScriptHelperError,
    LogFileError,
    MissingExtraError,
    RunContextError,
    TempDirectoryError,
    UsageError,
)
from entry_script_helper.guard import guard
from entry_script_helper.helper import EntryScriptHelper, config, get_logger, where

__version__ = "0.1.0"

__all__ = [
    "EntryScript",
    "EntryScriptHelper",
    "EntryScriptHelperError",
    "LogFileError",
    "MissingExtraError",
    "RunContextError",
    "TempDirectoryError",
    "UsageError",
    "config",
    "get_logger",
    "guard",
    "where",
]
