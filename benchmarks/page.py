"""The page of figures, docs/explanation/performance.md: what is said around the tables."""

from __future__ import annotations

import os
import platform
from importlib import metadata

from tables import as_markdown

INTRODUCTION = """\
# Performance: what a record costs

This page is written by `python benchmarks/run.py`, which installs the loggers that it compares in an environment of
its own. Figures are multiples of the article's code in the same run: 2.00 is twice as fast. Absolute times depend on
the machine, and are not given.

![Speed of each logger as a multiple of the article's code](performance.svg)

## How it is measured

- **The same duty.** Every logger hands each record to the kernel before the call returns: it is checked before the
  timing that records are in the file, and after it that none is missing. Loggers that collect records in memory are
  told to write each one. Ours does all that the [promises](promises.md) say: redaction, escaping, a file for each
  process.
- **Interleaved.** All loggers of a table are in one process and write batches of {batch} records in turn, {rounds}
  rounds, each round starting with another. A ratio is of two batches of one round. A cell is the median of the rounds'
  ratios and, in brackets, their 5th to 95th percentile.
- **Called as they are meant to be**: `logging.getLogger(name).info("processed mini batch %d of %s", i, "abc")`, or what
  the library's documentation has in its place. structlog's loggers are bound beforehand, its fastest way.
- **Here**: {machine}. Other work may have run beside it, which widens the spread.

"""

MEANING = """\
## What the figures mean

- "No logger: one % and one write()" is what is left when a logger does nothing: no logger of Python functions can be
  quicker. Its figure is the room that there is.
- A process that logs seldom finds its caches cold: "Cold calls" is nearer to a scoring worker than a loop of
  records is.
- The article's code is `logging.Formatter` and `logging.FileHandler` as it was printed. It neither redacts nor escapes,
  and so makes no pass through the message; the longer the message, the more that pass weighs ("Growth: the message's
  length").
- Instructions are counted without the kernel's, and don't depend on what else the machine does.
  `python benchmarks/instructions.py --gate` counts ours alone, and fails where they are too many.
- A figure below 1.00 is slower than the article's code. It is printed like any other.
"""


def machine():
    return (
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()}, "
        f"{platform.machine()}, {len(os.sched_getaffinity(0))} processors"
    )


def versions(packages):
    """Return a sentence on what was compared, and one on what could not be."""
    there = {distribution.metadata["Name"].lower(): distribution.version for distribution in metadata.distributions()}
    missing = [package for package in packages if package not in there]
    text = "Compared: " + ", ".join(f"{package} {there[package]}" for package in packages if package in there) + "."
    return text + (f" Could not be installed here: {', '.join(missing)}." if missing else "")


def page(tables, packages, *, rounds, batch):
    parts = [
        INTRODUCTION.format(machine=machine(), rounds=rounds, batch=batch),
        versions(packages),
        "\n\n## Tables\n\n",
    ]
    return "".join(parts) + "\n".join(as_markdown(table) for table in tables) + "\n" + MEANING
