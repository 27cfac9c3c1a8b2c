"""All figures by one command: makes an environment, installs the project and its peers, prints and writes the tables.

python benchmarks/run.py [--quick] [--environment DIRECTORY] [--no-page]

Needs nothing but Python 3.11 (others work, where the peers can be installed) and what pip fetches. The environment is
kept below ~/.cache for the next time. Writes docs/explanation/performance.md and performance.svg; with --quick there
are fewer rounds, and nothing is written.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
PACKAGES = ["structlog", "orjson", "msgspec", "loguru", "python-json-logger", "picologging", "logust"]
# What the simulator needs, and what it is compared with.
POOLS = ["pebble", "tqdm", "psutil", "pyyaml", "joblib", "loky", "dask", "distributed", "ray"]
INSIDE = "ENTRY_SCRIPT_HELPER_BENCHMARKS_INSIDE"


def default_environment():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(cache, "entry-script-helper", "benchmarks-{}.{}".format(*sys.version_info))


def prepare(directory):
    """Make or refresh the environment, and return its interpreter. A peer that can't be installed is left out."""
    python = os.path.join(directory, "bin", "python")
    if not os.path.exists(python):
        venv.create(directory, with_pip=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for package in [*PACKAGES, *POOLS]:
        if subprocess.run([*install, package], check=False, capture_output=True).returncode:
            print(f"{package} can't be installed here, and is left out.")
    subprocess.run([*install, "--force-reinstall", "--no-deps", ROOT], check=True)
    return python


def tables_of(python, script, *arguments):
    """Run one of the scripts, and return its tables.

    Raises:
        SystemExit: It failed; it has said why.
    """
    from tables import load

    command = [python, os.path.join(HERE, script), *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{script} {' '.join(arguments)} failed")
    return load(done.stdout)


def measure(*, quick):
    """Yield every table, as soon as it is there."""
    from records import GROUPS

    rounds = ["--rounds", "15" if quick else "60"]
    for group in GROUPS:
        yield from tables_of(sys.executable, "records.py", group, *rounds)
    yield from tables_of(sys.executable, "cold.py", "--rounds", "100" if quick else "600")
    yield from tables_of(sys.executable, "together.py", *rounds)
    yield from tables_of(sys.executable, "instructions.py")
    yield from tables_of(sys.executable, "start.py", "--rounds", "5" if quick else "15")
    fewer = ["--rounds", "3", "--records", "100000"] if quick else []
    yield from tables_of(sys.executable, "growth.py", *fewer)
    yield from tables_of(sys.executable, "simulator.py", "rate", "million", "--rounds", "1" if quick else "3")
    yield from tables_of(sys.executable, "logtree.py", "merge", "json", "memory", "--rounds", "2" if quick else "7")
    yield from tables_of(sys.executable, "logtree.py", "first", "--gigabytes", "1" if quick else "10")
    if not quick:  # a round takes minutes
        yield from tables_of(sys.executable, "simulator.py", "efficiency", "--rounds", "1")


def inside(*, quick, write):
    from chart import chart
    from page import page
    from records import BATCH
    from tables import as_text

    tables = []
    for table in measure(quick=quick):
        print(as_text(table), flush=True)
        tables.append(table)
    if write:
        explanation = os.path.join(ROOT, "docs", "explanation")
        drawing = chart("Speed, as a multiple of the article's code", tables)
        for name, text in [
            ("performance.md", page(tables, ["entry-script-helper", *PACKAGES, *POOLS], rounds=60, batch=BATCH)),
            ("performance.svg", drawing),
        ]:
            with open(os.path.join(explanation, name), "w", encoding="utf-8") as file:
                file.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds; docs/ is left as it is")
    parser.add_argument("--environment", default=default_environment(), help="where the environment is kept")
    parser.add_argument("--no-page", action="store_true", help="leave docs/ as it is")
    arguments = parser.parse_args()
    if os.environ.get(INSIDE):
        inside(quick=arguments.quick, write=not arguments.quick and not arguments.no_page)
        return
    print(f"The environment: {arguments.environment}", flush=True)
    python = prepare(arguments.environment)
    # What is installed is measured, and the byte code of imports is kept.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AZ_", "AZUREML_"))}
    environ.pop("ENTRY_SCRIPT_HELPER_WORKING_DIR", None)
    sys.exit(subprocess.run([python, __file__, *sys.argv[1:]], env={**environ, INSIDE: "1"}, check=False).returncode)


if __name__ == "__main__":
    main()
