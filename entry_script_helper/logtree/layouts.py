"""What a file of a log tree is, told by its path: of the article's tree, of ours, and of the later service's.

`LAYOUTS` is the whole knowledge: a row for each name that a file has in some era. A path is compared with the rows in
their order, and the first that fits tells what it is.
"""

from __future__ import annotations

import codecs
import functools
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    class Entry(Protocol):
        """One file of a tree, which need not be there any more when it is read."""

        @property
        def path(self) -> str:
            """Its path relative to the tree's root, with ``/``, safe to show; what `place` takes."""

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


USER = "user"
"""What the script logs: the helper's files, azureml_user's, the service's entry_script_log."""
PRINTED = "printed"
"""What processes print: 70_driver_log.txt, user/stdout, user/stderr, user_logs/std_log*.txt, Process-N.stdout.txt."""
ERROR = "error"
"""Errors, gathered: user/error.txt, user/error/, sys/error/, *.error.json, job_error.<time>.txt."""
STACKS = "stacks"
"""Stacks of a process that hung or crashed: <process>.stacks.txt, beside a log in JSON."""
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
DATA = "data"
"""No text, by its name: an image, an archive, a model. It is not read."""

ARTICLE, YEAR_2020, TODAY, OURS = "2019", "2020", "2020-09", "entry_script_helper"
"""The eras: the article's tree of 2019, that of 2020, that of the service from 2020-09 on, and this project's."""
ANY = ""
"""What is the same in several eras."""


class Place(NamedTuple):
    """What a path tells."""

    kind: str
    """One of the kinds above."""
    node: str = ""
    process_name: str = ""
    process: int | None = None


class LogFile(NamedTuple):
    """A file and what it is."""

    entry: Entry
    place: Place
    path: str
    """The entry's path."""


class Layout(NamedTuple):
    """The name of a file in an era.

    In a pattern ``<node>`` is a directory's name, ``<process>`` a process's name with what stands behind it in a file's
    name: its id, the time that the file is cut by, a number; ``<pid>`` and ``<id>`` are its id alone. ``*`` is anything
    without a slash, ``**`` any directories.
    """

    pattern: str
    kind: str
    era: str


LAYOUTS = (
    Layout("logs/overview.txt", OVERVIEW, ARTICLE),
    Layout("logs/master.txt", MASTER, ARTICLE),
    Layout("logs/worker/<node>/<process>.txt", WORKER, ARTICLE),
    Layout("logs/performance/<node>/process_resource_monitor_*_<pid>.csv", PROCESS_RESOURCES, ARTICLE),
    Layout("logs/performance/<node>/sys_resource_monitor_*.csv", NODE_RESOURCES, ARTICLE),
    Layout("logs/70_driver_log.txt", PRINTED, OURS),
    Layout("logs/user/<node>/<process>.<id>.error.json", ERROR, OURS),
    Layout("logs/user/<node>/<process>.stacks.txt", STACKS, OURS),
    Layout("logs/user/<node>/<process>.jsonl", USER, OURS),
    Layout("logs/overview.*.txt", OVERVIEW, YEAR_2020),
    Layout("logs/sys/master.txt", MASTER, YEAR_2020),
    Layout("logs/sys/warning.txt", MASTER, YEAR_2020),
    Layout("logs/sys/error.txt", ERROR, YEAR_2020),
    Layout("logs/sys/worker/<node>/<process>.task.csv", TRIES, YEAR_2020),
    Layout("logs/sys/worker/<node>/<process>.txt", WORKER, YEAR_2020),
    Layout("logs/user/error.txt", ERROR, ANY),
    Layout("logs/user/error/<node>/<process>.txt", ERROR, ANY),
    Layout("logs/user/stdout/<node>/<process>.stdout.txt", PRINTED, TODAY),
    Layout("logs/user/stdout/<node>/<process>.*", PRINTED, TODAY),
    Layout("logs/user/stderr/<node>/<process>.stderr.txt", PRINTED, TODAY),
    Layout("logs/user/stderr/<node>/<process>.*", PRINTED, TODAY),
    Layout("logs/user/entry_script_log/<node>/<process>.log.txt", USER, TODAY),
    Layout("logs/user/entry_script_log/<node>/<process>.txt", USER, TODAY),
    Layout("logs/user/<node>/<process>.stdout.txt", PRINTED, YEAR_2020),
    Layout("logs/user/<node>/<process>.stderr.txt", PRINTED, YEAR_2020),
    Layout("logs/user/<node>/<process>.txt", USER, ANY),
    Layout("logs/user/<node>/<process>.log", USER, ANY),
    Layout("logs/job_progress_overview*.txt", OVERVIEW, TODAY),
    Layout("logs/job_result*.txt", OVERVIEW, TODAY),
    Layout("logs/job_error*.txt", ERROR, TODAY),
    Layout("logs/sys/master_role*.txt", MASTER, TODAY),
    Layout("logs/sys/node/<node>/<process>.txt", WORKER, TODAY),
    Layout("logs/sys/error/<node>/<process>.txt", ERROR, TODAY),
    Layout("logs/sys/error/*", ERROR, TODAY),
    Layout("logs/sys/job_report/processed_mini-batch*.csv", TRIES, TODAY),
    Layout("logs/sys/job_report/*.csv", TABLE, TODAY),
    Layout("logs/sys/perf/<node>/*process*.csv", PROCESS_RESOURCES, TODAY),
    Layout("logs/sys/perf/<node>/*.csv", NODE_RESOURCES, TODAY),
    Layout("user_logs/**std_log*.txt", PRINTED, TODAY),
    Layout("azureml-logs/*.txt", PRINTED, ANY),
    # A file that was downloaded alone.
    Layout("**70_driver_log*.txt", PRINTED, ANY),
    Layout("**std_log*.txt", PRINTED, ANY),
    Layout("**<process>.stdout.txt", PRINTED, ANY),
    Layout("**<process>.stderr.txt", PRINTED, ANY),
    Layout("**<process>.<id>.error.json", ERROR, ANY),
    Layout("**<process>.stacks.txt", STACKS, ANY),
    Layout("**<process>.jsonl", USER, ANY),
    Layout("**<process>.log.txt", USER, ANY),
    Layout("**<process>.task.csv", TRIES, ANY),
    Layout("**processed_mini-batch*.csv", TRIES, ANY),
    Layout("**process_resource_monitor_*_<pid>.csv", PROCESS_RESOURCES, ANY),
    Layout("**sys_resource_monitor_*.csv", NODE_RESOURCES, ANY),
    Layout("**job_progress_overview*.txt", OVERVIEW, ANY),
    Layout("**job_result*.txt", OVERVIEW, ANY),
    Layout("**job_error*.txt", ERROR, ANY),
)
"""All names, the more special of an era first."""

