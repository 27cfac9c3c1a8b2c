"""A mark that changes with each handler or formatter of ours: one look tells whether all is as it was."""

from __future__ import annotations


class Changes:
    """What was changed last."""

    __slots__ = ("latest",)

    def __init__(self) -> None:
        self.latest = object()

    def add(self) -> None:
        """Say that something changed."""
        self.latest = object()


changes = Changes()


class Watched:
    """Says so when an attribute of its own is set, except those that begin with an underscore."""

    def __setattr__(self, name: str, value: object) -> None:
        """Set the attribute."""
        super().__setattr__(name, value)
        if not name.startswith("_"):
            changes.add()
