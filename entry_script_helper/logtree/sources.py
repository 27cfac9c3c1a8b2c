"""Where the bytes of a log tree come from: folders, files, archives."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    class Entry(Protocol):
        """One file of a tree, which need not be there any more when it is read."""

        @property
        def path(self) -> str:
            """Its path relative to the tree's root, with ``/``."""

        def size(self) -> int:
            """Return how many bytes it has now.

            Raises:
                OSError: It is gone, or can't be looked at.
            """

        def read(self, offset: int, length: int) -> bytes:
            """Return up to so many bytes from there on; none at its end.

            Raises:
                OSError: It is gone, was replaced by another file, shrank below *offset*, or can't be read.
            """
