"""A log tree read for its page: its summary, and what is thinned of its tries, records and resources."""

from __future__ import annotations

import math

from entry_script_helper.logtree import layouts
from entry_script_helper.logtree.activity import resources
from entry_script_helper.logtree.activity.attempts import attempts
from entry_script_helper.logtree.complaints import Complaints
from entry_script_helper.logtree.files import sources
from entry_script_helper.logtree.findings.summarising import summarise
from entry_script_helper.logtree.report import gathering
from entry_script_helper.logtree.report.usagechoice import NODE_BINS, PROCESS_BINS
from entry_script_helper.logtree.selection import filters, reading

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from entry_script_helper.logtree.activity.resources import Usage
    from entry_script_helper.logtree.findings.summary import Summary
    from entry_script_helper.logtree.layouts import Entry, Place
    from entry_script_helper.logtree.report.gathering import Gathered


def gathered(
    paths: Sequence[str | os.PathLike[str]], say: Callable[[str], None] | None = None
) -> tuple[Summary, Gathered]:
    """Read log trees for a page.

    Args:
        paths: A run's folder, its ``logs/``, a zip archive of either, a file; or several of them.
        say: Called with each complaint about what can't be read, each once.

    Raises:
        UsageError: A path is missing or has no log in it.
    """
    said: dict[str, None] = {}

    def complain(line: str) -> None:
        if say and line not in said:
            say(line)
        said[line] = None

    summary = summarise(*paths, say=complain)
    complaints = Complaints(complain)
    tree = [(entry, layouts.place(entry.path)) for entry in sources.entries(paths, complaints)]
    since = summary.progress.started.timestamp() if summary.earlier_runs and summary.progress.started else None
    selection = reading.Selection(paths, complaints)
    merged = selection.merged(filters.Filters(), reading.as_found)
    records = (reading.as_record(item) for items in merged for item in items)
    found = gathering.gather(attempts(tree, complaints), records, _usages(tree, complaints, since), since)
    complaints.close()
    return summary, found


def _usages(tree: Iterable[tuple[Entry, Place]], complaints: Complaints, since: float | None) -> Iterator[Usage]:
    for entry, place in tree:
        bins = NODE_BINS if place.kind == layouts.NODE_RESOURCES else PROCESS_BINS
        yield from resources.usages([(entry, place)], complaints, bins, -math.inf if since is None else since)
