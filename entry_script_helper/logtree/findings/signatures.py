"""What makes two errors the same error.

The signature of an exception is its type; its message with all that differs from one mini-batch to the next taken out
of it (numbers, also that of ``f17.csv``, hexadecimal values, identifiers, paths, quoted values); and where it was
raised: the file's name and the function of the innermost frame in the user's own code. Line numbers do not count: the
same error in two versions of a script is one. Where an exception was raised while another was handled, the first of
them counts as well. Names stay in errors about the code itself (`ImportError`, `NameError`, `AttributeError`,
`TypeError`): there two names are two errors.

The signature of a record without an exception is its message with the same taken out, and its function.
"""

from __future__ import annotations

import re
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Frame(NamedTuple):
    """One frame of a traceback."""

    file: str
    line: int
    function: str

    @property
    def name(self) -> str:
        """Return the file's name, whatever the machine's separator."""
        return re.split(r"[\\/]", self.file)[-1]

    def __str__(self) -> str:
        return f"{self.name}:{self.line}" + (f" in {self.function}" if self.function else "")


class Raised(NamedTuple):
    """One exception of a traceback."""

    type: str
    message: str
    """Its first line."""
    frames: tuple[Frame, ...] = ()
    """The outermost first."""

    @property
    def title(self) -> str:
        """Return it as Python's last line has it."""
        return f"{self.type}: {self.message}" if self.message else self.type

    @property
    def frame(self) -> Frame | None:
        """Return the innermost frame of the user's own code; None where there is none."""
        return innermost(self.frames)

    @property
    def place(self) -> str:
        """Return where in the user's own code it was raised, or empty text."""
        return str(self.frame or "")


_NOT_THE_USERS = re.compile(
    r"""
    ^<                                                  # <frozen importlib._bootstrap>, <string>
    | [\\/](?:site|dist)-packages[\\/]
    | [\\/][Ll]ib(?:64)?[\\/]python\d
    | [\\/]python\d[\d.]*[\\/]lib[\\/]                  # of Windows
    | (?:^|[\\/])entry_script_helper[\\/]
    | (?:^|[\\/])azureml_(?:sys|user|common)[\\/]
    | (?:^|[\\/])driver[\\/]                            # driver/amlbi_main.py
    """,
    re.VERBOSE,
)
"""Files that are not the user's: Python's, installed packages', this package's, the service's driver's."""


def is_users(file: str) -> bool:
    """Tell whether a file of a traceback is the user's own code."""
    return not _NOT_THE_USERS.search(file)


def innermost(frames: Iterable[Frame]) -> Frame | None:
    """Return the last frame that is in the user's own code, of frames the outermost first."""
    found = None
    for frame in frames:
        if is_users(frame.file):
            found = frame
    return found


_BEGIN = re.compile(r"^[\s|+]*(?:Exception Group )?Traceback \(most recent call last\):\s*$")
_FRAME = re.compile(r'^[\s|]*File "([^"\n]*)", line (\d{1,9})(?:,? in (.*))?$')
_BAR = re.compile(r"^\s*\| ?")
_BEFORE = " |\t"
_WITHIN = ("", " ", "\t", "[")
"""How a line within a traceback begins that is no frame: code, marks below it, frames that were left out, nothing."""
_MEMBER = re.compile(r"^[\s|]*\+-(?:\+)?-+ (\d{1,4}) -+$")
_RAISED = re.compile(r"^([A-Za-z_][\w.]*)(?:: (.*))?$")
_NAMED = re.compile(r"^((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Timeout|Failure))(?:: (.*))?$")
_LINKS = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)

_MOST_FRAMES = 1000
_MOST_CHAINS = 1000
_LONGEST_MESSAGE = 2000


def chains(text: str) -> list[tuple[Raised, ...]]:
    """Return the exceptions of each traceback in a text, as they led to one another: the root first, the raised last.

    Args:
        text: A message with whatever stands before, between and behind its tracebacks.
    """
    reader = _Reader()
    for line in text.splitlines():
        reader.take(line)
        if len(reader.found) >= _MOST_CHAINS:
            break
    reader.end()
    return reader.found


class _Reader:
    """Goes through a text, line by line, and finds its tracebacks."""

    def __init__(self) -> None:
        self.found: list[tuple[Raised, ...]] = []
        self._chain: list[Raised] = []
        self._frames: list[Frame] = []
        self._is_within = False
        self._is_linked = False
        self._member = 0
        """Which member of a group of exceptions is told, or 0. The first led to the group; others don't count."""

    def take(self, line: str) -> None:
        """Take the next line."""
        if "Traceback (" in line and _BEGIN.match(line):
            if not (self._is_linked or self._member):
                self.end()
            self._frames, self._is_within, self._is_linked = [], True, False
        elif self._is_within:
            self._continue(line)
        elif line.strip(_BEFORE) in _LINKS:
            self._is_linked = True
        elif "-- " in line and self._chain:
            member = _MEMBER.match(line)
            self._member = int(member[1]) if member else self._member

    def _continue(self, line: str) -> None:
        frame = _FRAME.match(line) if 'File "' in line else None
        if frame:
            if len(self._frames) < _MOST_FRAMES:
                self._frames.append(Frame(frame[1], int(frame[2]), (frame[3] or "").strip()))
            return
        bare = _BAR.sub("", line)
        if bare[:1] in _WITHIN:
            return
        self._is_within = False
        raised = _RAISED.match(bare)
        if raised and self._member <= 1:
            place = 0 if self._member else len(self._chain)
            message = (raised[2] or "")[:_LONGEST_MESSAGE].strip()
            self._chain.insert(place, Raised(raised[1], message, tuple(self._frames)))

    def end(self) -> None:
        """Take what there is for a whole chain."""
        if self._chain:
            self.found.append(tuple(self._chain))
        self._chain, self._is_linked, self._member = [], False, 0


