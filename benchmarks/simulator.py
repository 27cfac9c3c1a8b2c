"""What the simulator costs: mini-batches a second, what is left of two processors, a million files.

python benchmarks/simulator.py [rate] [efficiency] [million] [--rounds N] [--json]

Needs the package with its extra `simulator`; peers that are not installed are skipped. Each case runs in a process of
its own, one after the other, in rounds. The peers do bare tasks: they log, retry, limit and account for nothing.
joblib gathers short tasks by itself, as ours does.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time

from tables import Table, emit, ratio, spread

OURS = "entry-script-helper run"
PROCESSES = 2
CPU_SECONDS = 0.05
FILES = 1_000_000

EMPTY = "def run(mini_batch):\n    return mini_batch\n"

BUSY = f"""
import time

def run(mini_batch):
    end = time.process_time() + {CPU_SECONDS}
    while time.process_time() < end:
        pass
    return mini_batch
"""

FIRST = """
import os, time

def run(mini_batch):
    try:
        with open(os.environ["FIRST"], "x") as file:
            file.write(repr(time.time()))
    except FileExistsError:
        pass
    return mini_batch
"""

# Each case prints the seconds from the first task's submission to the last result, its processes being there already.
PREAMBLE = """
import json, sys, time

TASKS, PROCESSES = json.loads(sys.argv[1])

def measured(go):
    begin = time.perf_counter()
    go()
    print(time.perf_counter() - begin)
"""

PEERS = {
    "concurrent.futures": """
from concurrent.futures import ProcessPoolExecutor

def go():
    for future in [pool.submit(run, [str(number)]) for number in range(TASKS)]:
        future.result()

if __name__ == "__main__":
    with ProcessPoolExecutor(PROCESSES) as pool:
        list(pool.map(run, [["a"]] * 4 * PROCESSES))
        measured(go)
""",
    "multiprocessing.Pool": """
import multiprocessing

def go():
    for _ in pool.imap_unordered(run, ([str(number)] for number in range(TASKS))):
        pass

if __name__ == "__main__":
    with multiprocessing.Pool(PROCESSES) as pool:
        pool.map(run, [["a"]] * 4 * PROCESSES)
        measured(go)
""",
    "pebble": """
from pebble import ProcessPool

def go():
    for future in [pool.schedule(run, args=([str(number)],)) for number in range(TASKS)]:
        future.result()

if __name__ == "__main__":
    with ProcessPool(PROCESSES) as pool:
        for future in [pool.schedule(run, args=(["a"],)) for _ in range(4 * PROCESSES)]:
            future.result()
        measured(go)
""",
    "loky": """
from loky import get_reusable_executor

def go():
    for future in [pool.submit(run, [str(number)]) for number in range(TASKS)]:
        future.result()

if __name__ == "__main__":
    pool = get_reusable_executor(PROCESSES)
    list(pool.map(run, [["a"]] * 4 * PROCESSES))
    measured(go)
""",
    "joblib": """
from joblib import Parallel, delayed

def go():
    parallel(delayed(run)([str(number)]) for number in range(TASKS))

if __name__ == "__main__":
    with Parallel(PROCESSES) as parallel:
        parallel(delayed(run)(["a"]) for _ in range(4 * PROCESSES))
        measured(go)
""",
    "joblib, batch_size=1": """
from joblib import Parallel, delayed

def go():
    parallel(delayed(run)([str(number)]) for number in range(TASKS))

if __name__ == "__main__":
    with Parallel(PROCESSES, batch_size=1) as parallel:
        parallel(delayed(run)(["a"]) for _ in range(4 * PROCESSES))
        measured(go)
""",
    "dask": """
import dask
from dask import delayed
from concurrent.futures import ProcessPoolExecutor

def go():
    tasks = [delayed(run, pure=False)([str(number)]) for number in range(TASKS)]
    dask.compute(*tasks, scheduler="processes", pool=pool)

if __name__ == "__main__":
    with ProcessPoolExecutor(PROCESSES) as pool:
        dask.compute(*[delayed(run, pure=False)(["a"]) for _ in range(4 * PROCESSES)], scheduler="processes", pool=pool)
        measured(go)
""",
    "distributed": """
from distributed import Client, LocalCluster

def go():
    client.gather(client.map(run, [[str(number)] for number in range(TASKS)], pure=False))

