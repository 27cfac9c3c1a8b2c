"""Threads and processes that log at the same time: records a second of four together, as a multiple of one alone.

python benchmarks/together.py [--rounds 60] [--json]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import threading
import time

import calls
import peers
from records import ARTICLE, OURS, Entry, available, count_records, prepare
from tables import Table, emit, ratio

TOGETHER = 4
RECORDS = 1000
ENTRIES = [
    Entry(ARTICLE, peers.of_the_article, calls.info),
    Entry("structlog, orjson, BytesLogger", peers.structlog_orjson, calls.info, "structlog orjson"),
    Entry(f"{OURS}, json=True", peers.ours_json, calls.info),
    Entry(OURS, peers.ours, calls.info),
]


def in_threads(batch, threads):
    """Return records a second of so many threads: from the moment when all are there to the last one's end."""
    barrier = threading.Barrier(threads + 1)

    def work():
        barrier.wait()
        batch(RECORDS * TOGETHER // threads)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    barrier.wait()
    started = time.perf_counter()
    for worker in workers:
        worker.join()
    return RECORDS * TOGETHER / (time.perf_counter() - started)


def in_processes(entry, processes, directory, turn):
    """Return records a second of so many processes, each of which configures its logger first."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(processes + 1)

    def work(number):
        batch, _ = prepare(entry, number, directory)
        barrier.wait()
        batch(RECORDS * TOGETHER // processes)

    workers = [context.Process(target=work, args=(100 * turn + number,)) for number in range(processes)]
    for worker in workers:
        worker.start()
    barrier.wait()
    started = time.perf_counter()
    for worker in workers:
        worker.join()
        if worker.exitcode:
            raise RuntimeError(f"{entry.name}: a process ended with {worker.exitcode}")
    return RECORDS * TOGETHER / (time.perf_counter() - started)


def measure_threads(entries, rounds):
    ratios = {}
    with tempfile.TemporaryDirectory() as directory:
        for number, entry in enumerate(entries):
            batch, path = prepare(entry, number, directory)
            ratios[entry.name] = [in_threads(batch, TOGETHER) / in_threads(batch, 1) for _ in range(rounds)]
            if count_records(path) != 3 + 2 * rounds * RECORDS * TOGETHER:
                raise RuntimeError(f"{entry.name}: records are missing")
    return ratios


def measure_processes(entries, rounds):
    ratios = {}
    for entry in entries:
        with tempfile.TemporaryDirectory() as directory:
            ratios[entry.name] = [
                in_processes(entry, TOGETHER, directory, 2 * turn) / in_processes(entry, 1, directory, 2 * turn + 1)
                for turn in range(rounds)
            ]
    return ratios


def measure(rounds):
    entries = [entry for entry in ENTRIES if available(entry)]
    # Processes first: a process that has had threads should not fork.
    processes = measure_processes(entries, max(3, rounds // 6))
    threads = measure_threads(entries, rounds)
    about = (
        f"{RECORDS * TOGETHER} records by {TOGETHER} threads of one logger, and by {TOGETHER} processes with a logger "
        f"and a file each, as a multiple of the same by one; this machine lets {len(os.sched_getaffinity(0))} run at "
        "a time. Starting and ending a process is in its time."
    )
    rows = [[entry.name, ratio(threads[entry.name]), ratio(processes[entry.name])] for entry in entries]
    heads = ["logger", f"{TOGETHER} threads, x one", f"{TOGETHER} processes, x one"]
    return Table("Threads and processes", about, heads, rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", action="store_true", help="print the tables as JSON")
    arguments = parser.parse_args()
    emit([measure(arguments.rounds)], machine_readable=arguments.json)


if __name__ == "__main__":
    main()
