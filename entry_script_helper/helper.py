"""The face: `EntryScriptHelper` as in the article, and `config` and `get_logger` for those who want no class."""

from __future__ import annotations

import contextlib
import functools
import logging
import os

from entry_script_helper import environment, inheritance, lastresort, logfile, machine, naming, redaction
from entry_script_helper.errors import LogFileError, UsageError
from entry_script_helper.formatting import JsonFormatter, TextFormatter
from entry_script_helper.handler import reconcile
from entry_script_helper.jsontext import readable
from entry_script_helper.openfiles import open_files
from entry_script_helper.processstate import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable
    from typing import Any, Literal

    from entry_script_helper.cutting import Cut
    from entry_script_helper.formatting import LineFormatter
    from entry_script_helper.handler import EntryScriptHandler
    from entry_script_helper.inheritance import Options
    from entry_script_helper.ratelimit import Rate

_REMEDY = f"set {environment.WORKING_DIR} to a directory that this process can write to"


class EntryScriptHelper:
    """Paths and a logger for an entry script: a drop-in for the class of the article.

    Every getter may be overridden in a subclass, and the others obey it.

    Args:
        working_dir: The working directory; without it, `get_working_dir` says how it is found.
        strict: Raise a typed error where a file or directory can't be used, instead of falling back to stderr.
    """

    LOG_CONFIGED = False
    """Whether a logger was configured in this process (the article's spelling)."""

    # On the class too, for subclasses whose __init__ does not call this one: the article's class has none.
    _working_dir: str | None = None
    _strict = False
    _ending: str | None = None
    _cut: Cut | None = None

    def __init__(self, working_dir: str | os.PathLike[str] | None = None, *, strict: bool = False) -> None:
        self._working_dir = None if working_dir is None else os.fspath(working_dir)
        self._strict = strict

    def get_logger(self, name: str = "EntryScript") -> logging.Logger:
        """Return a logger; `config` makes it write to this process's file."""
        return logging.getLogger(name)

    def config(  # noqa: PLR0913 - one name for each thing that can be chosen
        self,
        name: str = "EntryScript",
        level: str | int = "INFO",
        *,
        json: bool = False,
        redact: bool | Iterable[str | re.Pattern[str]] = True,
        max_bytes: int | None = None,
        when: Literal["hour", "day"] | None = None,
        rate_limit: int | tuple[int, float] | None = None,
    ) -> logging.Logger:
        """Make a logger write to this process's file, and return it. Call it in ``init()``, as often as you like.

        However often and from wherever it is called, the logger has one handler of ours and writes a record once;
        the last level and format win. Handlers of others stay as they are.

        Args:
            name: The logger's name.
            level: The lowest level that is written: a name in any case, or a number.
            json: True for a JSON object a line, in a file that ends in ``.jsonl``, to which structlog's loggers
                write as well unless this process configured structlog itself; False for the article's text.
            redact: True to replace secrets by ``[REDACTED]``; False to leave them; or more patterns (regular
                expressions; of a group named ``secret`` only that group is replaced).
            max_bytes: Begin the next file, by number, before one has more bytes than this, and with each day.
            when: Begin the next file with each ``"hour"`` or ``"day"`` (UTC), named after it.
            rate_limit: Write at most so many records that are alike in 60 seconds, or of a pair, in the seconds that
                it gives; the others are dropped, and how many they were is written.

        Raises:
            UsageError: An argument can't be meant (it is also a `ValueError`).
            LogFileError: With ``strict=True``, the file can't be used now.
        """
        number = level_number(level)
        if not isinstance(name, str):
            message = f"name: a logger's name is text, not {type(name).__name__}"
            raise UsageError(message)
        cut, rate = _long_run(max_bytes, when, rate_limit)
        options: Options = {"json": json, "redact": redact, "cut": cut, "rate": rate}
        handler = self._attach(name, number, options)
        EntryScriptHelper.LOG_CONFIGED = True
        inheritance.remember(self, EntryScriptHelper(self._working_dir), name, number, options)
        try:
            handler.open()
        except Exception as error:
            if self._strict:
                message = f"the log file can't be opened: {error}; {_REMEDY}"
                raise LogFileError(message) from error
            handler.say_trouble(error)
        return logging.getLogger(name)

    def get_log_file_path(self) -> str:
        """Return the path of this process's log file, ``<log dir>/user/<node>/<process name>.txt`` (or ``.jsonl``).

        Where another live process holds that file it is ``<process name>.<process id>.txt``. Of files that are cut
        it is the one in use.

        Raises:
            LogFileError: With ``strict=True``, the directory can't be made.
        """
        kept = state()
        ending, cut = (self._ending, self._cut) if self._ending else (kept.get("ending", ".txt"), kept.get("cut"))
        wanted = self._wanted_file(ending)
        return open_files().path_in_use(wanted, cut) or (cut.free_path if cut else logfile.free_path)(wanted)

    def get_log_dir(self) -> str:
        """Return the directory for logs, made if missing. What is in it is uploaded and shown in Azure's portal.

        Raises:
            LogFileError: With ``strict=True``, the directory can't be made.
        """
        return self._made(os.path.join(self.get_working_dir(), "logs"))

    def get_working_dir(self) -> str:
        """Return the working directory, absolute.

        It is the constructor's argument; or ``ENTRY_SCRIPT_HELPER_WORKING_DIR``; on the runtime of the article,
        ``<AZ_BATCHAI_INPUT_AZUREML>/<run id>``; on the common runtime ``AZUREML_CR_EXECUTION_WORKING_DIR_PATH``;
        elsewhere the current directory as it was first seen.
        """
        return str(self._choose_working_dir().value)

    def get_temp_dir(self) -> str:
        """Return this process's own temp directory, made if missing: ``<job's temp dir>/azureml-bi/<process id>``.

        Raises:
            TempDirectoryError: It can't be made, or is not this user's alone.
        """
        wanted = environment.temp_dir(os.environ, machine.first_directory, machine.system_temp_dir, os.getpid())
        from entry_script_helper import privatedir  # noqa: PLC0415 - most scripts never ask

        return privatedir.make(str(wanted.value))

    def get_run(self) -> Any:  # noqa: ANN401 - azureml.core.Run, which is not imported here
        """Return the `azureml.core.Run` of this process, asked once (a call costs 10 to 27 ms).

        Raises:
            MissingExtraError: azureml-core is not installed (it is also an `ImportError`).
            RunContextError: This is no Azure ML run, or its variables can't be used.
        """
        from entry_script_helper import runcontext  # noqa: PLC0415 - most scripts never ask

        return runcontext.get_run()

    def _attach(self, name: str, level: int, options: Options) -> EntryScriptHandler:
        """Configure a logger without opening its file: in a spawned child that may never log."""
        json, cut = options["json"], options["cut"]
        redactor = redaction.from_environment(options["redact"])
        self._ending = state()["ending"] = ".jsonl" if json else ".txt"
        self._cut = state()["cut"] = cut
        state()["logger_name"] = name  # what @guard logs to
        formatter: LineFormatter = TextFormatter(redactor)
        if json:
            run_id = environment.run_id(os.environ).value
            formatter = JsonFormatter(redactor, run_id=run_id, node=str(_node().value))
        logger = logging.getLogger(name)
        handler = reconcile(logger, level, functools.partial(self._locate, self._ending, cut), formatter)
        handler.limit(options["rate"])
        # Neither can be loaded where no file descriptor is free. Without the first all is the same, only slower.
        with contextlib.suppress(ImportError, OSError):
            from entry_script_helper import fastpath  # noqa: PLC0415 - may be deleted

            fastpath.bind(logger, handler)
        if json:
            # Not installed, broken, or no descriptor to read it: the logger works without.
            with contextlib.suppress(Exception):
                from entry_script_helper import structlogging  # noqa: PLC0415 - for those who ask for JSON

                structlogging.install(logger)
        return handler

    def _locate(self, ending: str, cut: Cut | None) -> tuple[str, bool, Cut | None]:
        """Return the wanted log file, whether it is to be held for this process alone, and when it is cut."""
        if _is_overridden(self, "get_log_file_path"):
            if cut:
                lastresort.say_once("cut", "get_log_file_path() is overridden: that file is never cut by time or size")
            return os.path.abspath(self.get_log_file_path()), False, None
        return self._wanted_file(ending, _node_or_error), True, cut

    def _wanted_file(self, ending: str, node: Callable[[], environment.Choice] | None = None) -> str:
        directory = os.path.join(self.get_log_dir(), "user", naming.safe_component(str((node or _node)().value)))
        name = naming.safe_component(machine.process_name())
        return os.path.join(os.path.abspath(self._made(directory)), name + ending)

    def _made(self, directory: str) -> str:
        try:
            os.makedirs(directory, exist_ok=True)
        except OSError as error:
            if self._strict:
                message = f"the log directory can't be made: {error}; {_REMEDY}"
                raise LogFileError(message) from error
        return directory

    def _choose_working_dir(self) -> environment.Choice:
        return environment.working_dir(
            os.environ,
            machine.first_directory,
            argument=self._working_dir,
            ask_run_id=self._ask_run_id,
            run_is_overridden=_is_overridden(self, "get_run"),
        )

    def _ask_run_id(self) -> str | None:
        try:
            return str(self.get_run().id)
        except Exception as error:  # noqa: BLE001 - logging must go on where azureml-core can't
            lastresort.say_once("run id", f"the run's id is not known: {readable(error)}")
            return None


