"""What can be raised on purpose: one base class, each child also a fitting standard library error."""

from __future__ import annotations


class EntryScriptHelperError(Exception):
    """The base of every error that this package raises on purpose."""


class UsageError(EntryScriptHelperError, ValueError):
    """An argument that can't be meant: its text says what was wrong and what to give instead."""


class MissingExtraError(EntryScriptHelperError, ImportError):
    """A package that this call needs is not installed.

    Args:
        package: The name of the package on the package index.
        extra: The extra of this project that brings it.
        purpose: What it is needed for, as the subject of a sentence.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which can't be imported: "
            f"pip install 'entry-script-helper[{extra}]' (or {package} alone)"
        )
        self.package, self.extra, self.purpose = package, extra, purpose

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:
        """Pickle by the constructor's own arguments: an error crosses processes."""
        return type(self), (self.package, self.extra, self.purpose)


class RunContextError(EntryScriptHelperError, RuntimeError):
    """There is no Azure ML run here, or azureml-core could not make one from its variables."""


class LogFileError(EntryScriptHelperError, OSError):
    """A log file or its directory can't be used (raised with ``strict=True`` only)."""


class TempDirectoryError(EntryScriptHelperError, OSError):
    """The temp directory can't be made, or belongs to somebody else."""
