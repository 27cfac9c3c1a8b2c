"""What `@guard` adds to a call, against the call alone, and what the simulator's log tree costs for a mini-batch.

Rounds of all cases are interleaved; the middle of the rounds is shown, in microseconds a call.

python benchmarks/guard.py [--rounds 21] [--calls 500]
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time


def cases():
    from entry_script_helper import config, guard
    from entry_script_helper.simulator.attempt import Attempt
    from entry_script_helper.simulator.logs import masterlog, overview, tree, workerlog

    def run(mini_batch):
        return mini_batch

    batch = ["a", "b"]
    quiet = logging.getLogger("quiet")
    config("quiet", "WARNING")
    config("score")
    guarded, silent = guard(logger="score")(run), guard(logger=quiet)(run)
    timed = guard(timeout=60, logger="score")(run)

    files = tree.tree(os.getcwd())
    worker = workerlog.WorkerLog(files, "Process-1")
    of_master = overview.Overview(files.overview, 10**6), masterlog.MasterLog(files.master, 10**6, 3)

    def logged():
        worker.picked(1, 1, 4711, 10, 1769853600.5, 0.5)
        attempt = Attempt(1, 1, "Process-1", 4711, "succeeded", 10, 10, 1769853600.5, 1769853600.6, 0.5, 0.6)
        worker.completed(attempt)
        for log in of_master:
            log.add(attempt, is_last=True)
            log.tick()

    def logged_line():
        logging.getLogger("score").info("run() ended: %d items in", 2)

    return {
        "the call alone": lambda: run(batch),
        "the call and one logging call of its own": lambda: (run(batch), logged_line()),
        "@guard, its line switched off": lambda: silent(batch),
        "@guard": lambda: guarded(batch),
        "@guard(timeout=60)": lambda: timed(batch),
        "the log tree of a mini-batch": logged,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--calls", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        found = cases()
        times = {name: [] for name in found}
        for _ in range(options.rounds):
            for name, call in found.items():
                started = time.perf_counter()
                for _ in range(options.calls):
                    call()
                times[name].append((time.perf_counter() - started) / options.calls * 1e6)
        os.chdir("/")
    for name, taken in times.items():
        print(f"{name:45} {statistics.median(taken):7.2f} ({min(taken):.2f} to {max(taken):.2f})")


if __name__ == "__main__":
    main()
