"""What a file of a log tree is, told by its path: of the article's tree and of the later service's."""

from __future__ import annotations

from typing import NamedTuple

USER = "user"
"""What the script logs: the helper's files, azureml_user's, the service's entry_script_log."""
PRINTED = "printed"
"""What processes print: 70_driver_log.txt, user/stdout, user/stderr, user_logs/std_log*.txt, Process-N.stdout.txt."""
ERROR = "error"
"""Errors, gathered: user/error.txt, user/error/, sys/error/, *.error.json, job_error.<time>.txt."""
OVERVIEW = "overview"
"""How far the run is, and its result: overview.txt, job_progress_overview, job_result.txt."""
MASTER = "master"
"""What the orchestrator did: master.txt, sys/master.txt, sys/master_role.txt, sys/warning.txt."""
WORKER = "worker"
"""What a worker process did with its mini-batches: worker/<ip>/Process-N.txt, sys/node/<node>/<process>.txt."""
TRIES = "tries"
"""A table of mini-batches: Process-N.task.csv, sys/job_report/processed_mini-batches.csv."""
TABLE = "table"
"""Another table of the job report: process_summary.csv, node_summary.csv."""
NODE_RESOURCES = "node resources"
"""A table of what a node uses: performance/<ip>/sys_resource_monitor_<ip>.csv, sys/perf/<node>/."""
PROCESS_RESOURCES = "process resources"
"""A table of what a process uses: performance/<ip>/process_resource_monitor_<ip>_<pid>.csv."""
OTHER = "other"
"""Any other file of a tree."""


class Place(NamedTuple):
    """What a path tells."""

    kind: str
    """One of the kinds above."""
    node: str = ""
    process_name: str = ""
    process: int | None = None
