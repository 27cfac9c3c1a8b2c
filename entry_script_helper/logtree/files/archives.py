"""Files of zip archives as entries: unpacked in memory as they are read, never to a disk.

An archive is not trusted. A name that leads out of it is refused; what is encrypted or packed in another way than by
deflate is left out; and of what unpacks to far more than it is packed, the end is not read (a zip bomb, CWE-409).
"""

from __future__ import annotations

import calendar
import collections
import io
import os
import re
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

from entry_script_helper.errors import UsageError
from entry_script_helper.logtree.complaints import (
    DAMAGED,
    ENCRYPTED,
    LINK,
    TOO_LARGE,
    UNKNOWN_PACKING,
    UNSAFE_NAME,
    ReadError,
    printable,
)
from entry_script_helper.logtree.files import guessing, roots

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from entry_script_helper.logtree.complaints import Complaints
    from entry_script_helper.logtree.files.folders import FileEntry

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
"""What an archive, and an empty one, begin with."""

MOST_TIMES = 100
"""How many times as large as it is packed a file, or the archive, may be; logs are 5 to 50 times as large."""

MOST_OF_A_FILE = 64 * 1024 * 1024
"""Bytes that a file may have however small it is packed."""

MOST_OF_AN_ARCHIVE = 1024 * 1024 * 1024
"""Bytes that all files of an archive may have however small it is."""

MOST_STREAMS = 2000
"""Files of archives in the middle of which it is remembered how to go on; about 50 KB each."""

_ENCRYPTED = 0x1
_LINK = 0o120000
_HEADER = struct.Struct("<4s22xHH")
"""What stands before a file: a signature, and at its end the lengths of a name and of something else."""
_PACKED = 16 * 1024
"""Packed bytes that are read at a time."""
_SKIPPED = 1024 * 1024


class Archive:
    """The log trees in a zip archive, as a source.

    Args:
        file: The archive.
        complaints: Told what is in it and can't be read.
        streams: Where files that are half read are remembered.

    Raises:
        UsageError: It is no zip archive, or damaged.
    """

    def __init__(self, file: FileEntry, complaints: Complaints, streams: Streams) -> None:
        self._file, self._complaints, self.streams = file, complaints, streams
        self._size = file.size()
        try:
            with zipfile.ZipFile(_Seekable(file, self._size)) as archive:
                infos = archive.infolist()
        except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError, OverflowError, EOFError) as error:
            raise UsageError(
                printable(f"{file.location}: this zip archive is damaged, or not all of it is there: {error}")
            ) from error
        self._members = {name: info for info in infos for name in [self._name(info)] if name}

    def entries(self) -> Iterator[Member]:
        """Yield the files of its log trees, in order of their paths in each tree."""
        listing = _Listing(self._members)
        left = max(MOST_OF_AN_ARCHIVE, MOST_TIMES * self._size)
        for root in roots.find(listing.children, []):
            for name in sorted(listing.below(root)):
                info = self._members[name]
                packed = min(info.compress_size, self._size)
                limit = min(info.file_size, max(MOST_OF_A_FILE, MOST_TIMES * packed), left)
                left -= limit
                if limit < info.file_size:
                    self.complain(name, TOO_LARGE, f"{limit:,} of {info.file_size:,} bytes are")
                inner = name[len(root.inside) :].lstrip("/")
                path = f"{root.above}/{inner}" if root.above else inner
                member = Member(self, name, path, limit)
                if not root.is_guess or guessing.is_log(member):
                    yield member

    def _name(self, info: zipfile.ZipInfo) -> str:
        """Return a file's name with "/", or "" where it is not read."""
        name = info.filename.replace("\\", "/")
        if name.endswith("/"):
            return ""
        if name.startswith("/") or ".." in name.split("/") or re.match("[A-Za-z]:", name):
            self.complain(name, UNSAFE_NAME)
        elif info.external_attr >> 16 & 0o170000 == _LINK:
            self.complain(name, LINK)
        elif info.flag_bits & _ENCRYPTED:
            self.complain(name, ENCRYPTED)
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            self.complain(name, UNKNOWN_PACKING)
        else:
            return "/".join(part for part in name.split("/") if part not in ("", "."))
        return ""

    def complain(self, name: str, trouble: str, detail: str = "") -> None:
        """Complain about a file in it."""
        self._complaints.add(f"{self._file.location}/{name}", trouble, detail)

    def open(self, name: str) -> Stream:
        """Begin to unpack a file."""
        return Stream(self._file, self._members[name])

    def modified(self, name: str) -> float:
        """Return when a file in it was last written to; archives don't tell their time zone, so UTC is taken."""
        year, month, *rest = self._members[name].date_time
        return calendar.timegm((year, min(max(month, 1), 12), *rest, 0, 0, 0))  # who knows no date leaves zeros

    def key(self, name: str) -> str:
        """Return what a file has that no other has."""
        return f"{self._file.key}/{name}"

    def location(self, name: str) -> str:
        """Return how a user reaches a file: the archive's path, and the file's in it."""
        return printable(f"{self._file.location}/{name}")


