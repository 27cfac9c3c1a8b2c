"""Imports run one way, and `import entry_script_helper` stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import entry_script_helper

PACKAGE = Path(entry_script_helper.__file__).parent

# From the bottom up: a module may import only from those above it in this list.
LAYERS = [
    "errors",
    "processstate",
    "changes",
    "turn",
    "naming",
    "lastresort",
    "redaction",
    "jsontext",
    "contract",
    "machine",
    "environment",
    "tracebacks",
    "formatting",
    "logfile",
    "cutting",
    "ratelimit",
    "stacks",
    "errorfile",
    "openfiles",
    "handler",
    "fastpath",
    "structlogtarget",
    "structlogging",
    "inheritance",
    "privatedir",
    "runcontext",
    "helper",
    "entryscript",
    "guardedcall",
    "guard",
    "",
    "testing",
    "terminal",
    "logtree",
    "simulator",
    "cli",
    "__main__",
]


# Within logtree, whose rooms are folders.
LOGTREE_LAYERS = [
    {"complaints"},
    {"layouts"},
    {"stream"},
    {"files"},
    {"activity"},
    {"selection", "findings"},
    {"", "report", "logscommand", "summarycommand"},
    {"reportcommand"},
]


def layer_of(module):
    parts = module.split(".")
    return LAYERS.index(parts[1] if len(parts) > 1 else "")


def is_module(name):
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def imports_of(path):
    """Yield every module of ours that a file imports, at its top, within a function or for types only."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "entry_script_helper":
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                yield module if is_module(module) else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("entry_script_helper"))


def test_imports_run_one_way():
    """No module imports from one that stands above it: there is no circle."""
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for imported in imports_of(path):
            room = name.split(".")[1:2]
            inside = room in (["simulator"], ["logtree"]) and imported.split(".")[1:2] == room
            assert inside or layer_of(imported) < layer_of(name), f"{name} imports {imported}"


def test_the_rooms_of_the_log_tree_reader_stand_on_each_other():
    """Within the log tree reader, a room imports only from those below it, or from itself."""

    def place_of(name):
        room = (name.split(".")[2:] or [""])[0]
        return next(floor for floor, rooms in enumerate(LOGTREE_LAYERS) if room in rooms), room

    for path in (PACKAGE / "logtree").rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for imported in imports_of(path):
            if imported.startswith("entry_script_helper.logtree") and name != "entry_script_helper.logtree":
                above, below = place_of(name), place_of(imported)
                assert below[0] < above[0] or below == above, f"{name} imports {imported}"


def modules_after(code):
    code = f"import logging, sys; before = set(sys.modules)\n{code}\nprint(*sorted(set(sys.modules) - before))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_import_is_light():
    """The import loads the standard library only, and little of it."""
    loaded = modules_after("import entry_script_helper")
    ours = {name for name in loaded if name.startswith("entry_script_helper")}
    assert loaded - ours <= {"__future__", "atexit", "errno", "fcntl", "contextlib"}
    assert len(ours) <= 19


def test_config_is_light():
    """config() and a record in text load next to nothing more."""
    code = "import entry_script_helper, os, tempfile; os.chdir(tempfile.mkdtemp()); before = set(sys.modules)\n"
    loaded = modules_after(code + "entry_script_helper.config('x').info('a')")
    assert {name for name in loaded if not name.startswith("entry_script_helper")} <= {"_socket", "_contextvars", "gc"}


def test_where_is_light():
    """The command `where` works without any package but our own."""
    code = "import contextlib, io\nfrom entry_script_helper.cli import main\n"
    loaded = modules_after(code + "with contextlib.redirect_stdout(io.StringIO()): main(['where'])")
    assert not loaded & {"structlog", "azureml", "pebble", "tqdm", "multiprocessing"}
