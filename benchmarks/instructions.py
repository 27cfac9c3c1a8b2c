"""User instructions per record, counted by valgrind's callgrind: repeatable where the clock is not, so a gate for CI.

The difference between a run of twice as many records and one of so many, so that start and end cancel out. What the
kernel does for write() is not counted.

python benchmarks/instructions.py [--gate] [--json]

With --gate only ours are counted (nothing but the project need be installed), and the exit status is 1 if one needs
more than its limit; 0, with a note, where valgrind is not installed.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

TEXT_LIMIT = 18_000
JSON_LIMIT = 20_000
RECORDS = 2000

GATED = {"text": TEXT_LIMIT, "json": JSON_LIMIT}
NAMES = {
    "article": "the article's code",
    "structlog": "structlog, orjson, BytesLogger",
    "structlog-fields": "structlog, orjson, the text's fields too",
    "picologging": "picologging (C++)",
    "text": "entry_script_helper",
    "json": "entry_script_helper, json=True",
}
NEEDS = {
    "structlog": ("structlog", "orjson"),
    "structlog-fields": ("structlog", "orjson"),
    "picologging": ("picologging",),
}


def work(which, count, directory):
    """Log: this is what runs under valgrind.

    Valgrind makes all some fifty times slower, but not the clock: what ours does once a millisecond, however many
    records come, it would do for nearly each one. So the clock goes on by 10 microseconds a look instead.
    """
    time.time = itertools.count(time.time(), 1e-5).__next__
    import calls
    import peers

    make = {
        "article": peers.of_the_article,
        "structlog": peers.structlog_orjson,
        "structlog-fields": peers.structlog_orjson_fields,
        "picologging": peers.picologging,
        "text": peers.ours,
        "json": peers.ours_json,
    }[which]
    logger, _ = make("score", directory)
    calls.info(logger)(count)


def instructions(which, count):
    """Return the user instructions of a process that logs so many records.

    Raises:
        RuntimeError: It failed, or valgrind said nothing that can be read.
    """
    environ = {**os.environ, "PYTHONHASHSEED": "0"}
    with tempfile.TemporaryDirectory() as directory:
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, __file__]
        command += ["--work", which, str(count), directory]
        done = subprocess.run(command, env=environ, cwd=directory, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise RuntimeError(f"{which}: no count of instructions: {done.stderr[-2000:]}")
    return int(found.group(1))


def per_record(which):
    instructions(which, 1)  # what is imported is compiled by then
    return round((instructions(which, 2 * RECORDS) - instructions(which, RECORDS)) / RECORDS)


def gate():
    """Return the exit status."""
    counts = {which: per_record(which) for which in GATED}
    said = "; ".join(f"{which} {count:,} of at most {GATED[which]:,}" for which, count in counts.items())
    failed = any(count > GATED[which] for which, count in counts.items())
    print(f"instructions per record: {said}: {'TOO MANY' if failed else 'well'}")
    return int(failed)


def measure():
    import importlib.util

    from tables import Table

    about = (
        "User instructions of a record, counted by valgrind's callgrind: the same on a busy machine. "
        f"Ours may need at most {TEXT_LIMIT:,} in text and {JSON_LIMIT:,} in JSON, which a gate checks."
    )
    if not shutil.which("valgrind"):
        return Table("Instructions", about, ["logger", "instructions per record"], [], ["valgrind is not installed."])
    rows, notes, first = [], [], None
    for which, name in NAMES.items():
        if all(importlib.util.find_spec(package) for package in NEEDS.get(which, ())):
            count = per_record(which)
            first = first or count
            rows.append([name, f"{count:,}", f"{first / count:.2f}"])
        else:
            notes.append(f"{name}: not installed here, skipped.")
    return Table(
        "Instructions", about, ["logger", "instructions per record", "the article's are x as many"], rows, notes
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gate", action="store_true", help="count ours only; exit with 1 if they are too many")
    parser.add_argument("--json", action="store_true", help="print the tables as JSON")
    parser.add_argument("--work", nargs=3, metavar=("WHICH", "COUNT", "DIRECTORY"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        which, count, directory = arguments.work
        work(which, int(count), directory)
    elif arguments.gate and not shutil.which("valgrind"):
        print("instructions per record: not counted, valgrind is not installed")
    elif arguments.gate:
        sys.exit(gate())
    else:
        from tables import emit

        emit([measure()], machine_readable=arguments.json)


if __name__ == "__main__":
    main()
