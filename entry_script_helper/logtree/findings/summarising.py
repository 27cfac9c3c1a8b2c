"""A log tree read for its summary: each file once, and of most files only the few records that matter."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import TYPE_CHECKING

from entry_script_helper import redaction
from entry_script_helper.logtree import layouts
from entry_script_helper.logtree.activity import resources, tryreading
from entry_script_helper.logtree.complaints import Complaints
from entry_script_helper.logtree.files import sources, tables
from entry_script_helper.logtree.findings import causes, evidence, problems, toopen
from entry_script_helper.logtree.findings.gathering import Gathering, moment
from entry_script_helper.logtree.findings.progress import Told
from entry_script_helper.logtree.findings.stragglers import Stragglers
from entry_script_helper.logtree.findings.summary import FAILED, RUNNING, UNKNOWN, Peak, Progress, Summary
from entry_script_helper.logtree.stream import parsing, scanning, shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from entry_script_helper.logtree.activity.thinning import Point
    from entry_script_helper.logtree.activity.tries import Try
    from entry_script_helper.logtree.findings.evidence import Sighting
    from entry_script_helper.logtree.findings.problems import Problem
    from entry_script_helper.logtree.layouts import Entry, Place
    from entry_script_helper.logtree.stream.records import Record

_MASTER_SIGNS = (
    *evidence.SIGNS,
    b"run begins: ",
    b"created",
    b"ob failed",
    b"result: ",
    b" tried again: ",
    b" process id ",
    b"cheduled ",
    b"rocessed ",
    b"nable to finish within",
)
_WORKER_SIGNS = (*evidence.SIGNS, b"nable to finish within")
_ERROR_SIGNS = (*evidence.SIGNS, b"nable to finish within", b"failed with error", b"SystemExit", b"Error: ")

_LARGEST_WHOLE = 4 << 20
"""Bytes of a file that is read as a whole: an error file, a job's result."""
_MOST_WARNINGS = 10
_LONGEST_TITLE = 2000
"""Characters of what a problem is called: some scripts raise with all of what they were given."""

_ORDER = (
    layouts.OVERVIEW,
    layouts.MASTER,
    layouts.WORKER,
    layouts.TRIES,
    layouts.STACKS,
    layouts.USER,
    layouts.OTHER,
    layouts.ERROR,
    layouts.PRINTED,
)
"""The kinds of files in the order in which they are read: the master's first, which knows whose id is whose."""


def summarise(
    path: str | os.PathLike[str], *more: str | os.PathLike[str], say: Callable[[str], None] | None = None
) -> Summary:
    """Return what a log tree tells of its run: of the last one, where several have written to it.

    Args:
        path: A run's folder, its ``logs/``, a single log, or a zip archive of them.
        *more: More of the same run: another node's logs.
        say: Called with each complaint about a file, as it is found; they are in the summary too.

    Raises:
        UsageError: A path is missing, can't be read, or holds no log.
    """
    complaints = Complaints(say)
    tree = [(entry, layouts.place(entry.path)) for entry in sources.entries([path, *more], complaints)]
    reader = _Reader(complaints)
    for kind in _ORDER:
        for entry, place in tree:
            if place.kind == kind:
                with _complained(entry, complaints):
                    reader.read(entry, place)
    memory = sorted(_memory(tree, complaints), key=lambda found: -found[0].percent)
    summary = reader.summary(", ".join(os.fspath(each) for each in (path, *more)), memory)
    complaints.close()
    summary = dataclasses.replace(
        summary,
        files=len(tree),
        complaints=tuple(complaints.lines),
        to_open=toopen.files(summary, {entry.path: place for entry, place in tree}),
    )
    return _redacted(summary, redaction.from_environment(redact=True) or str)


def _redacted(summary: Summary, redact: Callable[[str], str]) -> Summary:
    """Return a summary without secrets, as the helper leaves them out of logs: what is printed may hold some."""

    def clean(problem: Problem) -> Problem:
        return dataclasses.replace(
            problem,
            title=_cut(redact(problem.title)),
            root=_cut(redact(problem.root)),
            signature=_cut(redact(problem.signature)),
            traceback=redact(problem.traceback),
            items=tuple(map(redact, problem.items)),
        )

    return dataclasses.replace(
        summary,
        progress=dataclasses.replace(summary.progress, reason=redact(summary.progress.reason)),
        problems=tuple(map(clean, summary.problems)),
        warnings=tuple(map(clean, summary.warnings)),
        to_open=tuple(dataclasses.replace(file, why=redact(file.why)) for file in summary.to_open),
    )


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TITLE else f"{text[:_LONGEST_TITLE]}…"


