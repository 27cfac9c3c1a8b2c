"""What many nodes cost: constants measured by really running, a tree of 1,000 nodes made and read, the page of both.

python benchmarks/scale.py constants               bytes of each kind of record, microseconds
python benchmarks/scale.py tree DIRECTORY          write the tree
python benchmarks/scale.py read DIRECTORY          what the reader needs for it
python benchmarks/scale.py page                    all three; writes scale.json and docs/explanation/scale.md

Needs the package with its extra `simulator`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

import scalepage
import scaletree

HERE = os.path.dirname(os.path.abspath(__file__))
KEPT = os.path.join(HERE, "scale.json")
PAGE = os.path.join(os.path.dirname(HERE), "docs", "explanation", "scale.md")
NODES, PROCESSES, MINI_BATCHES = 1000, 16, 1_000_000

SCRIPT = """
import logging
import os

from entry_script_helper import config, guard

logger = logging.getLogger("score")

@guard
def init():
    config("score", json=os.environ["AS_JSON"] == "1")

@guard
def run(mini_batch, context):
    for path in mini_batch:
        logger.info("scored %s: %.2f", os.path.basename(path), 0.25)
    if context.minibatch_index == 3:
        raise ValueError("no reading in " + os.path.basename(mini_batch[0]))
    return mini_batch
"""

CLOCK = """
import json, logging, statistics, sys, time
from entry_script_helper import config

logger = config("score", json=sys.argv[1] == "1")
memory = bytearray(16 * 2**20)

def seconds(count):
    begin = time.perf_counter()
    for number in range(count):
        logger.info("scored %s: %.2f", "image_00000.png", 0.25)
    return (time.perf_counter() - begin) / count

def cold():
    time.sleep(0.001)
    sum(memory[::64])
    return seconds(1)

hot = [seconds(500) for _ in range(40)]
print(json.dumps([sorted(hot)[4] * 1e6, statistics.median([cold() for _ in range(300)]) * 1e6]))
"""


def start(*arguments, directory, **variables):
    """Run a program of this Python's and return what it printed; its exit status is not looked at."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AZ", "ENTRY_SCRIPT_"))}
    environ = {**kept, "AZ_BATCHAI_WORKER_IP": "10.0.0.4", "PYTHONPATH": os.path.dirname(HERE), **variables}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=directory, env=environ, capture_output=True, text=True, check=False)
    return done.stdout


def constants():
    """Return bytes of each kind of record, as a run of the simulator leaves them, and microseconds."""
    found = {}
    for name, as_json in (("text", "0"), ("json", "1")):
        with tempfile.TemporaryDirectory() as directory:
            found.update({f"{key}_{name}": value for key, value in user_bytes(directory, as_json).items()})
            if name == "text":
                found.update(tree_bytes(directory))
            hot, cold = json.loads(start("-c", CLOCK, as_json, directory=directory))
            found.update({f"hot_{name}": round(hot, 1), f"cold_{name}": round(cold)})
    return {**found, **instructions()}


def instructions():
    """Return the instructions of a record, as the page on performance has them."""
    with open(os.path.join(os.path.dirname(PAGE), "performance.md"), encoding="utf-8") as file:
        part = file.read().partition("### Instructions")[2].partition("###")[0]
    names = {"text": "entry_script_helper", "json": "entry_script_helper, json=True"}
    rows = {name: re.search(rf"^\| {re.escape(row)} \| ([\d,]+) \|", part, re.MULTILINE) for name, row in names.items()}
    return {f"instructions_{name}": int(row.group(1).replace(",", "")) for name, row in rows.items()}


def user_bytes(directory, as_json):
    os.mkdir(os.path.join(directory, "in"))
    for number in range(100):
        with open(os.path.join(directory, "in", f"image_{number:05}.png"), "w", encoding="utf-8") as file:
            file.write("x")
    with open(os.path.join(directory, "score.py"), "w", encoding="utf-8") as file:
        file.write(SCRIPT)
    options = ("--processes", "1", "--mini-batch-size", str(scaletree.ITEMS), "--run-max-try", "2", "--quiet")
    run = ("-m", "entry_script_helper", "run", "score.py", "--input", "in", "--resource-monitor-interval", "0.05")
    start(*run, *options, directory=directory, AS_JSON=as_json, AZUREML_RUN_ID="00000000-0000-0000-0000-000000000000")
    kinds = {"item": [], "batch": [], "failure": [], "begin": []}
    for path in _paths(directory, "user", (".txt", ".jsonl")):
        for record in _records(path):
            if "scored " in record:
                kind = "item"
            elif "failed after" in record:
                kind = "failure"
            else:
                kind = "batch" if "items in" in record or '"items_in"' in record else "begin"
            # A traceback names the script: where Azure ML has it, not where it was measured.
            kinds[kind].append(len(record.replace(directory, "/mnt/azureml/cr/j/0a/exe/wd").encode()))
    return {kind: round(statistics.mean(sizes)) for kind, sizes in kinds.items()}


