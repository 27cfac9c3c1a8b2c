"""Where the bytes of a log tree come from: folders, single files, zip archives, as entries with paths of one form.

A path in a tree is relative to the directory that holds ``logs/``, whatever of it was given: of a run's folder, of its
``logs/``, and of an archive of either, an entry is ``logs/user/10.0.0.4/Process-1.txt``. A lone file that lies in no
``logs/`` is its name.

No file is kept open: a tree has more files than a process may have descriptors. What is no file (a FIFO, a device) is
never opened, and a link is never followed, but where it was itself given as PATH: a tree that somebody else made must
not make this one wait, go round in circles, or read what lies elsewhere.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from entry_script_helper.errors import UsageError
from entry_script_helper.logtree.complaints import printable
from entry_script_helper.logtree.files import archives, folders

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Protocol

    from entry_script_helper.logtree.complaints import Complaints
    from entry_script_helper.logtree.layouts import Entry

    class _Source(Protocol):
        def entries(self) -> Iterator[Entry]: ...


LOOKED_FOR = "no logs/, user_logs/ or azureml-logs/, and no file whose lines begin with a time"
WHAT_TO_GIVE = "give a run's folder, its logs/, a file of it, or a zip archive of them"

_NOT_READ = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"7z\xbc\xaf": "7z"}


class Sources:
    """The files of one or several PATHs, which can be looked at again for files that have appeared.

    Args:
        paths: Folders, files, zip archives.
        complaints: Told what is there and can't be read.

    Raises:
        UsageError: A PATH is missing, can't be read at all, or is packed in a way that is not read.
    """

    def __init__(self, paths: Iterable[str | os.PathLike[str]], complaints: Complaints) -> None:
        self._complaints = complaints
        self._streams = archives.Streams()
        self._known: set[str] = set()
        self._sources = [(os.fspath(path), self._source(os.fspath(path))) for path in paths]

    def rescan(self) -> list[Entry]:
        """Return the entries that have appeared since the last time; at first, all. In order of their paths."""
        return [entry for _, source in self._sources for entry in self._new(source)]

    def all(self) -> list[Entry]:
        """Return the entries, as `rescan` does at first.

        Raises:
            UsageError: A PATH has no log in it.
        """
        found: list[Entry] = []
        for path, source in self._sources:
            entries = list(source.entries())
            if not entries:
                raise UsageError(printable(f"{path}: no log is in it: {LOOKED_FOR}: {WHAT_TO_GIVE}"))
            found += [entry for entry in entries if self._is_new(entry)]
        return found

    def _new(self, source: _Source) -> Iterator[Entry]:
        return (entry for entry in source.entries() if self._is_new(entry))

    def _is_new(self, entry: Entry) -> bool:
        is_new = entry.key not in self._known
        self._known.add(entry.key)
        return is_new

    def _source(self, path: str) -> _Source:
        try:
            real = os.path.realpath(path)
            mode = os.stat(real).st_mode
            if stat.S_ISDIR(mode):
                os.scandir(real).close()
                return folders.Folder(path, real, self._complaints)
            if not stat.S_ISREG(mode):
                raise UsageError(printable(f"{path}: this is no file (but a FIFO, socket or device): {WHAT_TO_GIVE}"))
            file = folders.lone(path, real)
            beginning = file.read(0, 8)
        except FileNotFoundError:
            raise UsageError(printable(f"{path}: there is no such file or folder: {WHAT_TO_GIVE}")) from None
        except OSError as error:
            raise UsageError(printable(f"{path}: can't be read: {error.strerror}: {WHAT_TO_GIVE}")) from error
        if beginning.startswith(archives.MAGIC):
            return archives.Archive(file, self._complaints, self._streams)
        for magic, name in _NOT_READ.items():
            if beginning.startswith(magic):
                raise UsageError(printable(f"{path}: this is packed by {name}, which is not read: unpack it first"))
        return folders.Lone(file)


def entries(paths: Iterable[str | os.PathLike[str]], complaints: Complaints) -> list[Entry]:
    """Return the files of PATHs, those of each in order of their paths, each file once.

    Args:
        paths: Folders, files, zip archives.
        complaints: Told what is there and can't be read.

    Raises:
        UsageError: A PATH is missing, can't be read at all, has no log in it, or is packed in a way that is not read.
    """
    return Sources(paths, complaints).all()