@contextlib.contextmanager
def _complained(entry: Entry, complaints: Complaints) -> Iterator[None]:
    """Complain about a file that can't be read, and go on with the next."""
    try:
        yield
    except OSError as error:
        complaints.failed(entry.location, error)


class _Reader:
    """What was read so far."""

    def __init__(self, complaints: Complaints) -> None:
        self._complaints = complaints
        self._overview, self._master = Told(), Told()
        self._gathering, self._warnings = Gathering(), Gathering()
        self._stragglers = Stragglers()
        self._counts = _Counts()

    @property
    def _told(self) -> Told:
        """Return who knows best how far the run is."""
        return self._overview if self._overview.knows else self._master

    @property
    def _since(self) -> float | None:
        """Return when the last of several runs in this tree began; None where there is one."""
        told = self._told
        return told.began.timestamp() if told.runs > 1 and told.began else None

    def read(self, entry: Entry, place: Place) -> None:
        """Read one file.

        Raises:
            OSError: It can't be read.
        """
        name = entry.path.rpartition("/")[2]
        if name.endswith(".error.json"):
            found = evidence.error_file(entry.read(0, _LARGEST_WHOLE), entry.path, place)
            # It tells whole seconds: an earlier run may have ended in the one in which this began.
            is_past = self._since is not None and self._gathering.is_stranger(place.process)
            self._take(() if is_past else found)
        elif place.kind == layouts.STACKS:
            end = entry.read(max(0, entry.size() - _LARGEST_WHOLE), _LARGEST_WHOLE)
            self._take(evidence.stacks_file(end, entry.path, place))
        elif name.startswith(("job_result", "job_error")):
            self._read_result(entry, place, is_error=name.startswith("job_error"))
        else:
            self._read_log(entry, place)

    def _read_result(self, entry: Entry, place: Place, *, is_error: bool) -> None:
        text = entry.read(0, _LARGEST_WHOLE).decode("utf-8", "backslashreplace")
        if not is_error:
            self._overview.result(text)
        elif text.strip():
            self._overview.fail()
        self._take_records(self._records(entry, place, _ERROR_SIGNS), place)

    def _read_log(self, entry: Entry, place: Place) -> None:
        if place.kind == layouts.OVERVIEW:
            for record in self._records(entry, place, _MASTER_SIGNS):
                self._overview.take(record)
        elif place.kind == layouts.MASTER:
            self._read_master(entry, place)
        elif place.kind == layouts.TRIES:
            self._take_tries(tryreading.from_table(tables.rows(entry, self._complaints), place, entry.path))
        elif place.kind == layouts.WORKER:
            self._read_worker(entry, place)
        else:
            signs = _ERROR_SIGNS if place.kind in {layouts.ERROR, layouts.PRINTED} else evidence.SIGNS
            self._take_records(self._records(entry, place, signs), place)

    def _records(self, entry: Entry, place: Place, signs: Sequence[bytes]) -> Iterator[Record]:
        for block in scanning.blocks(entry, self._complaints):
            for offset, data in scanning.found(block, signs):
                raw = data.decode("latin-1")
                yield parsing.parse(raw, path=entry.path, offset=offset, place=place, key=shapes.NO_TIME)

    def _read_master(self, entry: Entry, place: Place) -> None:
        for record in self._records(entry, place, _MASTER_SIGNS):
            self._master.take(record)
            process = evidence.master_process(record)
            one = evidence.master_try(record)
            failure = evidence.master_failure(record)
            time = record.time.timestamp() if record.time else None
            if self._is_past(time):
                continue
            if process is not None:
                self._gathering.add_process(*process, time)
            elif one is not None:
                self._take_tries([one], is_counted=False)
            else:
                self._take([failure] if failure is not None else evidence.sightings(record, place))

    def _read_worker(self, entry: Entry, place: Place) -> None:
        blocks = (block.data for block in scanning.blocks(entry, self._complaints))
        self._take_tries(tryreading.from_worker_log(blocks, place, entry.path))
        self._take_records(self._records(entry, place, _WORKER_SIGNS), place)

    def _take_records(self, records: Iterable[Record], place: Place) -> None:
        for record in records:
            one = evidence.service_try(record, place)
            if one is None:
                self._take(evidence.sightings(record, place))
            else:
                self._take_tries([one], is_counted=False)

    def _take(self, found: Iterable[Sighting]) -> None:
        for sighting in found:
            if not self._is_past(sighting.time):
                gathering = self._warnings if sighting.kind == problems.WARNING else self._gathering
                gathering.add(sighting)

    def _take_tries(self, tries: Iterable[Try], *, is_counted: bool = True) -> None:
        for one in tries:
            if not self._is_past(one.start if one.end is None else one.end):
                self._gathering.add_try(one)
                if is_counted:
                    self._stragglers.add(one)
                    self._counts.add(one)

    def _is_past(self, time: float | None) -> bool:
        """Tell whether it is of an earlier run."""
        since = self._since
        return since is not None and time is not None and time < since

    def summary(self, path: str, memory: Sequence[tuple[Peak, list[Point]]]) -> Summary:
        """Return what all of it says."""
        found = self._gathering.finish()
        progress = self._counts.complete(self._told.progress(), self._gathering)
        if progress.state in {UNKNOWN, RUNNING} and any(problem.kind == problems.STOPPED for problem in found):
            progress = dataclasses.replace(progress, state=FAILED, remaining_seconds=None)
        ordered = [_hinted(problem, memory) for problem in causes.ordered(found, progress)]
        warnings = sorted(self._warnings.finish(), key=lambda problem: -problem.count)
        return Summary(
            path=path,
            progress=progress,
            problems=tuple(ordered),
            warnings=tuple(warnings[:_MOST_WARNINGS]),
            other_problems=self._gathering.others,
            other_warnings=self._warnings.others + sum(problem.count for problem in warnings[_MOST_WARNINGS:]),
            retries=max(self._told.retries, self._counts.retries),
            timeouts=self._gathering.timeouts,
            deaths=self._gathering.deaths,
            processes=len(self._counts.processes),
            nodes=tuple(sorted(self._counts.nodes)),
            stragglers=self._stragglers.found(),
            peaks=tuple(peak for peak, _ in memory),
            earlier_runs=max(self._told.runs - 1, 0),
        )