def tree_bytes(directory):
    """Return bytes of the lines and rows that the simulator itself writes."""
    found = {}
    lines = [line for path in _paths(directory, "worker", ".txt") for line in _records(path)]
    for kind in ("picked", "completed"):
        found[kind] = round(
            statistics.mean(len(line) for line in lines if f"|{kind} " in line and "error=" not in line)
        )
    for kind in ("process", "sys"):
        rows = [_records(path) for path in _paths(directory, "performance", ".csv") if f"{kind}_resource" in path]
        found[f"{kind}_heading"] = len(rows[0][0])
        found[f"{kind}_row"] = round(statistics.mean(len(row) for file in rows for row in file[1:]))
    (master,) = _paths(directory, "master", ".txt")
    found["started"] = round(statistics.mean(len(line) for line in _records(master) if " started: " in line))
    return found


def _paths(directory, kind, endings):
    top = os.path.join(directory, "logs")
    found = [os.path.join(place, name) for place, _, names in os.walk(top) for name in names]
    return sorted(path for path in found if os.path.relpath(path, top).startswith(kind) and path.endswith(endings))


def _records(path):
    """Return a file's records, each with its further lines and its newline."""
    with open(path, encoding="utf-8") as file:
        return re.findall(r"[^\t\n].*\n(?:\t.*\n)*", file.read())


PAGE_OF_RUN = "{}/report.html"
COMMANDS = {
    "`logs` (all merged by time)": ("logs", "{}"),
    "`logs --level ERROR`": ("logs", "{}", "--level", "ERROR"),
    "`summary`": ("summary", "{}"),
    "`report`": ("report", "{}", "--output", PAGE_OF_RUN),
}


def read(directory):
    """Return seconds, MiB at the peak and bytes written of each of the reader's commands."""
    found = {}
    for name, parts in COMMANDS.items():
        command = [sys.executable, "-m", "entry_script_helper", *(part.format(directory) for part in parts)]
        with tempfile.TemporaryFile() as output:
            begin = time.perf_counter()
            process = subprocess.Popen(command, stdout=output, env={**os.environ, "PYTHONPATH": os.path.dirname(HERE)})
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begin
            size = os.path.getsize(command[-1]) if PAGE_OF_RUN in parts else output.tell()
        if os.waitstatus_to_exitcode(status) not in {0, 1, 73}:
            raise SystemExit(f"{' '.join(command)} failed")
        busy = round(used.ru_utime + used.ru_stime, 1)
        found[name] = {
            "seconds": round(seconds, 1),
            "processor": busy,
            "mebibytes": round(used.ru_maxrss / 1024),
            "printed": size,
        }
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["constants", "tree", "read", "page"])
    parser.add_argument("directory", nargs="?")
    parser.add_argument("--nodes", type=int, default=NODES)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--mini-batches", type=int, default=MINI_BATCHES)
    arguments = parser.parse_args()
    sizes = {"nodes": arguments.nodes, "processes": arguments.processes, "mini_batches": arguments.mini_batches}
    if arguments.what in {"tree", "read"} and not arguments.directory:
        parser.error(f"{arguments.what} needs a DIRECTORY")
    if arguments.what == "constants":
        found = constants()
    elif arguments.what == "tree":
        found = dataclasses.asdict(scaletree.make(arguments.directory, **sizes))
    elif arguments.what == "read":
        found = read(arguments.directory)
    else:
        with tempfile.TemporaryDirectory() as directory:
            begin = time.perf_counter()
            tree = dataclasses.asdict(scaletree.make(directory, **sizes))
            tree["seconds"] = round(time.perf_counter() - begin, 1)
            found = {"constants": constants(), "tree": {**sizes, **tree}, "read": read(directory)}
        with open(KEPT, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=2)
            file.write("\n")
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(scalepage.page(found))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
