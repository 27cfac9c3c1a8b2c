"""What grows, and what must not: cost per record by loggers, by the message's length, by records written so far.

python benchmarks/growth.py [--rounds 15] [--records 1000000] [--json]
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time

import peers
from records import count_records, prepare, time_batches
from tables import Table, emit, ratio, spread

LOGGERS = (1, 10, 100, 1000)
LENGTHS = tuple(64 * 4**power for power in range(6))
SLICES = 10
WORDS = "the quick file 20260131.csv of batch 17 has 4096 rows and was read in 0.25 seconds; "


def loggers_of(which, count, directory):
    """Ours, each configured; or, to compare, the standard library's, which all have the article's one handler."""
    names = [f"score{number:04d}" for number in range(count)]
    if which == "ours":
        import entry_script_helper

        helper = entry_script_helper.EntryScriptHelper(directory)
        return [helper.config(name) for name in names]
    first, _ = peers.of_the_article(names[0], directory)
    others = [logging.getLogger(name) for name in names[1:]]
    for logger in others:
        logger.setLevel("INFO")
        logger.addHandler(first.handlers[0])
    return [first, *others]


def seconds_with_loggers(which, count):
    """Return the seconds that a record takes where so many loggers are configured, each logging in turn."""
    with tempfile.TemporaryDirectory() as directory:
        loggers = loggers_of(which, count, directory)
        total = max(5000, 2 * count)
        times = []
        for _ in range(6):
            started = time.perf_counter()
            for number in range(total // count):
                for logger in loggers:
                    logger.info("processed mini batch %d of %s", number, "abc")
            times.append((time.perf_counter() - started) / total)
    return spread(times[1:])[0]


def measure_loggers(rounds):
    """Each count in a process of its own, in turn; ratios within a round."""
    seconds = {(which, count): [] for count in LOGGERS for which in ("ours", "article")}
    for _ in range(rounds):
        for (which, count), times in seconds.items():
            command = [sys.executable, __file__, "--loggers", which, str(count)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            times.append(float(done.stdout))
    rows = []
    for count in LOGGERS:
        cells = [
            ratio([other / one for one, other in zip(seconds[which, 1], seconds[which, count])])
            for which in ("ours", "article")
        ]
        rows.append([f"{count:,}", *cells])
    about = (
        "Configured loggers that all log in turn: time of a record as a multiple of the time with one logger. To "
        "compare, as many loggers of the standard library that share the article's handler: with a thousand in turn "
        "none is in the processor's cache when it is called."
    )
    heads = ["loggers", "ours: x the time with one", "standard library: x the time with one"]
    return Table("Growth: loggers", about, heads, rows)


def measure_lengths(rounds):
    """A message of each length in turn, ours and the article's."""

    def batch_of(logger, message):
        def batch(count):
            for _ in range(count):
                logger.info(message)

        return batch

    makers = {"article": peers.of_the_article, "text": peers.ours, "json": peers.ours_json}
    with tempfile.TemporaryDirectory() as directory:
        batches = {}
        for number, (which, make) in enumerate(makers.items()):
            place = os.path.join(directory, str(number))
            os.makedirs(place)
            logger, _ = make(f"score{number}", place)
            for length in LENGTHS:
                batches[which, length] = batch_of(logger, (WORDS * (length // len(WORDS) + 1))[:length])
        seconds = time_batches(batches, rounds, 40)
    rows = []
    for length in LENGTHS:
        cells = [f"{length:,}"]
        for which in ("text", "json"):
            shortest = seconds[which, LENGTHS[0]]
            cells.append(ratio([other / one for one, other in zip(shortest, seconds[which, length])]))
        pairs = zip(seconds["article", length], seconds["text", length])
        rows.append([*cells, ratio([one / other for one, other in pairs])])
    about = (
        "Messages of plain words: time of a record as a multiple of the time of the shortest. Ours looks at each "
        "character, for secrets and for what could forge a line; the article's code does not."
    )
    heads = ["characters", "text: x the shortest", "JSON: x the shortest", "text: x the article's speed"]
    return Table("Growth: the message's length", about, heads, rows)


def resident_mebibytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def measure_records(total):
    """Ten slices of the records, one after the other."""
    import calls
    from records import OURS, Entry

    part = total // SLICES
    with tempfile.TemporaryDirectory() as directory:
        batch, path = prepare(Entry(OURS, peers.ours, calls.info), 0, directory)
        batch(5000)
        seconds, sizes = [], [resident_mebibytes()]
        for _ in range(SLICES):
            times = []
            for _ in range(20):
                started = time.perf_counter()
                batch(part // 20)
                times.append(time.perf_counter() - started)
            seconds.append(spread(times)[0])
            sizes.append(resident_mebibytes())
        if count_records(path) != 5003 + part // 20 * 20 * SLICES:
            raise RuntimeError("records are missing")
    rows = [
        [f"{part * (number + 1):,}", f"{one / seconds[0]:.2f}", f"{size - sizes[0]:+.2f}"]
        for number, (one, size) in enumerate(zip(seconds, sizes[1:]))
    ]
    about = (
        "One process writes one record after the other: time of a record as a multiple of the first tenth's, "
        "resident memory beyond that after 5,000 records."
    )
    return Table("Growth: records written", about, ["records", "x the first tenth's time", "MiB more"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="print the tables as JSON")
    parser.add_argument("--loggers", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.loggers:
        print(seconds_with_loggers(arguments.loggers[0], int(arguments.loggers[1])))
        return
    tables = [
        measure_loggers(arguments.rounds),
        measure_lengths(arguments.rounds),
        measure_records(arguments.records),
    ]
    emit(tables, machine_readable=arguments.json)


if __name__ == "__main__":
    main()