def config(  # noqa: PLR0913 - as the method
    name: str = "EntryScript",
    level: str | int = "INFO",
    *,
    json: bool = False,
    redact: bool | Iterable[str | re.Pattern[str]] = True,
    max_bytes: int | None = None,
    when: Literal["hour", "day"] | None = None,
    rate_limit: int | tuple[int, float] | None = None,
) -> logging.Logger:
    """Make a logger write to this process's file, and return it: `EntryScriptHelper.config` without the class."""
    return EntryScriptHelper().config(
        name, level, json=json, redact=redact, max_bytes=max_bytes, when=when, rate_limit=rate_limit
    )


def get_logger(name: str = "EntryScript") -> logging.Logger:
    """Return a logger; `config` makes it write to this process's file."""
    return logging.getLogger(name)


def where(working_dir: str | None = None) -> environment.Place:
    """Return where this process is, and why each was chosen; nothing is made."""
    helper = EntryScriptHelper(working_dir)
    chosen = helper._choose_working_dir()  # noqa: SLF001 - this module's own class
    node = _node()
    return environment.Place(
        platform=environment.platform(os.environ),
        run_id=environment.run_id(os.environ),
        node=node,
        process=environment.Choice(machine.process_name(), "the name of this process, which names its log file"),
        working_dir=chosen,
        log_dir=environment.Choice(
            os.path.join(str(chosen.value), "logs"), "in the working directory; a process logs to user/<node>/ in it"
        ),
        temp_dir=environment.temp_dir(os.environ, machine.first_directory, machine.system_temp_dir, os.getpid()),
        output_dir=environment.output_dir(os.environ, machine.first_directory),
    )