class Member:
    """A file of an archive: an `Entry` of `sources`. To read on is cheap; to go back is to unpack it again."""

    __slots__ = ("_archive", "_limit", "_name", "_path")

    def __init__(self, archive: Archive, name: str, path: str, limit: int) -> None:
        self._archive, self._name, self._path, self._limit = archive, name, path, limit

    @property
    def key(self) -> str:
        """Return what no other file has."""
        return self._archive.key(self._name)

    @property
    def path(self) -> str:
        """Return its path relative to the tree's root, safe to show."""
        return printable(self._path)

    @property
    def location(self) -> str:
        """Return its path as a user reaches it, safe to show."""
        return self._archive.location(self._name)

    def size(self) -> int:
        """Return how many bytes of it can be read."""
        return self._limit

    def modified(self) -> float:
        """Return when it was last written to, as the archive tells it, in seconds since the epoch."""
        return self._archive.modified(self._name)

    def identity(self) -> object:
        """Return what no other file has."""
        return self.key

    def again(self) -> Member:
        """Return itself: an archive's files don't change."""
        return self

    def read(self, offset: int, length: int) -> bytes:
        """Return up to so many bytes from there on; none at its end.

        Raises:
            OSError: The archive is gone or can't be read.
            ReadError: The archive was replaced, or the file is damaged in it.
        """
        if offset >= self._limit:
            return b""
        return self._archive.streams.read(self, offset, min(length, self._limit - offset))

    def open(self) -> Stream:
        """Begin to unpack it."""
        return self._archive.open(self._name)

    def complain(self) -> None:
        """Say that what was unpacked is not what was packed."""
        self._archive.complain(self._name, DAMAGED)


class Streams:
    """Where files that are half read go on: those that were read last, so that memory is bounded."""

    def __init__(self, most: int = MOST_STREAMS) -> None:
        self._most = most
        self._open: collections.OrderedDict[Member, Stream] = collections.OrderedDict()

    def read(self, member: Member, offset: int, length: int) -> bytes:
        """Return bytes of a file, from where it was left if that is not behind *offset*."""
        stream = self._open.pop(member, None)
        if stream is None or stream.position > offset:
            stream = member.open()
        while stream.position < offset and stream.read(min(_SKIPPED, offset - stream.position)):
            pass
        data = stream.read(length)
        if stream.is_damaged:
            member.complain()
        self._open[member] = stream
        if len(self._open) > self._most:
            self._open.popitem(last=False)
        return data


