"""The entry script as a module: loaded by its path as the service loads it, its three functions found."""

from __future__ import annotations

import dataclasses
import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec

from entry_script_helper.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class NotAnEntryScriptError(UsageError):
    """The file is no entry script. A plain `UsageError` may also be raised by the script itself."""


@dataclasses.dataclass(frozen=True)
class EntryScriptModule:
    """The functions of an entry script; those that it may leave out do nothing then."""

    path: str
    init: Callable[[], object]
    run: Callable[[list[str]], object]
    shutdown: Callable[[], object]


def load(path: str, arguments: tuple[str, ...]) -> EntryScriptModule:
    """Import the entry script into this process.

    Its folder comes first on ``sys.path``, so that it can import its neighbours; ``sys.argv`` is the script and its
    own arguments; it is in ``sys.modules`` under its file's name, so that what it defines can be pickled.

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
    )


def _nothing() -> None:
    """Stand for a function that the script leaves out."""