def level_number(level: object) -> int:
    """Return a level as a number.

    Args:
        level: A number, or a name that `logging` knows, in any case.

    Raises:
        UsageError: It is neither.
    """
    if isinstance(level, int) and not isinstance(level, bool):
        return int(level)
    if isinstance(level, str):
        text = level.strip()
        for name in (text, text.upper()):
            number = logging.getLevelName(name)
            if isinstance(number, int):
                return number
        if text.isascii() and text.isdigit():
            return int(text)
    message = f"level: {readable(level)} is not a level; use DEBUG, INFO, WARNING, ERROR, CRITICAL, or a number"
    raise UsageError(message)


def _long_run(max_bytes: object, when: object, rate_limit: object) -> tuple[Cut | None, Rate | None]:
    """Return when files are cut and which repeats are dropped; what serves that is loaded only if it is asked for."""
    cut = rate = None
    try:
        if max_bytes is not None or when is not None:
            from entry_script_helper import cutting  # noqa: PLC0415 - for long runs

            cut = cutting.chosen(max_bytes, when)
        if rate_limit is not None:
            from entry_script_helper import ratelimit  # noqa: PLC0415 - as above

            rate = ratelimit.chosen(rate_limit)
    except (ImportError, OSError) as error:  # no file descriptor is free to load them
        text = f"files are not cut and no repeats dropped until config() is called again: {readable(error)}"
        lastresort.say_once("long run", text)
    return cut, rate


def _node_or_error() -> environment.Choice:
    return environment.node(os.environ, machine.address, machine.host_name)


def _node() -> environment.Choice:
    try:
        return _node_or_error()
    except OSError:
        return environment.Choice(machine.host_name(), "there is no free file descriptor to ask for an address")


def _is_overridden(helper: EntryScriptHelper, getter: str) -> bool:
    # By name: after a reload of this module, an object of the class that was is not of the class that is.
    function = getattr(getattr(helper, getter), "__func__", None)
    return (getattr(function, "__module__", ""), getattr(function, "__qualname__", "")) != (
        __name__,
        f"EntryScriptHelper.{getter}",
    )