def named(text: str) -> Raised | None:
    """Return the exception that a line names without a traceback (``ValueError: seven``), or None."""
    match = _NAMED.match(text.strip()[:_LONGEST_MESSAGE])
    return Raised(match[1], (match[2] or "").strip()) if match else None


def structured(exceptions: object) -> tuple[Raised, ...]:
    """Return the exceptions that a record in JSON holds under ``exception``, the root first; what is odd is left out.

    Args:
        exceptions: A list of objects with ``exc_type``, ``exc_value`` and ``frames``, the raised first, see
            docs/reference/files-and-formats.md.
    """
    found: list[Raised] = []
    for exception in reversed(exceptions if isinstance(exceptions, list) else []):
        if isinstance(exception, dict) and isinstance(exception.get("exc_type"), str):
            lines = str(exception.get("exc_value") or "").strip().splitlines()
            frames = exception.get("frames")
            frames = tuple(_frames(frames)) if isinstance(frames, list) else ()
            found.append(Raised(exception["exc_type"], lines[0][:_LONGEST_MESSAGE] if lines else "", frames))
    return tuple(found)


def _frames(frames: list[object]) -> Iterator[Frame]:
    for frame in frames[-_MOST_FRAMES:]:
        if isinstance(frame, dict):
            line = frame.get("lineno")
            number = line if isinstance(line, int) else 0
            yield Frame(str(frame.get("filename", "")), number, str(frame.get("name", "")))


_THREAD = re.compile(r"^(?:Current thread|Thread|Stack) .*\(most recent call first\):$")
_MOST_PLACES = 3


def places(stacks: str) -> tuple[Frame, ...]:
    """Return the innermost places in the user's own code of stacks that `faulthandler` wrote, the innermost first.

    Of several threads that of the most frames of the user's comes first: what waits in a thread of its own (a timer,
    a queue) has few.
    """
    threads: list[list[Frame]] = [[]]
    for line in stacks.splitlines():
        if _THREAD.match(line.strip()):
            threads.append([])
        frame = _FRAME.match(line) if 'File "' in line else None
        if frame and is_users(frame[1]) and len(threads[-1]) < _MOST_FRAMES:
            threads[-1].append(Frame(frame[1], int(frame[2]), (frame[3] or "").strip()))
    threads.sort(key=len, reverse=True)
    return tuple(threads[0][:_MOST_PLACES])


_ABOUT_CODE = ("ImportError", "ModuleNotFoundError", "NameError", "UnboundLocalError", "AttributeError", "TypeError")
_LONGEST_GENERAL = 200

_ALWAYS = r"""
    (?P<id>\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b)
    | (?P<url>\b[a-z][a-z0-9+.-]{1,20}://[^\s'"<>]+)
    | (?P<path>(?:(?<=[\s'"=(:,\[])|^)(?:[A-Za-z]:)?(?:[\\/][^\s\\/'":,;)\]]+){2,})
    | (?P<hex>\b0[xX][0-9a-fA-F]+\b|\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{12,}\b)
    """
_NUMBER = r"[+-]?%s\d+(?:[.,:]\d+)*(?:[eE][+-]?\d+)?"
_DIFFERS = re.compile(f"{_ALWAYS} | (?P<number>{_NUMBER % ''})", re.VERBOSE)
_DIFFERS_BUT_NAMES = re.compile(f"{_ALWAYS} | (?P<number>{_NUMBER % '(?<![A-Za-z_])'})", re.VERBOSE)
"""The same, but digits within a name stay."""
_QUOTED = re.compile(r"""(?<!\w)'[^'\n]*'|"[^"\n]*"|`[^`\n]*`""")


def generalised(message: str, kind: str = "") -> str:
    """Return a message without what differs from one mini-batch to the next.

    Args:
        message: The message; of several lines, the first counts.
        kind: The exception's type: in errors about the code, quoted names stay, and digits within names.
    """
    line = message.strip().split("\n", 1)[0][:_LONGEST_MESSAGE]
    differs = _DIFFERS_BUT_NAMES
    if kind.rpartition(".")[2] not in _ABOUT_CODE:
        line, differs = _QUOTED.sub("<value>", line), _DIFFERS
    return differs.sub(lambda match: f"<{match.lastgroup}>", line)[:_LONGEST_GENERAL]


def of_exception(chain: tuple[Raised, ...]) -> str:
    """Return the signature of an exception with those that led to it, the root first."""
    raised, root = chain[-1], chain[0]
    text = f"{short(raised)} @ {_where(raised)}"
    return text if len(chain) == 1 else f"{text} from {short(root)} @ {_where(root)}"


def short(raised: Raised) -> str:
    """Return the signature of an exception without its place: what lines tell that only report it."""
    return f"{raised.type.rpartition('.')[2]}: {generalised(raised.message, raised.type)}"


def of_message(message: str, function: str = "") -> str:
    """Return the signature of a record without an exception."""
    return f"{generalised(message)} @ {function}"


def _where(raised: Raised) -> str:
    frame = raised.frame
    return f"{frame.name}:{frame.function}" if frame else ""
