"""What starting costs each process: import time and memory beyond `import logging`, interleaved in one run.

python -m venv bench && bench/bin/pip install -U pip && bench/bin/pip install '.[azureml]'
bench/bin/python benchmarks/start.py [rounds]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile

CASES = {
    "import entry_script_helper": "import entry_script_helper",
    "... config() and a record": "import entry_script_helper; entry_script_helper.config('x').info('a')",
    "import structlog": "import structlog",
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


def measure(code: str) -> tuple[float, float]:
    """Return milliseconds and MiB, from a process of its own whose byte code is compiled already."""
    with tempfile.TemporaryDirectory() as directory:
        arguments = [sys.executable, "-c", MEASURE.format(code=code)]
        result = subprocess.run(arguments, cwd=directory, capture_output=True, text=True, check=True)
    milliseconds, mebibytes = map(float, result.stdout.split())
    return milliseconds, mebibytes


def main() -> None:
    """Print a table: median and spread of each case."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in CASES}
    for turn in range(rounds + 1):
        for name, code in CASES.items():
            figures = measure(code)
            if turn:  # the first round compiles
                found[name].append(figures)
    print(f"{'beyond import logging':32} {'ms: min':>8} {'median':>8} {'max':>8} {'MiB: median':>12}")
    for name, figures in found.items():
        times, sizes = zip(*figures)
        middle, size = statistics.median(times), statistics.median(sizes)
        print(f"{name:32} {min(times):8.1f} {middle:8.1f} {max(times):8.1f} {size:12.2f}")


if __name__ == "__main__":
    main()
