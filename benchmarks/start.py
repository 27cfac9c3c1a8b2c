"""What starting costs each process: import time and memory beyond `import logging`, interleaved in one run.

python -m venv bench && bench/bin/pip install -U pip && bench/bin/pip install '.[azureml]'
bench/bin/python benchmarks/start.py [--rounds 15] [--json]

What is not installed is skipped.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile

from tables import Table, emit, spread

ARTICLE = "the article's code, without azureml-core: import, config() and a record"
CASES = {
    ARTICLE: "import article; article.EntryScriptHelper().config('x').info('a')",
    "import entry_script_helper": "import entry_script_helper",
    "... config() and a record": "import entry_script_helper; entry_script_helper.config('x').info('a')",
    "import pythonjsonlogger.json": "import pythonjsonlogger.json",
    "import structlog": "import structlog",
    "from loguru import logger": "from loguru import logger",
    "from azureml.core import Run": "from azureml.core import Run",
}

# The resident memory, in pages, is the second number of statm (proc(5)).
MEASURE = """
import logging, resource, time
memory = lambda: int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
memory()
before, started = memory(), time.perf_counter()
{code}
print((time.perf_counter() - started) * 1000, (memory() - before) / 2**20)
"""


def measure_case(code: str) -> tuple[float, float]:
    """Return milliseconds and MiB, from a process of its own whose byte code is compiled already."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *search_path()])}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as directory:
        arguments = [sys.executable, "-c", MEASURE.format(code=code)]
        result = subprocess.run(arguments, cwd=directory, env=environ, capture_output=True, text=True, check=True)
    milliseconds, mebibytes = map(float, result.stdout.split())
    return milliseconds, mebibytes


def search_path() -> list[str]:
    return [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []


def is_there(code: str) -> bool:
    module = code.split(maxsplit=2)[1].rstrip(";").partition(".")[0]
    return bool(importlib.util.find_spec(module))


def measure(rounds: int) -> Table:
    """Return a table: median and spread of each case, and its distance from the article's code."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name, code in CASES.items() if is_there(code)}
    for turn in range(rounds + 1):
        for name, figures in found.items():
            measured = measure_case(CASES[name])
            if turn:  # the first round compiles
                figures.append(measured)
    rows = []
    for name, figures in found.items():
        times, sizes = zip(*figures)
        middle, low, high = spread(times)
        later = spread([one - other for one, other in zip(times, (first for first, _ in found[ARTICLE]))])[0]
        size = spread(sizes)[0]
        more = spread([one - other for one, other in zip(sizes, (second for _, second in found[ARTICLE]))])[0]
        far = ["", ""] if name == ARTICLE else [f"{later:+.1f}", f"{more:+.2f}"]
        rows.append([name, f"{middle:.1f} ({low:.1f} to {high:.1f})", far[0], f"{size:.2f}", far[1]])
    about = (
        "Milliseconds and resident memory beyond `import logging`, each in a process of its own whose byte code is "
        "compiled already. The article's code as it is also imports azureml-core, the last row where that is installed."
    )
    notes = [f"{name}: not installed here, skipped." for name in CASES if name not in found]
    return Table("Start", about, ["beyond import logging", "ms", "ms more", "MiB", "MiB more"], rows, notes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print the tables as JSON")
    arguments = parser.parse_args()
    emit([measure(arguments.rounds)], machine_readable=arguments.json)


if __name__ == "__main__":
    main()
