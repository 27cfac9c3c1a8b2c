"""One logger, one handler of ours: how a record gets from a logger into this process's file, and how to see to it.

`reconcile` finds what is on a logger and repairs it, instead of remembering whether it was configured once.
"""

from __future__ import annotations

import logging
from collections import deque

from entry_script_helper import lastresort
from entry_script_helper.changes import Watched, changes
from entry_script_helper.formatting import WRITTEN, one_line
from entry_script_helper.jsontext import readable
from entry_script_helper.openfiles import open_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from entry_script_helper.formatting import LineFormatter
    from entry_script_helper.logfile import LogFile
    from entry_script_helper.openfiles import Cut
    from entry_script_helper.ratelimit import Rate, RateLimit

    # Gives the path, whether the file is to be held for this process alone, and when the next one begins, if ever.
    Locate = Callable[[], tuple[str, bool, Cut | None]]

_MOST_POSTPONED = 10_000
_ROOM = 80


class _Destination:
    """Where lines go and how they are made: swapped whole, so that no line of one format meets a file of the other."""

    __slots__ = ("file", "formatter", "locate")

    def __init__(self, locate: Locate, formatter: LineFormatter) -> None:
        self.locate = locate
        self.formatter = formatter
        self.file: LogFile | None = None


class EntryScriptHandler(Watched, logging.Handler):
    """Writes records to the file of the process that it is in. It never raises.

    Args:
        locate: Gives the path of this process's file, whether the file is to be held for this process alone, and
            when it is cut; asked again in a forked child. May raise `OSError`: then the records wait.
        formatter: Makes the lines.
    """

    is_entry_script_handler = True
    mode = "a"
    encoding = "utf-8"

    def __init__(self, locate: Locate, formatter: LineFormatter) -> None:
        super().__init__()
        self.destination = _Destination(locate, formatter)
        self.postponed: deque[logging.LogRecord] = deque()
        self._dropped = 0
        self.limiter: RateLimit | None = None
        self.formatter = formatter
        self.open_files = open_files()
        self.open_files.handlers.add(self)

    @property
    def baseFilename(self) -> str:  # noqa: N802 - logging.FileHandler's name
        """The absolute path of the file in use, as a `logging.FileHandler` has it."""
        file = self._find_file(self.destination)
        return file.path if file else ""

    def reconfigure(self, locate: Locate, formatter: LineFormatter) -> None:
        """Take another file and format; what waits is written to the file that it was meant for."""
        self.flush()
        self.destination = _Destination(locate, formatter)
        self.formatter = formatter

    def limit(self, rate: Rate | None) -> None:
        """Drop repeats beyond a rate, or none; counts go on where the rate is as it was."""
        before = self.limiter
        if rate != (before.rate if before else None):
            self.limiter = rate.limiter(self.emit) if rate else None
            if before:
                before.end()

    def open(self) -> None:
        """Open the file, so that it is there before the first record.

        Raises:
            OSError: It can't be opened now; the records go to stderr and wait until it can.
        """
        file = self._attach(self.destination)
        file.open()

    def say_trouble(self, error: BaseException | None) -> None:
        """Say once on stderr what goes wrong, and where the records are meanwhile."""
        file = self.destination.file
        _say_trouble(f"can't write {file.wanted}" if file else "the log file's path can't be found", error)

    def handle(self, record: logging.LogRecord) -> bool:
        """Emit the record unless a filter refuses it.

        Unlike the standard library's, this holds no lock while the record is formatted: an argument's ``__str__``
        may log itself, or wait for a thread that does.
        """
        kept: Any  # bool, or since Python 3.12 another record
        try:
            kept = self.filter(record)
        except Exception:  # noqa: BLE001 - a filter that fails must not lose the record
            kept = True
        if kept:
            self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        return bool(kept)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, once however many configured loggers it propagates through."""
        state = record.__dict__
        process_id = self.open_files.process_id
        if state.get(WRITTEN) == process_id:
            return
        state[WRITTEN] = process_id
        limiter = self.limiter
        if limiter is not None and not limiter.admits(record):
            return
        try:
            if self.postponed:
                self._write_postponed()
            self._put(record)
        except RecursionError:
            if _has_room(_ROOM):  # it is the record itself that never ends
                self._put_what_can_be_said(record)
            else:  # written with the next record, from where there is room on the stack
                self._postpone(record)
        except Exception:  # noqa: BLE001 - logging never stops scoring
            self._put_what_can_be_said(record)

    def flush(self) -> None:
        """Try to write what waits: all else has reached the kernel already."""
        self._write_postponed()
        if self.destination.file is not None:
            self.destination.file.drain()

    def end(self) -> None:
        """At the end of the process: tell which repeats were dropped, and drop no more."""
        if self.limiter is not None:
            self.limiter.end()

    def close(self) -> None:
        """Give the file back. A record that comes later opens it again."""
        if self.limiter is not None:
            self.limiter.tell()
        self.flush()
        self.open_files.detach(self)
        super().close()

    def forget_parent(self) -> None:
        """In a forked child: the file and what waits are the parent's."""
        self.destination.file = None
        self.postponed.clear()
        self._dropped = 0
        if self.limiter is not None:
            self.limiter.forget()
        changes.add()

    def _put(self, record: logging.LogRecord, line: str | None = None) -> None:
        destination = self.destination
        if line is None:
            line = self._line(record, destination.formatter)
        file = destination.file or self._find_file(destination)
        if file is None:
            self._postpone(record)
            lastresort.show(line)
        elif not file.write(line.encode("utf-8", "backslashreplace") + b"\n"):
            self.show_failure(file, line)

    def show_failure(self, file: LogFile, line: str) -> None:
        """Say why a line is not in the file yet, and show it meanwhile."""
        self.say_trouble(file.trouble)
        lastresort.show(line)

    def _line(self, record: logging.LogRecord, own: LineFormatter) -> str:
        formatter = self.formatter
        if formatter is None or getattr(formatter, "gives_one_line", False):
            return own.format(record)
        try:
            text = readable(formatter.format(record))
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 - somebody else's formatter must not lose the record
            return own.format(record)
        return one_line(own.redactor(text) if own.redactor else text)

    def _put_what_can_be_said(self, record: logging.LogRecord) -> None:
        """Write a record that can't be formatted, without its arguments and extras."""
        try:
            state = record.__dict__
            text = f"{readable(state.get('msg'))} (this record could not be formatted)"
            # Not by logging.makeLogRecord, which asks a factory that a user may have set.
            bare = logging.LogRecord("", 0, "", 0, text, None, None)
            bare.__dict__.update({key: state.get(key) for key in ("name", "levelname", "funcName", "created", "msecs")})
            self._put(bare, self.destination.formatter.format(bare))
        except Exception as error:  # noqa: BLE001
            lastresort.show(f"entry_script_helper: a record could not be written: {readable(error)}")

    def _postpone(self, record: logging.LogRecord) -> None:
        if len(self.postponed) < _MOST_POSTPONED:
            self.postponed.append(record)
            changes.add()
        else:
            self._dropped += 1

    def _write_postponed(self) -> None:
        if self.postponed and self._find_file(self.destination) is None:
            return
        for _ in range(len(self.postponed)):
            try:
                record = self.postponed.popleft()
            except IndexError:  # another thread took it
                return
            try:
                self._put(record)
            except RecursionError:
                self.postponed.appendleft(record)
                changes.add()
                raise
        if self._dropped and not self.postponed:
            dropped, self._dropped = self._dropped, 0
            self._put(_warning(f"{dropped} records were dropped here: too many waited"))

    def _find_file(self, destination: _Destination) -> LogFile | None:
        try:
            return self._attach(destination)
        except Exception as error:  # noqa: BLE001 - a getter of the user's own may raise anything
            self.say_trouble(error)
            return None

    def _attach(self, destination: _Destination) -> LogFile:
        if destination.file is None:
            path, claimed, cut = destination.locate()
            report = _reporter(destination.formatter)
            destination.file = self.open_files.attach(self, path, claimed=claimed, report=report, cut=cut)
            changes.add()
        return destination.file


