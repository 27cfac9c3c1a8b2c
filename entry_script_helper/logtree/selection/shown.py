r"""A record for people and for programs: as its own text, with a label, with colours, as JSON.

Nothing that a log holds acts on a terminal. Where standard output is one, or colours are on, every control character
but tab and newline is written out as the helper writes it, ``\x1b``, and bytes that are no UTF-8 are too. Elsewhere
bytes stay as they are but for what begins an escape sequence, for a pager or ``cat`` may stand behind the pipe: ESC and
the control characters U+0080 to U+009F. JSON is ASCII.
"""

from __future__ import annotations

import json
import re
import zlib
from typing import TYPE_CHECKING

from entry_script_helper.jsontext import MISLEADING
from entry_script_helper.logtree.stream import parsing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from entry_script_helper.logtree.layouts import LogFile
    from entry_script_helper.logtree.selection.reading import Found
    from entry_script_helper.logtree.stream.records import Record

AT_ONCE = 512
"""Records that are joined at a time: so many fit a processor's cache, and memory that is at hand."""

_WIDEST_LABEL = 40
_SEQUENCE_BEGINS = re.compile(rb"\x1b|\xc2[\x80-\x9f]")
_CONTROLS = re.compile(f"[\x00-\x08\x0b-\x1f{MISLEADING}]")
_RESET = "\x1b[0m"
_OF_LEVEL = {
    "CRITICAL": "\x1b[1;31m",
    "ERROR": "\x1b[31m",
    "WARNING": "\x1b[33m",
    "DEBUG": "\x1b[2m",
    "TRACE": "\x1b[2m",
}
_OF_LABEL = [f"\x1b[{code}m" for code in (36, 32, 35, 34, 96, 92, 95, 94)]


def plain(records: Sequence[str]) -> Iterator[bytes]:
    """Yield records, given as Latin-1 text, as lines for a pipe or a file."""
    for at in range(0, len(records), AT_ONCE):
        data = "\n".join(records[at : at + AT_ONCE]).encode("latin-1") + b"\n"
        yield harmless(data)


def harmless(data: bytes) -> bytes:
    r"""Return *data* with the beginnings of escape sequences written out."""
    if b"\x1b" in data or b"\xc2" in data:
        return _SEQUENCE_BEGINS.sub(lambda match: b"\\x%02x" % match.group()[-1], data)
    return data


def safe(text: str) -> str:
    r"""Return *text* with all control characters but tab and newline written out; the end of a line may be ``\r\n``."""
    if not _CONTROLS.search(text):
        return text
    text = text.replace("\r\n", "\n")
    return _CONTROLS.sub(_written_out, text.removesuffix("\r"))


def as_object(record: Record) -> bytes:
    """Return a record as a line of JSON."""
    time = record.time
    members = {
        "time": time and time.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z",
        "level": record.level,
        "logger": record.logger,
        "message": record.message,
        "process": record.process,
        "process_name": record.process_name,
        "node": record.node,
        "thread": record.thread,
        "function": record.function,
        "path": record.path,
        "offset": record.offset,
        "extras": record.extras,
    }
    return json.dumps(members).encode() + b"\n"


class Lines:
    """Records as text, with what helps a reader.

    Args:
        files: All files, for which the labels are made.
        has_labels: Whether each line begins with its process, or its file where there is none.
        has_colours: Whether labels and levels have colours.
        is_terminal: Whether a terminal shows it.
    """

    def __init__(self, files: Iterable[LogFile], *, has_labels: bool, has_colours: bool, is_terminal: bool) -> None:
        self._has_labels, self._has_colours = has_labels, has_colours
        self._is_safe = is_terminal or has_colours
        files = list(files)
        self._has_nodes = len({file.place.node for file in files if file.place.node}) > 1
        self._width = min(_WIDEST_LABEL, max((len(self._name(file)) for file in files), default=0))
        self._labels: dict[str, str] = {}

    def line(self, item: Found) -> bytes:
        """Return one record, all its lines."""
        file, _offset, raw, _key = item
        text = safe(parsing.text_of(raw)) if self._is_safe else harmless(raw.encode("latin-1")).decode("latin-1")
        colour = _OF_LEVEL.get(parsing.parts_of(raw).level, "") if self._has_colours else ""
        lines = [f"{colour}{line}{_RESET}" for line in text.split("\n")] if colour else text.split("\n")
        label = self._label(file) if self._has_labels else ""
        shown = "".join(f"{label}{line}\n" for line in lines)
        return shown.encode("utf-8" if self._is_safe else "latin-1", "backslashreplace")

    def _label(self, file: LogFile) -> str:
        label = self._labels.get(file.path)
        if label is None:
            name = self._name(file)
            label = f"{name:{self._width}} | "
            if self._has_colours:
                label = f"{_OF_LABEL[zlib.crc32(name.encode('utf-8', 'replace')) % len(_OF_LABEL)]}{label}{_RESET}"
            if not self._is_safe:
                label = label.encode("utf-8", "backslashreplace").decode("latin-1")
            self._labels[file.path] = label
        return label

    def _name(self, file: LogFile) -> str:
        place = file.place
        if not place.process_name:
            return safe(file.path.rpartition("/")[2])[-_WIDEST_LABEL:]
        name = f"{place.node} {place.process_name}" if self._has_nodes and place.node else place.process_name
        return safe(name)[-_WIDEST_LABEL:]


def _written_out(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 - what two digits can say
