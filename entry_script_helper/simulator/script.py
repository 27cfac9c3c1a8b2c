"""The entry script as a module: loaded as the service loads it, its functions found, and the context they may ask for.

What is here of the service's manners: `sys.argv` holds the driver's own arguments and the script's; the current
directory is the process's temp directory; the script's folder can be imported from.
"""

from __future__ import annotations

import dataclasses
import inspect
import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec

from entry_script_helper.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from entry_script_helper.simulator.settings import Settings


class NotAnEntryScriptError(UsageError):
    """The file is no entry script. A plain `UsageError` may also be raised by the script itself."""


@dataclasses.dataclass(frozen=True)
class Context:
    """What the service passes to ``run(mini_batch, context)``."""

    minibatch_index: int
    retry_count: int
    """Tries before this one."""
    partition_key_value: dict[str, Any] | None
    dataset: Any
    """The files that the mini-batch is from: the service's dataset objects are not here."""


@dataclasses.dataclass(frozen=True)
class EntryScriptModule:
    """The functions of an entry script; those that it may leave out do nothing then."""

    path: str
    init: Callable[[], object]
    run: Callable[..., object]
    shutdown: Callable[[], object]
    takes_context: bool
    """Whether ``run()`` has a second argument, for a `Context`."""

    @property
    def has_shutdown(self) -> bool:
        """Whether it has a ``shutdown()``."""
        return self.shutdown is not _nothing


def load(path: str, arguments: list[str]) -> EntryScriptModule:
    """Import the entry script into this process.

    Its folder comes first on ``sys.path``, so that it can import its neighbours; ``sys.argv`` is the script and the
    arguments; it is in ``sys.modules`` under its file's name, so that what it defines can be pickled.

    Raises:
        NotAnEntryScriptError: It has no ``run()``.
        BaseException: Whatever its top level raises.
    """
    sys.path.insert(0, os.path.dirname(path))
    sys.argv = [path, *arguments]
    stem = os.path.splitext(os.path.basename(path))[0]
    name = f"entry_script_{stem}" if stem in sys.modules else stem  # json.py must not become everybody's json
    spec = ModuleSpec(name, SourceFileLoader(name, path), origin=path)
    spec.has_location = True
    module = module_from_spec(spec)
    sys.modules[name] = module
    SourceFileLoader(name, path).exec_module(module)
    run = getattr(module, "run", None)
    if not callable(run):
        raise NotAnEntryScriptError(
            f"the entry script {path} has no function run(): define run(mini_batch), returning a list"
        )
    return EntryScriptModule(
        path=path,
        init=getattr(module, "init", _nothing),
        run=run,
        shutdown=getattr(module, "shutdown", _nothing),
        takes_context=_takes_context(run),
    )


def polluted(settings: Settings) -> list[str]:
    """Return what the service leaves in ``sys.argv`` behind the script's name: its driver's arguments and the script's.

    Scripts must therefore use ``parse_known_args()`` (Azure ML, "ParallelRunStep troubleshooting guide").
    """
    thresholds = [
        ("--error_threshold", -1 if settings.error_threshold is None else settings.error_threshold),
        ("--allowed_failed_count", settings.allowed_failed_count),
        ("--allowed_failed_percent", settings.allowed_failed_percent),
        ("--mini_batch_error_threshold", settings.mini_batch_error_threshold),
    ]
    before = [
        ("--client_sdk_version", "1.0.0"),
        ("--scoring_module_name", os.path.basename(settings.script)),
        ("--mini_batch_size", settings.mini_batch_size),
        *thresholds,
        ("--output_action", settings.output_action),
        ("--append_row_file_name", settings.append_row_file_name),
        ("--logging_level", settings.logging_level),
        ("--run_invocation_timeout", _short(settings.run_invocation_timeout)),
        ("--run_max_try", settings.run_max_try),
        ("--output", os.path.dirname(settings.output)),
        ("--process_count_per_node", settings.processes),
        ("--partition_keys", ",".join(settings.partition_keys) or None),
    ]
    after = [(f"--input_fds_{number}", path) for number, path in enumerate(settings.input)]
    return [*_flat(before), *settings.arguments, *_flat(after)]


def _flat(options: list[tuple[str, Any]]) -> list[str]:
    return [str(word) for name, value in options if value is not None for word in (name, value)]


def _short(seconds: float) -> str:
    return f"{seconds:g}"


def _takes_context(run: Callable[..., object]) -> bool:
    """Tell whether run() is to get a second argument: it has one that it needs, or that is called context."""
    try:
        parameters = list(inspect.signature(run).parameters.values())
    except (TypeError, ValueError):  # written in C
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [parameter for parameter in parameters if parameter.kind in kinds]
    if len(positional) < 2:  # noqa: PLR2004 - the mini-batch is the first
        return False
    return positional[1].default is inspect.Parameter.empty or "context" in positional[1].name


def _nothing() -> None:
    """Stand for a function that the script leaves out."""
