"""A table of figures: as text for a terminal, as Markdown for the documentation, as JSON between processes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass
class Table:
    """One group of figures.

    Attributes:
        title: A heading.
        about: What was measured, a sentence or two.
        heads: The columns' heads; the first is of the rows' names.
        rows: The cells, as texts.
        notes: What was skipped, and what was found beside the figures.
        bars: For the plot, if it is to be drawn: name, value.
    """

    title: str
    about: str
    heads: list
    rows: list
    notes: list = field(default_factory=list)
    bars: list = field(default_factory=list)


def as_text(table):
    widths = [max(len(row[column]) for row in [table.heads, *table.rows]) for column in range(len(table.heads))]
    lines = [table.title]
    for row in [table.heads, *table.rows]:
        first, *others = [
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append("  " + "  ".join([first, *others]))
    return "\n".join([*lines, *(f"  ({note})" for note in table.notes)]) + "\n"


def as_markdown(table):
    lines = [f"### {table.title}", "", table.about, ""]
    ruler = ["---", *["--:"] * (len(table.heads) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in [table.heads, ruler, *table.rows]]
    if table.notes:
        lines += ["", *(f"- {note}" for note in table.notes)]
    return "\n".join(lines) + "\n"


def emit(tables, *, machine_readable):
    """Print tables for people, or for `load`."""
    if machine_readable:
        print(json.dumps([asdict(table) for table in tables]))
    else:
        print("\n".join(as_text(table) for table in tables))


def load(text):
    return [Table(**fields) for fields in json.loads(text)]


def spread(values):
    """Return the median, the 5th and the 95th percentile."""
    ordered = sorted(values)
    return tuple(ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.05, 0.95))


def ratio(values):
    """Return a cell: the median of ratios, and their 5th to 95th percentile."""
    middle, low, high = spread(values)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"