class _Counts:
    """What the tries sum up to, where nothing else tells it."""

    def __init__(self) -> None:
        self.succeeded = self.items = self.succeeded_items = self.retries = self.seen = 0
        self.processes: set[tuple[str, str, int | None]] = set()
        self.nodes: set[str] = set()
        self._last: float | None = None

    def add(self, one: Try) -> None:
        """Count a try."""
        self.seen += 1
        self.retries += one.number > 1
        if one.status == tryreading.SUCCEEDED:
            self.succeeded += 1
            self.items += one.total or 0
            self.succeeded_items += one.succeeded or 0
        if len(self.processes) < _MOST_PROCESSES:
            self.processes.add((one.node, one.process_name, one.process))
        if one.node and len(self.nodes) < _MOST_PROCESSES:
            self.nodes.add(one.node)

    def complete(self, progress: Progress, gathering: Gathering) -> Progress:
        """Return the progress with what only the tries tell."""
        failed = gathering.failed_mini_batches
        if not self.seen or self.succeeded + failed < (progress.processed_mini_batches or 0):
            return progress  # it is told better, or the files tell of a part only
        told = {
            "succeeded_mini_batches": self.succeeded,
            "failed_mini_batches": failed,
            "processed_mini_batches": self.succeeded + failed,
            "succeeded_items": self.succeeded_items,
        }
        missing = {name: value for name, value in told.items() if getattr(progress, name) is None}
        return dataclasses.replace(progress, **missing)  # type: ignore[arg-type]


_MOST_PROCESSES = 10_000


def _memory(tree: Iterable[tuple[Entry, Place]], complaints: Complaints) -> Iterator[tuple[Peak, list[Point]]]:
    """Yield the most memory that each node used, and its curve in percent."""
    for entry, place in tree:
        if place.kind == layouts.NODE_RESOURCES:
            usage = resources.usage(entry, place, complaints)
            percent, peak = usage.memory_percent.peak, usage.memory_peak
            if percent is not None:
                megabytes = peak.value if peak else None
                yield Peak(place.node, percent.value, moment(percent.time), megabytes), usage.memory_percent.points()


def _hinted(problem: Problem, memory: Sequence[tuple[Peak, list[Point]]]) -> Problem:
    """Return a problem with what the node's memory says of it, where a process was killed or had none."""
    if not (problem.kind == problems.DEATH or problem.title.startswith("MemoryError")) or problem.first is None:
        return problem
    end = problem.first.timestamp()
    curves = [points for peak, points in memory if peak.node == problem.node or len(memory) == 1]
    near = [point for points in curves for point in points if end - _BEFORE <= point.time <= end + _BEHIND]
    highest = max(near, key=lambda point: point.value, default=None)
    if highest is None or highest.value < _NEARLY_ALL:
        return problem
    when = f"{max(end - highest.time, 0):.0f} s before"
    return dataclasses.replace(
        problem,
        hint=f"the node's memory was {highest.value:.0f} % used {when}: it was probably killed for want of memory",
    )


_BEFORE, _BEHIND = 60.0, 10.0
"""Seconds around a death in which the node's memory is looked at."""
_NEARLY_ALL = 90.0
"""Percent of a node's memory."""
