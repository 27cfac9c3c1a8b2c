"""Mutual exclusion that a signal handler, a destructor or a fork can't hang in, at a third of the price of a lock.

A lock's methods read their arguments as slowly as any function can; `dict.setdefault` takes the same one step.
"""

from __future__ import annotations

from _thread import get_ident
from time import sleep

_LONGEST = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.00005, 0.001


class Turn:
    """Whose turn it is: a context that one thread is in at a time, and that it may enter again.

    Who holds it for more than ten seconds loses it: a thread that was killed within must not stop all others.
    """

    __slots__ = ("_depth", "owner")

    def __init__(self) -> None:
        self.owner: dict[None, int] = {}
        """The thread whose turn it is, under the only key.

        To take the turn, ``setdefault(None, ident)``, which gives that very object; to pass it on, ``clear()``.
        """
        self._depth = 0

    def __enter__(self) -> None:
        """Wait for the turn."""
        thread = get_ident()
        waited, pause = 0.0, _FIRST_PAUSE
        while True:
            owner = self.owner.setdefault(None, thread)
            if owner is thread:
                self._depth = 0
                return
            if owner == thread:  # this is a signal handler or a destructor within the turn
                self._depth += 1
                return
            if waited > _LONGEST:
                self.owner.clear()
            sleep(pause)
            waited += pause
            pause = min(2 * pause, _LONGEST_PAUSE)

    def __exit__(self, *_: object) -> None:
        """Pass the turn on, unless it was this thread's before."""
        if self._depth:
            self._depth -= 1
        else:
            self.owner.clear()
