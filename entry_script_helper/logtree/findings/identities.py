"""Which process a line is of, where each file tells only a part of it: a node, a name, an id.

A worker's log has all three; the master knows names and ids; a table of the service's has a name that is the same on
every node; an error file has an id alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Identity(NamedTuple):
    """A process, as far as it is told."""

    node: str = ""
    name: str = ""
    process: int | None = None
    """The process's id."""

    @property
    def is_whole(self) -> bool:
        """Tell whether all of it is told."""
        return bool(self.node and self.name and self.process is not None)

    def fits(self, other: Identity) -> bool:
        """Tell whether both can be the same process: nothing that both tell differs."""
        return (
            (self.node == other.node or not self.node or not other.node)
            and (self.name == other.name or not self.name or not other.name)
            and (self.process == other.process or self.process is None or other.process is None)
        )


NOBODY = Identity()
"""No process that is told."""

_MOST = 20_000
_SLACK = 0.05
"""Seconds by which a process may say something before the master says that it has begun."""


class Identities:
    """The processes of a run."""

    def __init__(self) -> None:
        self._begun: dict[str, list[tuple[float, int]]] = {}
        """By name, when processes of that name began and their ids, as the master tells."""
        self._ids: set[int] = set()
        self._by_process: dict[int, set[Identity]] = {}
        self._by_name: dict[str, set[Identity]] = {}

    def begin(self, name: str, process: int, time: float | None) -> None:
        """Take note of a process that has begun."""
        if len(self._ids) < _MOST:
            self._begun.setdefault(name, []).append((time or 0.0, process))
            self._ids.add(process)

    def is_stranger(self, process: int | None) -> bool:
        """Tell whether a process's id is none of those that the master has told of."""
        return bool(self._ids) and process not in self._ids

    def of(self, node: str, name: str, process: int | None, time: float | None) -> Identity:
        """Return an identity, with the id that the process of that name had at that time; and remember it."""
        begun = self._begun.get(name) if process is None else None
        if begun:
            before = [number for start, number in begun if time is not None and start <= time + _SLACK]
            process = before[-1] if before else begun[-1][1]
        found = Identity(node, name, process)
        if found.is_whole and len(self._by_process) < _MOST:
            self._by_process.setdefault(found.process or 0, set()).add(found)
            self._by_name.setdefault(name, set()).add(found)
        return found

    def whole(self, found: Identity, likely: Iterable[Identity] = ()) -> Identity:
        """Return all that is known of a process, where it can be but one.

        Args:
            found: What a line tells of it.
            likely: Processes of which one is more likely than others.
        """
        if found.is_whole or found == NOBODY:
            return found
        fitting = [each for each in likely if each.is_whole and each.fits(found)]
        if len(fitting) != 1:
            known = self._by_process.get(found.process, ()) if found.process is not None else ()
            fitting = [each for each in known or self._by_name.get(found.name, ()) if each.fits(found)]
        return fitting[0] if len(fitting) == 1 else found