def reconcile(logger: logging.Logger, level: int, locate: Locate, formatter: LineFormatter) -> EntryScriptHandler:
    """See to it that a logger has one handler of ours, and this level and format, whatever was done to it before.

    Handlers of others stay as they are. A handler that an earlier load of this package left is replaced.
    """
    with open_files().lock:
        ours = handlers_of_ours(logger)
        current = next((handler for handler in ours if isinstance(handler, EntryScriptHandler)), None)
        if current is None:
            current = EntryScriptHandler(locate, formatter)
            logger.addHandler(current)
        else:
            current.reconfigure(locate, formatter)
        current.setLevel(level)
        for handler in ours:
            if handler is not current:
                logger.removeHandler(handler)
                handler.close()
        logger.setLevel(level)
        logger.disabled = False
        return current


def handlers_of_ours(logger: logging.Logger) -> list[logging.Handler]:
    """Return the handlers of ours on a logger, those of an earlier load of this package too."""
    return [handler for handler in logger.handlers if getattr(handler, "is_entry_script_handler", False)]


def handler_reached_from(logger: logging.Logger | None) -> Any:  # noqa: ANN401 - perhaps of an earlier load's class
    """Return the first handler of ours that a logger's records reach, or None."""
    while logger is not None:
        for handler in handlers_of_ours(logger):
            return handler
        logger = logger.parent if logger.propagate else None
    return None


def _say_trouble(what: str, error: BaseException | None) -> None:
    reason = f"{error.errno}, {error.strerror}" if isinstance(error, OSError) and error.strerror else readable(error)
    lastresort.say_once((what, reason), f"{what} ({reason}); records go to stderr, and to the file once they can")


def _reporter(formatter: LineFormatter) -> Callable[[str], bytes]:
    return lambda text: formatter.format(_warning(text)).encode("utf-8", "backslashreplace") + b"\n"


def _warning(text: str) -> logging.LogRecord:
    return logging.LogRecord("entry_script_helper", logging.WARNING, "", 0, text, None, None, "write")


def _has_room(frames: int) -> bool:
    """Tell whether this many calls more fit on the stack."""
    try:
        return frames == 0 or _has_room(frames - 1)
    except RecursionError:
        return False
