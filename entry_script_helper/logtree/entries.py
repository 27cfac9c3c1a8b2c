"""What a file of a log tree is to all who read it, wherever its bytes come from (types alone)."""

from __future__ import annotations

from typing import Protocol


class Entry(Protocol):
    """One file of a tree, which need not be there any more when it is read."""

    @property
    def path(self) -> str:
        """Its path relative to the tree's root, with ``/``, safe to show; what `layouts.place` takes."""

    @property
    def key(self) -> str:
        """What no other file has: where it is on this machine, as its bytes are, not safe to show."""

    @property
    def location(self) -> str:
        """Its path as a user reaches it from PATH, safe to show: of several trees, no two have the same."""

    def modified(self) -> float:
        """Return when it was last written to, in seconds since the epoch.

        Raises:
            OSError: It is gone, or can't be looked at.
        """

    def identity(self) -> object:
        """Return what it keeps when it is renamed, and no other file has.

        Raises:
            OSError: It is gone, or can't be looked at.
        """

    def again(self) -> Entry:
        """Return an entry for whatever file is there now."""

    def size(self) -> int:
        """Return how many bytes it has now.

        Raises:
            OSError: It is gone, or can't be looked at.
        """

    def read(self, offset: int, length: int) -> bytes:
        """Return up to so many bytes from there on; none at its end.

        Raises:
            OSError: It is gone, was replaced by another file, shrank below *offset*, or can't be read.
                `Complaints.failed` says it in a line.
        """
