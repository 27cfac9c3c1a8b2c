"""Files of folders as entries: none is kept open, no link is followed, and what is no file is not opened."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from entry_script_helper.logtree.complaints import (
    LINK,
    NO_FILE,
    REPLACED,
    SHRANK,
    UNREADABLE_FOLDER,
    ReadError,
    printable,
)
from entry_script_helper.logtree.files import guessing, roots

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entry_script_helper.logtree.complaints import Complaints

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


class Base(NamedTuple):
    """A folder in which a tree begins."""

    real: str
    """Where it is."""
    shown: str
    """As the user calls it."""
    above: str
    """What stands before its files' names in their paths."""


class FileEntry:
    """A file: an `Entry` of `sources`. Each read opens and closes it, and looks whether it is still the same file."""

    __slots__ = ("_base", "_seen", "key")

    def __init__(self, base: Base, full: str) -> None:
        self._base = base
        self.key = full
        """The file's path on this machine."""
        self._seen: tuple[int, int] | None = None

    @property
    def path(self) -> str:
        """Return its path relative to the tree's root, safe to show."""
        return printable(f"{self._base.above}/{self._name}" if self._base.above else self._name)

    @property
    def location(self) -> str:
        """Return its path as a user reaches it, safe to show."""
        return printable(os.path.join(self._base.shown, self._name))

    @property
    def _name(self) -> str:
        return self.key[len(self._base.real) :].lstrip("/")

    def size(self) -> int:
        """Return how many bytes it has now.

        Raises:
            OSError: It is gone, or can't be looked at.
        """
        return os.stat(self.key, follow_symlinks=False).st_size

    def modified(self) -> float:
        """Return when it was last written to, in seconds since the epoch.

        Raises:
            OSError: It is gone, or can't be looked at.
        """
        return os.stat(self.key, follow_symlinks=False).st_mtime

    def identity(self) -> object:
        """Return what it keeps when it is renamed.

        Raises:
            OSError: It is gone, or can't be looked at.
        """
        found = os.stat(self.key, follow_symlinks=False)
        return found.st_dev, found.st_ino

    def again(self) -> FileEntry:
        """Return an entry for whatever file is there now."""
        return FileEntry(self._base, self.key)

    def read(self, offset: int, length: int) -> bytes:
        """Return up to so many bytes from there on; none at its end.

        Raises:
            OSError: It is gone or can't be read.
            ReadError: It is another file than the first time, or is shorter than *offset*.
        """
        descriptor = os.open(self.key, _FLAGS)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise ReadError(NO_FILE)
            if self._seen is None:
                self._seen = found.st_dev, found.st_ino
            elif self._seen != (found.st_dev, found.st_ino):
                raise ReadError(REPLACED)
            data = os.pread(descriptor, length, offset)
            if not data and offset > os.fstat(descriptor).st_size:
                raise ReadError(SHRANK)
            return data
        finally:
            os.close(descriptor)


class Lone:
    """A file that was itself given as PATH, as a source."""

    def __init__(self, file: FileEntry) -> None:
        self._file = file

    def entries(self) -> Iterator[FileEntry]:
        """Yield the file."""
        yield self._file


def lone(path: str, real: str) -> FileEntry:
    """Return the entry of a file that was itself given: as *path*, which is *real*."""
    folder = os.path.dirname(real)
    above = roots.above(folder.split("/"))
    return FileEntry(Base(folder, os.path.dirname(path), above), real)


class Folder:
    """The log trees in a folder, as a source that can be looked at again.

    Args:
        path: The folder as the user calls it.
        real: Where it is, without a link in it.
        complaints: Told what is in it and can't be read.
    """

    def __init__(self, path: str, real: str, complaints: Complaints) -> None:
        self._path, self._real, self._complaints = path, real, complaints
        self._roots: list[tuple[Base, roots.Root]] = []
        self._no_logs: dict[str, int] = {}
        """Files that were found to be no logs, and how large they were then."""

    def entries(self) -> Iterator[FileEntry]:
        """Yield the files that are there now, in order of their paths in each tree."""
        if not self._roots or self._roots[0][1].is_guess:
            self._roots = [(self._base(root), root) for root in roots.find(self._children, self._real.split("/"))]
        for base, root in self._roots:
            for full in self._files(base, root):
                entry = FileEntry(base, full)
                if not root.is_guess or self._is_log(entry):
                    yield entry

    def _is_log(self, entry: FileEntry) -> bool:
        """Tell whether a file is a log; it is looked into again only where its size has changed."""
        try:
            size = entry.size()
        except OSError:
            return False
        if self._no_logs.get(entry.key) == size:
            return False
        if guessing.is_log(entry):
            return True
        self._no_logs[entry.key] = size
        return False

    def _base(self, root: roots.Root) -> Base:
        if not root.inside:
            return Base(self._real, self._path, root.above)
        return Base(os.path.join(self._real, root.inside), os.path.join(self._path, root.inside), root.above)

    def _files(self, base: Base, root: roots.Root) -> Iterator[str]:
        """Yield the paths of the files of a tree, in order."""
        waiting = [found for found in self._listed(base, base.real) if not root.only or found.name in root.only]
        while waiting:
            found = waiting.pop()
            if found.kind == _FOLDER:
                waiting += self._listed(base, found.full) if root.enters(found.name) else []
            elif not root.takes(found.name):
                pass
            elif found.kind == _FILE:
                yield found.full
            elif found.kind == _NO_FILE:
                self._complaints.add(_shown(base, found.full), NO_FILE)
            elif not _leads_inside(base, root, found.full):  # else it is read where it is itself
                self._complaints.add(_shown(base, found.full), LINK)

    def _children(self, folder: str) -> tuple[list[str], list[str]]:
        base = Base(self._real, self._path, "")
        names: list[str] = []
        files: list[str] = []
        for found in self._listed(base, os.path.join(self._real, folder)):
            (names if found.kind == _FOLDER else files).append(found.name)
        return names, files

    def _listed(self, base: Base, full: str) -> list[_Found]:
        """Return what is in a folder, the last first; nothing of one that is gone."""
        try:
            with os.scandir(full) as listing:  # some file systems are asked only now what each name is
                return sorted(map(_found, listing), reverse=True)
        except FileNotFoundError:
            return []
        except OSError as error:
            self._complaints.add(_shown(base, full), UNREADABLE_FOLDER, error.strerror or "")
            return []


class _Found(NamedTuple):
    order: str
    """The name as it stands in paths: names ordered by this are in the order of paths."""
    name: str
    full: str
    kind: str


_FOLDER, _FILE, _LINK, _NO_FILE = "folder", "file", "link", "no file"


def _found(entry: os.DirEntry[str]) -> _Found:
    if entry.is_dir(follow_symlinks=False):
        return _Found(f"{entry.name}/", entry.name, entry.path, _FOLDER)
    if entry.is_file(follow_symlinks=False):
        return _Found(entry.name, entry.name, entry.path, _FILE)
    return _Found(entry.name, entry.name, entry.path, _LINK if entry.is_symlink() else _NO_FILE)


def _leads_inside(base: Base, root: roots.Root, link: str) -> bool:
    """Tell whether a link leads to what is read itself; one that leads in a circle does, to itself."""
    target = os.path.realpath(link)
    tops = [os.path.join(base.real, name) for name in root.only] or [base.real]
    return any(f"{target}/".startswith(f"{top}/") for top in tops)


def _shown(base: Base, full: str) -> str:
    return os.path.join(base.shown, full[len(base.real) :].lstrip("/"))