DATA_ENDINGS = (
    *(".avi", ".bmp", ".gif", ".ico", ".jpeg", ".jpg", ".mov", ".mp4", ".pdf", ".png", ".tif", ".tiff", ".wav"),
    *(".7z", ".bz2", ".gz", ".tar", ".tgz", ".whl", ".xlsx", ".xz", ".zip", ".zst"),
    *(".bin", ".ckpt", ".h5", ".joblib", ".npy", ".npz", ".onnx", ".pb", ".pickle", ".pkl", ".pt", ".pth"),
    *(".db", ".feather", ".parquet", ".pyc", ".safetensors", ".so", ".sqlite", ".tmp"),
)
"""Endings of files that are no text."""


def place(path: str) -> Place:
    """Return what a file is.

    Args:
        path: Its path relative to the tree's root, with ``/``, as an entry of `sources` has it.
    """
    found = _matching(path)
    if found is None:
        return Place(DATA if path.lower().endswith(tuple(DATA_ENDINGS)) else OTHER)
    layout, match = found
    parts = match.groupdict()
    pid = parts.get("pid") or parts.get("id")
    process = int(pid) if pid else None
    return Place(layout.kind, decoded(parts.get("node") or ""), decoded(parts.get("process") or ""), process)


def era(paths: Iterable[str]) -> str:
    """Return the era of a tree, told by the names of its files, or "" where no name tells it.

    The latest wins: today's service leaves files of the earlier names too, and a script that uses this project there
    leaves ours.
    """
    found = {matching[0].era for matching in map(_matching, paths) if matching}
    return next((era for era in (TODAY, YEAR_2020, OURS, ARTICLE) if era in found), ANY)


def decoded(component: str) -> str:
    """Return the name that a part of a path stands for: `naming.safe_component` backwards.

    What is no such encoding comes back as it is; of a name that was cut, what is left of it.
    """
    if component == "%empty":
        return ""
    if "%" not in component:
        return component
    kept, cut, digest = component.partition("%~")
    data = unquote_to_bytes(re.sub("%[0-9A-F]?$", "", kept) if cut else kept)
    try:
        name = codecs.getincrementaldecoder("utf-8")("surrogatepass").decode(data, final=not cut)
    except UnicodeDecodeError:
        return component
    return name + cut + digest


def _matching(path: str) -> tuple[Layout, re.Match[str]] | None:
    folders = path.split("/", 2)[:-1]
    for layout, ending, pattern in _rows("/".join(folders)):
        match = path.endswith(ending) and pattern.fullmatch(path)  # most names are told apart by their endings
        if match:
            return layout, match
    return None


@functools.lru_cache(maxsize=1000)
def _rows(head: str) -> list[_Compiled]:
    """Return the rows that a path below these first folders can fit: few of all."""
    return [row for folders, row in _compiled() if _can_begin(head, folders)]


def _can_begin(head: str, folders: str) -> bool:
    shorter, longer = sorted((head, folders), key=len)
    return f"{longer}/".startswith(f"{shorter}/") if shorter else not folders


_TOKENS = {
    "<node>": "(?P<node>[^/]+)",
    "<pid>": r"(?P<pid>\d{1,9})",
    # Behind all else in the name of an error file, which stands beside a log that may have it within its own name.
    "<id>": r"(?P<id>\d{1,7})(?:\.\d{1,2})?",
    # Behind the name: the process's id and a number, then the date or date and hour that the file is cut by, and a
    # number. An id has at most seven digits (Linux: PID_MAX_LIMIT), a date eight or ten.
    "<process>": r"(?P<process>[^/]+?)(?:\.(?P<pid>\d{1,7})(?:\.\d{1,2})?)?(?:\.20\d{6}(?:\d\d)?(?:\.\d+)?)?",
    "**": "(?:.*/)?",
    "*": "[^/]*",
}


class _Compiled(NamedTuple):
    layout: Layout
    ending: str
    """What paths that fit end in."""
    pattern: re.Pattern[str]


@functools.cache
def _compiled() -> list[tuple[str, _Compiled]]:
    """Return each row with the first folders, two at most, of paths that fit."""
    token = re.compile("|".join(map(re.escape, _TOKENS)))
    rows = []
    for layout in LAYOUTS:
        literal = token.split(layout.pattern)
        found = [re.escape(part) for part in literal]
        for index, match in enumerate(token.findall(layout.pattern)):
            found[index] += _TOKENS[match]
        folders = "/".join(literal[0].split("/")[:-1][:2])
        rows.append((folders, _Compiled(layout, literal[-1], re.compile("".join(found), re.DOTALL))))
    return rows
