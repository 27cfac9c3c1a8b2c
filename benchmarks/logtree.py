"""The log tree reader against sort -m, lnav and jq, its memory, and the first line of a large tree.

python benchmarks/logtree.py [merge] [json] [memory] [first] [--rounds N] [--gigabytes N] [--json]

All of a table are measured in turn in the same run, each as a process of its own that writes to a file. lnav and jq
are left out where they are not installed. `first` needs as much room as the tree has below the temporary directory.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from tables import Table, emit

FILES, LINES = 64, 20_000
BEGIN = 1769853600
TRACEBACK = '\tTraceback (most recent call last):\n\t  File "score.py", line 12, in run\n\tValueError: seven\n'


def stamp(seconds, separator=",", digits=3):
    day = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
    return f"{day}{separator}{int(seconds % 1 * 10**digits):0{digits}}"


def text_line(seconds, file, number):
    message = f"scored item number {number} of mini-batch {number // 10} score={random.random():.6f}\n"
    if number % 2000 == 7:
        return f"{stamp(seconds)}|EntryScript|ERROR|{4000 + file}|140239471236928|run()|{message}{TRACEBACK}"
    return f"{stamp(seconds)}|EntryScript|INFO|{4000 + file}|140239471236928|run()|{message}"


def json_line(seconds, file, number):
    time_ = stamp(seconds, ".", 6).replace(" ", "T")
    return (
        f'{{"timestamp": "{time_}Z", "level": "INFO", "logger": "score", "event": "scored item number {number}", '
        f'"process": {4000 + file}, "process_name": "Process-{file}", "thread": 14, "func_name": "run", '
        '"run_id": null, "node": "10.0.0.4"}\n'
    )


def make(folder, files, lines, line=text_line, ending="txt"):
    """Write a tree whose files are interleaved in time, and return their paths."""
    random.seed(1)
    logs = os.path.join(folder, "logs", "user", "10.0.0.4")
    os.makedirs(logs)
    paths = []
    for file in range(1, files + 1):
        now = BEGIN + random.random()
        paths.append(os.path.join(logs, f"Process-{file}.{ending}"))
        with open(paths[-1], "w", encoding="utf-8") as opened:
            for number in range(lines):
                now += random.random() * 0.02
                opened.write(line(now, file, number))
    return paths


def ours(folder, *options):
    return [sys.executable, "-m", "entry_script_helper", "logs", folder, *options]


def timed(command, **variables):
    """Return seconds by the clock on the wall, and of processors, that a command takes."""
    with tempfile.TemporaryFile() as out:
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, stdout=out, stderr=subprocess.DEVNULL, env={**os.environ, **variables}, check=True)
        seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compared(title, note, commands, rounds):
    """Return a table of commands, each as a multiple of the first one's time in the same round."""
    taken = {name: [] for name in commands}
    names = list(commands)
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            taken[name].append(timed(commands[name], LC_ALL="C"))
    rows = []
    for name in names:
        row = [name]
        for kind in range(2):
            seconds = [one[kind] for one in taken[name]]
            ratios = [mine[kind] / first[kind] for mine, first in zip(taken[name], taken[names[0]])]
            row += [f"{min(seconds):.2f}", f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"]
        rows.append(row)
    head = ["", "s, at best", "x the time", "processor s, at best", "x the processor time"]
    return Table(title, note, head, rows)


def merge(folder, rounds, _gigabytes):
    paths = make(folder, FILES, LINES)
    size = sum(map(os.path.getsize, paths)) / 1e6
    commands = {"sort -m": ["sort", "-m", *paths], "entry-script-helper logs": ours(folder)}
    commands["... --level error"] = ours(folder, "--level", "error")
    commands["... --grep"] = ours(folder, "--grep", "mini-batch 1999 ")
    commands["... --label"] = ours(folder, "--label")
    commands["entry-script-helper summary"] = [sys.executable, "-m", "entry_script_helper", "summary", folder]
    if shutil.which("lnav"):
        commands["lnav -n"] = ["lnav", "-n", *paths]
    note = (
        f"{FILES} files with {FILES * LINES:,} records, {size:.0f} MB, interleaved; output to a file. `sort -m` breaks "
        "records of several lines."
    )
    yield compared("Log tree: merge", note, commands, rounds)


def json(folder, rounds, _gigabytes):
    paths = make(folder, FILES, LINES // 4, json_line, "jsonl")
    commands = {"sort -m": ["sort", "-m", *paths], "entry-script-helper logs": ours(folder)}
    commands["... --level error"] = ours(folder, "--level", "error")
    commands["... --json"] = ours(folder, "--json")
    if shutil.which("jq"):
        commands["jq, the errors"] = ["jq", "-c", 'select(.level == "ERROR")', *paths]
    note = f"{FILES} files of JSON with {FILES * LINES // 4:,} records. jq goes through one file after the other."
    yield compared("Log tree: JSON", note, commands, rounds)


def memory(folder, _rounds, _gigabytes):
    rows = []
    for files, lines in ((64, 20_000), (64, 2_000), (2_000, 200), (16_000, 50)):
        below = os.path.join(folder, f"{files}-{lines}")
        make(below, files, lines)
        code = (
            "import os, resource, subprocess, sys\n"
            "resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))\n"
            "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)\n"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
        )
        done = subprocess.run([sys.executable, "-c", code, *ours(below)], capture_output=True, text=True, check=True)
        rows.append([f"{files:,} files of {lines:,} records", f"{float(done.stdout):.0f}"])
        shutil.rmtree(below)
    note = "Resident memory at its peak, where a process may have 1,024 files open."
    yield Table("Log tree: memory", note, ["", "MiB"], rows)


def first(folder, rounds, gigabytes):
    paths = make(folder, FILES, LINES)
    size = sum(map(os.path.getsize, paths))
    for path in paths:  # the same again and again, an hour later each time
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "a", encoding="utf-8") as file:
            file.writelines(
                text.replace("2026-01-31 1", f"2026-{hour // 28 % 12 + 2:02}-{hour % 28 + 1:02} 1")
                for hour in range(1, int(gigabytes * 1e9 / size))
            )
    taken = []
    for _ in range(rounds):
        begin = time.perf_counter()
        with subprocess.Popen(ours(folder), stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            taken.append(time.perf_counter() - begin)
            process.kill()
    size = sum(map(os.path.getsize, paths)) / 1e9
    rows = [
        [
            "seconds from the command to the first line",
            f"{statistics.median(taken):.2f} ({min(taken):.2f} to {max(taken):.2f})",
        ]
    ]
    yield Table("Log tree: the first line", f"A tree of {size:.1f} GB in {FILES} files.", ["", ""], rows)


GROUPS = {"merge": merge, "json": json, "memory": memory, "first": first}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("group", nargs="*", help=f"which: {', '.join(GROUPS)}; without any, all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gigabytes", type=float, default=10)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    tables = []
    for group in arguments.group or GROUPS:
        with tempfile.TemporaryDirectory(prefix="logtree-") as folder:
            tables += GROUPS[group](folder, arguments.rounds, arguments.gigabytes)
    emit(tables, machine_readable=arguments.json)


if __name__ == "__main__":
    main()
