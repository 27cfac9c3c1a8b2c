"""Which members of a long list are on the page: the first, the last, and an even selection of those between."""

from __future__ import annotations

import math
from collections import deque
from typing import Generic, TypeVar

from entry_script_helper.logtree.activity.thinning import Spread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

Member = TypeVar("Member")


class Choice(Generic[Member]):
    """Keeps members of a list of unknown length, in bounds of number and weight.

    Args:
        first: How many of the first are kept.
        between: How many of those between are kept at most.
        last: How many of the last are kept.
        heaviest: What those between may weigh together; where they weigh more, fewer are kept.
        weigh: Tells what one weighs.
    """

    def __init__(
        self,
        first: int,
        between: int,
        last: int,
        heaviest: float = math.inf,
        weigh: Callable[[Member], float] | None = None,
    ) -> None:
        self._most_first, self._most_last = first, last
        self._first: list[Member] = []
        self._last: deque[Member] = deque()
        self._between: Spread[Member] = Spread(between, heaviest, weigh)
        self.count = 0
        """Members that there were."""

    def add(self, member: Member) -> None:
        """Add one."""
        self.count += 1
        if len(self._first) < self._most_first:
            self._first.append(member)
            return
        self._last.append(member)
        if len(self._last) > self._most_last:
            self._between.add(self._last.popleft())

    def kept(self) -> list[Member]:
        """Return those that are kept, in their order."""
        return [*self._first, *self._between, *self._last]
