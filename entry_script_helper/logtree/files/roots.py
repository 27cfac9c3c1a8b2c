"""Where in a folder or an archive log trees are: found by looking at names, not by asking."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Children = Callable[[str], tuple[list[str], list[str]]]
    """Takes a folder, relative to PATH ("" for PATH itself); returns the names of its folders and of its files."""

LOG_FOLDERS = ("azureml-logs", "logs", "system_logs", "user_logs")
"""The folders of a run that hold logs; beside them a run's folder holds inputs and outputs, which are none."""

FOLDERS_OF_LOGS = ("performance", "sys", "user", "worker")
"""What ``logs/`` holds in one era or another."""

FILES_OF_LOGS = ("overview.", "master.txt", "job_progress_overview", "job_result", "job_error", "70_driver_log")
"""How names of files begin that are in ``logs/`` in one era or another."""

LOG_ENDINGS = (".txt", ".log", ".jsonl", ".json", ".csv", ".out", ".err")
"""Endings of files that may be logs where nothing else tells: `guessing` looks into them."""

DEEPEST = 6
"""Folders of a PATH below one another in which a log tree is looked for."""

MOST_FOLDERS = 10_000
"""Folders that are looked into for it."""


class Root(NamedTuple):
    """A log tree within a PATH."""

    inside: str
    """The folder that was found, relative to PATH: "" for PATH itself."""
    above: str
    """What stands before the paths of its files to make them relative to the directory that holds ``logs/``."""
    only: tuple[str, ...] = ()
    """The folders in it that hold logs; () where all it holds is of the tree."""
    is_guess: bool = False
    """Nothing tells that this is a log tree: what is a log has to be told of each file."""

    def enters(self, name: str) -> bool:
        """Tell whether a folder of this name may hold files of the tree."""
        return not (self.is_guess and name.startswith("."))

    def takes(self, name: str) -> bool:
        """Tell whether a file of this name may be one of the tree."""
        return not name.startswith(".") and (not self.is_guess or name.lower().endswith(LOG_ENDINGS))


def find(children: Children, names: Sequence[str]) -> list[Root]:
    """Return the log trees in a PATH; where there is none, PATH as a guess.

    Args:
        children: What is in a folder.
        names: The folders that lead to PATH, and PATH's own name, where that is a folder.
    """
    found = _at(children, "", names)
    return [found] if found else _below(children) or [Root("", "", is_guess=True)]


def above(names: Sequence[str]) -> str:
    """Return the last of these folders' names from ``logs`` on, or "" where they don't lead into a log tree.

    ``/home/me/run_1/logs/user`` gives ``logs/user``; ``/var/logs/mine`` nothing.
    """
    for index in reversed(range(len(names))):
        if names[index] in LOG_FOLDERS:
            inner = names[index + 1 :]
            is_tree = names[index] != "logs" or not inner or inner[0] in FOLDERS_OF_LOGS
            return "/".join(names[index:]) if is_tree else ""
    return ""


def _at(children: Children, folder: str, names: Sequence[str]) -> Root | None:
    folders, files = children(folder)
    if any(name in LOG_FOLDERS for name in folders):
        return Root(folder, "", only=LOG_FOLDERS)
    if above(names):
        return Root(folder, above(names))
    if any(name in FOLDERS_OF_LOGS for name in folders) or any(name.startswith(FILES_OF_LOGS) for name in files):
        return Root(folder, "logs")
    if names and names[-1] in FOLDERS_OF_LOGS:
        return Root(folder, f"logs/{names[-1]}")
    return None


def _below(children: Children) -> list[Root]:
    found = []
    looked = 0
    level = [""]
    for _ in range(DEEPEST):
        inner = [f"{folder}/{name}".lstrip("/") for folder in level for name in sorted(children(folder)[0])]
        level = []
        for folder in inner:
            looked += 1
            name = folder.rpartition("/")[2]
            if looked > MOST_FOLDERS or name.startswith((".", "__MACOSX")):
                continue
            root = _at(children, folder, [name])
            if root:
                found.append(root)
            else:
                level.append(folder)
    return found
