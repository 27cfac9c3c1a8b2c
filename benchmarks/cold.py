"""What a record costs where logging is rare, as in a worker that scores: between records other work empties the caches.

Before each record the process sleeps for 1 ms and walks through 16 MiB of memory; the record alone is timed.

python benchmarks/cold.py [--rounds 600] [--json]
"""

from __future__ import annotations

import argparse
import tempfile
import time

import calls
import peers
from records import ARTICLE, OURS, Entry, available, prepare
from tables import Table, emit, ratio, spread

MEMORY = bytearray(16 * 2**20)
TOGETHER = 5
ENTRIES = [
    Entry(ARTICLE, peers.of_the_article, calls.info),
    Entry("structlog, orjson, BytesLogger", peers.structlog_orjson, calls.info, "structlog orjson"),
    Entry("picologging (C++)", peers.picologging, calls.info, "picologging"),
    Entry(f"{OURS}, json=True", peers.ours_json, calls.info),
    Entry(OURS, peers.ours, calls.info),
]


def one_cold(batch):
    time.sleep(0.001)
    sum(MEMORY[::64])  # one byte of each cache line
    started = time.perf_counter()
    batch(1)
    return time.perf_counter() - started


def measure(rounds):
    """Each record is followed by the others' before its turn comes again; five of each make one ratio."""
    with tempfile.TemporaryDirectory() as directory:
        batches = {
            entry.name: prepare(entry, number, directory)[0] for number, entry in enumerate(ENTRIES) if available(entry)
        }
        seconds = {name: [] for name in batches}
        for _ in range(rounds // TOGETHER):
            together = [{name: one_cold(batch) for name, batch in batches.items()} for _ in range(TOGETHER)]
            for name in batches:
                seconds[name].append(spread([one[name] for one in together])[0])
    rows = []
    for name, times in seconds.items():
        article = [one / other for one, other in zip(seconds[ARTICLE], times)]
        ours = [other / one for one, other in zip(seconds[OURS], times)]
        rows.append([name, ratio(article), "" if name == OURS else ratio(ours)])
    about = "1 ms of sleep and a walk through 16 MiB of memory before each record; the record alone is timed."
    return Table("Cold calls", about, ["logger", "x the article's speed", f"{OURS} is x as fast"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=600)
    parser.add_argument("--json", action="store_true", help="print the tables as JSON")
    arguments = parser.parse_args()
    emit([measure(arguments.rounds)], machine_readable=arguments.json)


if __name__ == "__main__":
    main()