class Stream:
    """A file of an archive, unpacked piece by piece.

    Args:
        file: The archive.
        info: What its directory says of the file.

    Raises:
        ReadError: Where the file should begin there is none.
    """

    __slots__ = ("_crc", "_file", "_inflate", "_info", "_left", "_next", "position")

    def __init__(self, file: FileEntry, info: zipfile.ZipInfo) -> None:
        header = file.read(min(info.header_offset, file.size()), _HEADER.size)  # it may claim what is no offset
        if len(header) < _HEADER.size or not header.startswith(MAGIC[0]):
            raise ReadError(DAMAGED)
        _, name, extra = _HEADER.unpack(header)
        self.position = 0
        self._crc = 0
        self._file, self._info = file, info
        self._next = info.header_offset + _HEADER.size + name + extra
        self._left = info.compress_size
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS) if info.compress_type == zipfile.ZIP_DEFLATED else None

    def read(self, length: int) -> bytes:
        """Return so many of the next bytes; fewer only where the file ends, or where it is damaged.

        Raises:
            ReadError: The file is damaged, and nothing more of it can be unpacked.
        """
        data = self._packed(length) if self._inflate is None else self._unpacked(self._inflate, length)
        self.position += len(data)
        self._crc = zlib.crc32(data, self._crc)
        return data

    @property
    def is_damaged(self) -> bool:
        """Tell whether all has been read, and it is not what was packed."""
        is_over = self._inflate.eof if self._inflate else not self._left
        claimed = self._info.file_size, self._info.CRC
        return (is_over or self.position == claimed[0]) and (self.position, self._crc) != claimed

    def _unpacked(self, inflate: zlib._Decompress, length: int) -> bytes:
        parts: list[bytes] = []
        while length and not inflate.eof:
            packed = inflate.unconsumed_tail or self._packed(_PACKED)
            try:
                part = inflate.decompress(packed, length)
            except zlib.error:
                packed = part = b""
            if not packed and not part:  # it should go on, and does not
                if not parts:
                    raise ReadError(DAMAGED)
                break
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _packed(self, length: int) -> bytes:
        data = self._file.read(self._next, min(length, self._left))
        self._next += len(data)
        self._left -= len(data)
        return data


class _Seekable:
    """An archive as `zipfile` wants it: an open file, which it is not."""

    def __init__(self, file: FileEntry, size: int) -> None:
        self._file, self._size, self._position = file, size, 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise io.UnsupportedOperation  # zipfile takes it for an OSError here, and lets it through there
        self._position = origin + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, length: int = -1) -> bytes:
        most = max(self._size - self._position, 0)
        data = self._file.read(self._position, most if length < 0 else min(length, most))
        self._position += len(data)
        return data


class _Listing:
    """What is in the folders of an archive."""

    def __init__(self, names: Iterable[str]) -> None:
        self._folders: dict[str, tuple[dict[str, None], list[str]]] = {"": ({}, [])}
        self._names = list(names)
        for name in self._names:
            folder, _, last = name.rpartition("/")
            self._folder(folder)[1].append(last)

    def children(self, folder: str) -> tuple[list[str], list[str]]:
        folders, files = self._folders[folder]
        return list(folders), files

    def below(self, root: roots.Root) -> Iterator[str]:
        """Yield the names of the files of a log tree."""
        tops = [f"{root.inside}/{name}/".lstrip("/") for name in root.only] or [f"{root.inside}/".lstrip("/")]
        for name in self._names:
            *folders, last = name.split("/")
            if name.startswith(tuple(tops)) and root.takes(last) and all(map(root.enters, folders)):
                yield name

    def _folder(self, folder: str) -> tuple[dict[str, None], list[str]]:
        found = self._folders.get(folder)
        if found is None:
            found = self._folders[folder] = ({}, [])
            inner = folder
            while inner:  # not by recursion: a name may have thousands of folders
                above, _, last = inner.rpartition("/")
                is_known = above in self._folders
                self._folders.setdefault(above, ({}, []))[0][last] = None
                inner = "" if is_known else above
        return found