if __name__ == "__main__":
    cluster = LocalCluster(n_workers=PROCESSES, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, Client(cluster) as client:
        client.gather(client.map(run, [["a"]] * 4 * PROCESSES, pure=False))
        measured(go)
""",
    "ray": """
import ray

def go():
    ray.get([remote.remote([str(number)]) for number in range(TASKS)])

if __name__ == "__main__":
    ray.init(num_cpus=PROCESSES, include_dashboard=False, log_to_driver=False)
    remote = ray.remote(run)
    ray.get([remote.remote(["a"]) for _ in range(4 * PROCESSES)])
    measured(go)
""",
}

# The ideal: the same work in as many processes as there are, nobody handing it out.
IDEAL = """
if __name__ == "__main__":
    import multiprocessing
    def share(tasks):
        for number in range(tasks):
            run([str(number)])
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=share, args=(TASKS // PROCESSES,)) for _ in range(PROCESSES)]
    def go():
        for process in processes:
            process.start()
        for process in processes:
            process.join()
    measured(go)
"""

DRIVER = """
import json, sys
from entry_script_helper.simulator import simulate

if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    result = simulate("score.py", "in", **options)
    assert result.succeeded == result.items == options.pop("expected", result.items), result
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    print(json.dumps([result.seconds, peak / 1024]))
"""


def is_there(peer):
    try:
        return bool(importlib.util.find_spec(peer.partition(",")[0].partition(".")[0]))
    except ImportError:
        return False


def run_python(code, argument, directory, **variables):
    """Run a program, and return the last line that it printed."""
    path = os.path.join(directory, "program.py")
    with open(path, "w", encoding="utf-8") as file:
        file.write(code)
    done = subprocess.run(
        [sys.executable, path, json.dumps(argument)],
        cwd=directory,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]


def peer_seconds(peer, script, tasks):
    with tempfile.TemporaryDirectory() as directory:
        return float(run_python(PREAMBLE + script + PEERS[peer], [tasks, PROCESSES], directory))


def ideal_seconds(script, tasks):
    with tempfile.TemporaryDirectory() as directory:
        return float(run_python(PREAMBLE + script + IDEAL, [tasks, PROCESSES], directory))


def make_files(directory, count):
    os.makedirs(os.path.join(directory, "in"))
    for number in range(count):
        os.close(os.open(os.path.join(directory, "in", f"image_{number:07}.png"), os.O_CREAT | os.O_WRONLY))


def our_run(script, directory, **options):
    """Run the simulator; return its seconds, from the listing of the input to the result file, and the master's MiB."""
    with open(os.path.join(directory, "score.py"), "w", encoding="utf-8") as file:
        file.write(script)
    return json.loads(run_python(DRIVER, {"processes": PROCESSES, **options}, directory))


def our_seconds(script, tasks):
    with tempfile.TemporaryDirectory() as directory:
        make_files(directory, tasks)
        return our_run(script, directory, mini_batch_size=1)[0]


def rate(rounds):
    """Return a table: tasks a second where run() does nothing."""
    tasks = {OURS: 20_000, **{peer: 8000 for peer in PEERS if is_there(peer)}}
    if "dask" in tasks:
        tasks["dask"] = 2000
    found = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, count in tasks.items():
            seconds = our_seconds(EMPTY, count) if name == OURS else peer_seconds(name, EMPTY, count)
            found[name].append(count / seconds)
    ours = found[OURS]
    rows = []
    for name, rates in found.items():
        middle, low, high = spread(rates)
        rows.append([name, f"{middle:,.0f} ({low:,.0f} to {high:,.0f})", ratio([a / b for a, b in zip(ours, rates)])])
    about = (
        f"Mini-batches of one file a second, in {PROCESSES} processes, where run() gives back what it is given. Ours "
        "is the whole run with all that it does: listing the input, starting the processes, logs, retries, timeouts, "
        "journals, accounts, the result file. The peers' processes have been started and have done tasks before."
    )
    return Table("Simulator: an empty run()", about, ["", "a second", "ours is x times"], rows, skipped())


def efficiency(rounds):
    """Return a table: how near to ideal the time is where each mini-batch takes processor time."""
    tasks = 400
    names = [OURS, *(peer for peer in PEERS if is_there(peer))]
    found = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            best = ideal_seconds(BUSY, tasks)
            found[name].append(best / (our_seconds(BUSY, tasks) if name == OURS else peer_seconds(name, BUSY, tasks)))
    about = (
        f"{tasks} mini-batches of {CPU_SECONDS * 1000:.0f} ms of processor time in {PROCESSES} processes: the time "
        "that two bare processes take for the same work just before, as a part of the time taken. Ours includes its "
        "start (a few tenths of a second) and end; the peers' processes are there already."
    )
    rows = [[name, ratio(values)] for name, values in found.items()]
    return Table("Simulator: efficiency", about, ["", "part of the ideal"], rows, skipped())


def million(rounds):
    """Return a table: how soon a million files are being scored, and what the master takes."""
    starts, peaks, seconds = [], [], []
    with tempfile.TemporaryDirectory() as directory:
        make_files(directory, FILES)
        for number in range(rounds):
            first = os.path.join(directory, f"first{number}")
            begin = time.time()
            took, peak = our_run(FIRST.replace('os.environ["FIRST"]', repr(first)), directory, mini_batch_size=10)
            with open(first, encoding="ascii") as file:
                starts.append(float(file.read()) - begin)
            peaks.append(peak)
            seconds.append(took)
    rows = [
        ["seconds from the command to the first run()", one(starts, ".1f")],
        ["the master's memory at its peak, MiB", one(peaks, ".0f")],
        ["seconds for the whole run", one(seconds, ".1f")],
    ]
    about = f"{FILES:,} files in one directory, in mini-batches of 10, in {PROCESSES} processes; run() does nothing."
    return Table("Simulator: a million files", about, ["", ""], rows)


def one(values, form):
    middle, low, high = spread(values)
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


def skipped():
    return [f"{peer}: not installed here, skipped." for peer in PEERS if not is_there(peer)]


GROUPS = {"rate": rate, "efficiency": efficiency, "million": million}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("group", nargs="*", help=f"some of {', '.join(GROUPS)}; all without it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print the tables as JSON")
    arguments = parser.parse_args()
    tables = [GROUPS[group](arguments.rounds) for group in arguments.group or GROUPS]
    emit(tables, machine_readable=arguments.json)


if __name__ == "__main__":
    main()
