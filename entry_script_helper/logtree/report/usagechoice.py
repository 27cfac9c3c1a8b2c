"""Which nodes' and processes' resource curves are on the page: those that came to use the most memory."""

from __future__ import annotations

import heapq

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entry_script_helper.logtree.activity.resources import Usage

MOST_NODES = 24
MOST_PROCESSES = 160
NODE_BINS, PROCESS_BINS = 150, 50
"""Bins of a curve: it has at most twice as many points."""


class UsageChoice:
    """Takes what each node and process used, one after the other, and keeps the greatest."""

    def __init__(self) -> None:
        self._nodes: list[tuple[float, int, Usage]] = []
        self._processes: list[tuple[float, int, Usage]] = []
        self.nodes = 0
        """Nodes that there were."""
        self.processes = 0
        """Processes that there were."""

    def add(self, usage: Usage) -> None:
        """Look at one node or process."""
        if usage.is_node:
            self.nodes += 1
            peak = usage.memory_percent.peak or usage.memory.peak or usage.processor.peak
            _push(self._nodes, (peak.value if peak else 0.0, -self.nodes, usage), MOST_NODES)
        else:
            self.processes += 1
            peak = usage.memory.peak or usage.processor.peak
            _push(self._processes, (peak.value if peak else 0.0, -self.processes, usage), MOST_PROCESSES)

    def kept_nodes(self) -> list[Usage]:
        """Return the nodes that are kept, by name."""
        return sorted((usage for _, _, usage in self._nodes), key=lambda usage: usage.node)

    def kept_processes(self) -> list[Usage]:
        """Return the processes that are kept, the one that used the most memory first."""
        return [usage for _, _, usage in sorted(self._processes, reverse=True)]


def _push(heap: list[tuple[float, int, Usage]], member: tuple[float, int, Usage], most: int) -> None:
    heapq.heappush(heap, member)
    if len(heap) > most:
        heapq.heappop(heap)
