"""Where each file of the log tree is: names only, nothing is made."""

from __future__ import annotations

import dataclasses
import os

from entry_script_helper import EntryScriptHelper, naming, where


@dataclasses.dataclass(frozen=True)
class Tree:
    """The log tree of one run on one node, by the article's names."""

    log_dir: str
    node: str
    """The node's address, as one safe part of a path."""

    @property
    def overview(self) -> str:
        """Return where the summary of the run is."""
        return os.path.join(self.log_dir, "overview.txt")

    @property
    def master(self) -> str:
        """Return where the orchestrator's view is."""
        return os.path.join(self.log_dir, "master.txt")

    @property
    def driver(self) -> str:
        """Return where everything printed is."""
        return os.path.join(self.log_dir, "70_driver_log.txt")

    @property
    def driver_of_node(self) -> str:
        """Return where everything printed on this node is, where there are several: one file can't have them all.

        Of several machines that append to a shared file, each writes over what it has not seen of the others'.
        """
        return os.path.join(self.log_dir, f"70_driver_log_{self.node}.txt")

    def worker(self, process: str) -> str:
        """Return where a worker process's mini-batches are."""
        return os.path.join(self.log_dir, "worker", self.node, f"{naming.safe_component(process)}.txt")

    def user(self, process: str) -> str:
        """Return where a worker process's own records are, as text."""
        return os.path.join(self.log_dir, "user", self.node, f"{naming.safe_component(process)}.txt")

    def process_monitor(self, pid: int) -> str:
        """Return where a worker process's use of resources is."""
        name = f"process_resource_monitor_{self.node}_{pid}.csv"
        return os.path.join(self.log_dir, "performance", self.node, name)

    def node_monitor(self) -> str:
        """Return where this node's use of resources is."""
        return os.path.join(self.log_dir, "performance", self.node, f"sys_resource_monitor_{self.node}.csv")


def tree(working_dir: str) -> Tree:
    """Return the log tree below a working directory."""
    helper = EntryScriptHelper(working_dir)
    return Tree(helper.get_log_dir(), naming.safe_component(str(where(working_dir).node.value)))
