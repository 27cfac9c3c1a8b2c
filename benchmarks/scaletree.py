"""A log tree as a run of many nodes leaves it, written in seconds: lines and columns are the simulator's own."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from entry_script_helper.simulator.logs import monitor, workerlog

FAILS_EACH = 10_000
"""One mini-batch in so many fails, in each of its tries."""
SLOW_EACH = 50_000
"""One in so many takes twice its time."""
TRIES = 3
ITEMS = 10
SECONDS = 60
INTERVAL = 60
BEGIN = 1_769_853_600

_TRACEBACK = (
    "\tTraceback (most recent call last):\n"
    '\t  File "/mnt/azureml/cr/j/0a/exe/wd/score.py", line 12, in run\n'
    '\t    raise ValueError(f"no reading in {path}")\n'
)


@dataclass
class Tree:
    """What was written."""

    files: int = 0
    size: int = 0
    records: int = 0
    rows: int = 0


def make(directory, *, nodes, processes, mini_batches):
    """Write the tree into a directory that is empty or not there yet, and return what it holds."""
    tree = Tree()
    logs = os.path.join(directory, "logs")
    names = [f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}" for number in range(4, nodes + 4)]
    for kind in ("user", "worker", "performance"):
        for node in names:
            os.makedirs(os.path.join(logs, kind, node))
    seconds = [_text(BEGIN + number) for number in range((mini_batches // (nodes * processes) + 2) * SECONDS * TRIES)]
    for number, node in enumerate(names):
        for process in range(processes):
            _write_process(tree, logs, node, (number * processes + process, nodes * processes), mini_batches, seconds)
        _write_rows(tree, os.path.join(logs, "performance", node, f"sys_resource_monitor_{node}.csv"), _NODE, seconds)
    _write_run(tree, logs, nodes * processes, mini_batches, seconds)
    return tree


def _text(second):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(second))


def _write(tree, path, text, records):
    data = text.encode()
    with open(path, "wb") as file:
        file.write(data)
    tree.files += 1
    tree.size += len(data)
    tree.records += records


def _write_process(tree, logs, node, place, mini_batches, seconds):  # noqa: PLR0913, PLR0917 - a process's all
    """Write the log, the worker's file and the CSV file of one process: it takes every so many-th mini-batch."""
    number, processes = place
    process, pid = number % 16 + 1, 1000 + number % 30_000
    milliseconds = f"{number % 1000:03}"
    head = f"|score|INFO|{pid}|140239471236928|"
    worker, moment = [], 0
    user = [f"{seconds[0]},{milliseconds}{head}init()|init() ended after 0.012 s (0.012 s of processor time)\n"]
    for index in range(number, mini_batches, processes):
        fails = index % FAILS_EACH == FAILS_EACH - 1
        lasts = SECONDS - 3 if index % SLOW_EACH else 2 * SECONDS
        for attempt in range(1, TRIES + 1 if fails else 2):
            begin, end = moment, moment + lasts
            worker += _tried(index, attempt, node, pid, seconds, milliseconds, (begin, end), fails=fails)
            if fails:
                user.append(
                    f"{seconds[end]},{milliseconds}|score|ERROR|{pid}|140239471236928|run()|run() of mini-batch "
                    f"{index} failed after {lasts}.000 s (56.100 s of processor time), {ITEMS} items in: "
                    f"ValueError: no reading in {index}.txt\n{_TRACEBACK}\tValueError: no reading in {index}.txt\n"
                )
            else:
                user.append(
                    f"{seconds[end]},{milliseconds}{head}run()|run() of mini-batch {index} ended after {lasts}.000 s "
                    f"(56.100 s of processor time), {ITEMS} items in, {ITEMS} out, {ITEMS} succeeded\n"
                )
            moment += lasts + 3
    name = f"Process-{process}.txt"
    _write(tree, os.path.join(logs, "user", node, name), "".join(user), len(user))
    _write(tree, os.path.join(logs, "worker", node, name), "".join(worker), len(worker))
    path = os.path.join(logs, "performance", node, f"process_resource_monitor_{node}_{pid}.csv")
    _write_rows(tree, path, _PROCESS, seconds, moment)


def _tried(index, attempt, node, pid, seconds, milliseconds, span, *, fails):  # noqa: PLR0913, PLR0917 - a line's fields
    begin, end = span
    start1, end1 = float(f"{BEGIN + begin}.{milliseconds}"), float(f"{BEGIN + end}.{milliseconds}")
    picked = workerlog.PICKED % (index, attempt, node, pid, ITEMS, start1, begin)
    completed = workerlog.COMPLETED % (
        *(index, attempt, node, pid, "failed" if fails else "succeeded", ITEMS, 0 if fails else ITEMS),
        *(start1, end1, begin, begin + 56.1),
    )
    error = f" error=ValueError: no reading in {index}.txt" if fails else ""
    return (
        f"{seconds[begin]},{milliseconds}|INFO|{pid}|{picked}\n",
        f"{seconds[end]},{milliseconds}|INFO|{pid}|{completed}{error}\n",
    )


_PROCESS = (
    ",".join(monitor.PROCESS_COLUMNS) + "\n",
    ",93.50,3127.14,41.02,%d.30,5101.84,1.10,41600,2300,120.00,7.06,2,12,0\n",
)
_NODE = (
    ",".join(monitor.NODE_COLUMNS) + "\n",
    ",96.40,128105.55,110492.52,%d.04,14.50,1538729,366380,23855.88,55818.70,352.24,8111.56,31,4\n",
)


def _write_rows(tree, path, shape, seconds, until=None):
    heading, row = shape
    moments = range(0, len(seconds) // TRIES if until is None else max(1, until), INTERVAL)
    rows = [f"{seconds[moment]}.067{row % (1400 + moment % 900)}" for moment in moments]
    _write(tree, path, heading + "".join(rows), 0)
    tree.rows += len(rows)


def _write_run(tree, logs, processes, mini_batches, seconds):
    """Write the files of the whole run: overview.txt, master.txt and what was printed."""
    failed = len(range(FAILS_EACH - 1, mini_batches, FAILS_EACH))
    created = f"created {mini_batches} mini-batches"
    overview = [f"run begins: /work/score.py, {mini_batches} mini-batches, {processes} processes"]
    overview += [
        f"{created}, processed {mini_batches * part // 100}: {mini_batches * part // 100} succeeded, 0 failed; "
        f"0:00:{part % 60:02} passed"
        for part in range(100)
    ]
    items, counts = mini_batches * ITEMS, f"{mini_batches - failed} of {mini_batches} mini-batches, {failed} failed"
    verdict = f"{'FAILED' if failed else 'succeeded'}: {items - failed * ITEMS} of {items} items, {counts}"
    result = [f"result: {verdict}, {processes} processes, 3750.0 s"]
    result += ["result: exit code: 73 (some items failed)"] * bool(failed)
    master = [overview[0], created]
    master += [f"Process-{number % 16 + 1} started: process id {1000 + number % 30_000}" for number in range(processes)]
    last = seconds[len(seconds) // TRIES]
    for name, told in (("overview.txt", overview), ("master.txt", master)):
        lines = [f"{seconds[0]},{number % 1000:03}|INFO|900|{line}\n" for number, line in enumerate(told)]
        lines += [f"{last},999|{'ERROR' if failed else 'INFO'}|900|{line}\n" for line in result]
        _write(tree, os.path.join(logs, name), "".join(lines), len(lines))
    _write(tree, os.path.join(logs, "70_driver_log.txt"), "", 0)
