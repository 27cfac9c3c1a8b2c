"""What a record costs, ours and the peers', interleaved in one process: time as ratios.

In each round every logger writes one batch of records, in turn and starting with another each round; a batch's time is
compared with those of the same round only, so that what else the machine does meets all alike.

python benchmarks/records.py [group ...] [--rounds 60] [--json]
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Callable

import calls
import peers
from tables import Table, emit, ratio, spread

BATCH = 500
ARTICLE = "the article's code"
OURS = "entry_script_helper"
ALL_FIELDS = "structlog, orjson, the text's fields too"
MESSAGE_ONLY = "logging.FileHandler, message only"
FLOOR = "no logger: one % and one write()"


@dataclass
class Entry:
    """A logger under test: its row's name, how it is made, how it is called, the packages that it needs."""

    name: str
    make: Callable
    call: Callable
    packages: str = "logging"


@dataclass
class Group:
    """Loggers that are compared; the first is the article's, `ours` names the one that is compared with all."""

    title: str
    about: str
    ours: str
    entries: list
    article_lines: bool = False
    drawn: bool = False
    root_handler: bool = False
    writes: bool = True


THE_ARTICLE = Entry(ARTICLE, peers.of_the_article, calls.info)
JSON_LOGGERS = [
    (f"python-json-logger, {encoder}", peers.json_logger(encoder, name), package)
    for encoder, name, package in [
        ("json", "JsonFormatter", "pythonjsonlogger"),
        ("orjson", "OrjsonFormatter", "pythonjsonlogger orjson"),
        ("msgspec", "MsgspecFormatter", "pythonjsonlogger msgspec"),
    ]
]

GROUPS = {
    "text": Group(
        "Text",
        "A line with UTC time, logger, level, process, thread and function, except where a row says otherwise.",
        OURS,
        [
            THE_ARTICLE,
            Entry(MESSAGE_ONLY, peers.stdlib, calls.info),
            Entry("loguru", peers.loguru, calls.braces, "loguru"),
            Entry("structlog, WriteLogger", peers.structlog_text, calls.info, "structlog"),
            Entry("picologging (C++)", peers.picologging, calls.info, "picologging"),
            Entry("logust (Rust), complete() per record", peers.logust, calls.completed, "logust"),
            Entry(FLOOR, peers.floor, calls.info),
            Entry(OURS, peers.ours, calls.info),
        ],
        article_lines=True,
        drawn=True,
    ),
    "root": Group(
        "Text, and the root logger has a handler too",
        "Another handler, which does nothing, is on the root logger: each record has to exist as an object.",
        OURS,
        [THE_ARTICLE, Entry(OURS, peers.ours, calls.info)],
        root_handler=True,
    ),
    "json": Group(
        "JSON",
        "The article's code writes text. Ours writes the text's fields, run id and node; "
        "python-json-logger the text's fields; structlog time, level, logger and message, and the text's "
        "fields where its row says so.",
        f"{OURS}, json=True",
        [
            THE_ARTICLE,
            Entry("loguru, serialize", peers.loguru_json, calls.braces, "loguru"),
            *(Entry(name, make, calls.info, package) for name, make, package in JSON_LOGGERS),
            Entry("structlog, json", peers.structlog_json, calls.info, "structlog"),
            Entry("structlog, orjson, BytesLogger", peers.structlog_orjson, calls.info, "structlog orjson"),
            Entry(ALL_FIELDS, peers.structlog_orjson_fields, calls.info, "structlog orjson"),
            Entry("logust (Rust), serialize, complete()", peers.logust_json, calls.completed, "logust"),
            Entry(f"{OURS}, json=True", peers.ours_json, calls.info),
        ],
        drawn=True,
    ),
    "extra": Group(
        "JSON with three more values",
        "The article's code writes text without them. "
        "Three values: a whole number, a text and a float: `extra=` or structlog's keywords.",
        f"{OURS}, json=True",
        [
            THE_ARTICLE,
            *(Entry(name, make, calls.extra, package) for name, make, package in JSON_LOGGERS),
            Entry("structlog, json", peers.structlog_json, calls.keywords, "structlog"),
            Entry("structlog, orjson, BytesLogger", peers.structlog_orjson, calls.keywords, "structlog orjson"),
            Entry(ALL_FIELDS, peers.structlog_orjson_fields, calls.keywords, "structlog orjson"),
            Entry(f"{OURS}, json=True", peers.ours_json, calls.extra),
        ],
        drawn=True,
    ),
    "structlog": Group(
        "structlog's own loggers",
        "A structlog logger with one bound value: into our file, and through structlog's own JSON pipeline. "
        "The article's code writes text.",
        f"structlog through {OURS}",
        [
            THE_ARTICLE,
            Entry("structlog, orjson, BytesLogger", peers.structlog_orjson_bound, calls.info, "structlog orjson"),
            Entry(f"structlog through {OURS}", peers.ours_structlog, calls.info, "structlog"),
        ],
    ),
    "exception": Group(
        "Records with a traceback",
        "`logger.exception()` with a traceback of five frames; here the article's code logs one too. "
        "Our JSON has it as structured frames, structlog's as one text.",
        OURS,
        [
            Entry(ARTICLE, peers.of_the_article, calls.exception),
            Entry("structlog, orjson, BytesLogger", peers.structlog_orjson, calls.exception, "structlog orjson"),
            Entry(f"{OURS}, json=True", peers.ours_json, calls.exception),
            Entry(OURS, peers.ours, calls.exception),
        ],
    ),
    "disabled": Group(
        "A level that is off",
        "`logger.debug()` where INFO is the lowest level: nothing is written. The article's logger is the standard "
        "library's.",
        OURS,
        [Entry(ARTICLE, peers.of_the_article, calls.debug), Entry(OURS, peers.ours, calls.debug)],
        writes=False,
    ),
}


