"""What is still to be handed out, and how much of it to a process at once (pure)."""

from __future__ import annotations

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Try = tuple[int, int]
    """A mini-batch's index, and the number of the try at it, counted from 1."""

MOST = 64
"""Mini-batches in a chunk."""


class Todo:
    """The tries that are to be made.

    Those at mini-batches that have been tried before come first, so that what fails is known soon.

    Args:
        indexes: The mini-batches, in the order in which they are to be tried.
        count: How many they are.
    """

    def __init__(self, indexes: Iterator[int], count: int) -> None:
        self._fresh = indexes
        self._again: deque[Try] = deque()
        self._alone: deque[Try] = deque()
        self._left = count

    def __len__(self) -> int:
        return self._left

    def take(self, most: int) -> list[Try]:
        """Take out the next tries, at most so many; none where none are left."""
        taken: list[Try] = []
        if self._alone:
            self._left -= 1
            return [self._alone.popleft()]
        while self._again and len(taken) < most:
            taken.append(self._again.popleft())
        while len(taken) < min(most, self._left):
            taken.append((next(self._fresh), 1))
        self._left -= len(taken)
        return taken

    def give_back(self, tries: list[Try], *, alone: bool = False) -> None:
        """Take tries back that were not made, or that are to be made after one that failed.

        Args:
            tries: The tries.
            alone: Whether each is to be taken by itself: one of them may be what ended a process and its machine.
        """
        (self._alone if alone else self._again).extend(tries)
        self._left += len(tries)


class Pace:
    """How many mini-batches a process is given at once: as many as fill a span of time, by how long the last took.

    Args:
        seconds: The span.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._size = 1

    def size(self, left: int, processes: int) -> int:
        """Return the size of the next chunk; towards the end it is small, so that all processes have work."""
        return max(1, min(self._size, left // (2 * processes)))

    def learn(self, count: int, seconds: float) -> None:
        """Take note of how long so many took: a chunk grows by no more than its double."""
        fitting = int(count * self._seconds / seconds) if seconds > 0 else MOST
        self._size = max(1, min(2 * self._size, fitting, MOST))