class Listener(logging.Handler):
    """Another handler, as cheap as one can be that looks at records."""

    def emit(self, record):
        pass


def available(entry):
    return all(importlib.util.find_spec(package) for package in entry.packages.split())


def prepare(entry, number, directory):
    """Return a function that logs so many records, and the file's path. Three records are in the file by then.

    Raises:
        RuntimeError: They are not: the logger isn't durable for each record, and can't be compared.
    """
    place = os.path.join(directory, str(number))
    os.makedirs(place)
    logger, path = entry.make(f"score{number:02d}", place)
    batch = entry.call(logger)
    batch(3)
    return batch, path


def count_records(path):
    with open(path, "rb") as file:
        return sum(calls.MARK.encode() in line for line in file)


def time_batches(batches, rounds, size):
    """Return, for each name, the seconds of its batch in each round."""
    names = list(batches)
    seconds = {name: [] for name in names}
    for turn in range(rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            started = time.perf_counter()
            batches[name](size)
            if turn:  # the first round warms up
                seconds[name].append(time.perf_counter() - started)
    return seconds


def measure(group, rounds):
    notes, batches, paths, size = [], {}, {}, BATCH if group.writes else BATCH * 20
    if group.root_handler:
        logging.getLogger().addHandler(Listener())
    with tempfile.TemporaryDirectory() as directory:
        for number, entry in enumerate(group.entries):
            if not available(entry):
                notes.append(f"{entry.name}: not installed here, skipped.")
                continue
            batches[entry.name], paths[entry.name] = prepare(entry, number, directory)
            if count_records(paths[entry.name]) != 3 * group.writes:
                raise RuntimeError(f"{entry.name}: records are not in the file when the call returns")
        seconds = time_batches(batches, rounds, size)
        for name, path in paths.items():
            expected = (3 + size * (rounds + 1)) * group.writes
            if count_records(path) != expected:
                raise RuntimeError(f"{name}: {count_records(path)} records in the file instead of {expected}")
            if group.article_lines and b"|batch()|" not in first_line(path) and name != MESSAGE_ONLY:
                notes.append(f"{name}: its lines name a wrong function as the one that logged.")
    return table_of(group, seconds, notes)


def first_line(path):
    with open(path, "rb") as file:
        return file.readline()


def table_of(group, seconds, notes):
    rows, bars = [], []
    for name, times in seconds.items():
        article = [one / other for one, other in zip(seconds[ARTICLE], times)]
        ours = [other / one for one, other in zip(seconds[group.ours], times)]
        rows.append([name, ratio(article), "" if name == group.ours else ratio(ours)])
        if group.drawn:
            bars.append([name, spread(article)[0]])
    heads = ["logger", "x the article's speed", f"{group.ours} is x as fast"]
    return Table(group.title, group.about, heads, rows, notes, bars)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("group", nargs="*", help=f"of {', '.join(GROUPS)}; all, each in its own process, if none")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", action="store_true", help="print the tables as JSON")
    arguments = parser.parse_args()
    if len(arguments.group) == 1:
        emit([measure(GROUPS[arguments.group[0]], arguments.rounds)], machine_readable=arguments.json)
        return
    # Some libraries have one logger for the whole process, and a root handler would meet all: a process for each group.
    import run

    tables = []
    for group in arguments.group or GROUPS:
        tables += run.tables_of(sys.executable, "records.py", group, "--rounds", str(arguments.rounds))
    emit(tables, machine_readable=arguments.json)


if __name__ == "__main__":
    main()
