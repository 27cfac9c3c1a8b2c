"""Sightings and tries gathered into problems: each error once, by signature, with what it did to the mini-batches.

Memory is bounded: of signatures, processes, mini-batches and tries that failed so many are kept, and the rest is
counted.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from entry_script_helper.logtree import layouts
from entry_script_helper.logtree.activity.tries import Try
from entry_script_helper.logtree.activity.tryreading import DIED, RUNNING, SUCCEEDED, TIMEOUT
from entry_script_helper.logtree.findings import evidence, problems, signatures
from entry_script_helper.logtree.findings.identities import NOBODY, Identities, Identity
from entry_script_helper.logtree.findings.occurrences import Occurrences
from entry_script_helper.logtree.findings.problems import Problem

if TYPE_CHECKING:
    from entry_script_helper.logtree.findings.evidence import Sighting

MOST_GROUPS = 1000
"""Signatures that are kept: those that came first. The others are counted."""
MOST_TRIES = 50_000
"""Tries that failed that are looked at one by one."""
_MOST_NAMED = 20
_MOST_PROCESSES = 5000
_MOST_MINI_BATCHES = 20_000
_MOST_STACKS = 1000

_NEVER = float("inf")
_SLACK = 1.0
"""Seconds after a try's end in which its error may be logged: tables tell whole seconds."""


class _Group:
    """All that is known of one signature."""

    def __init__(self, example: Sighting) -> None:
        self.example = example
        self.last: float | None = None
        self.reports = 0
        self.processes: dict[Identity, Occurrences] = {}
        self.tries: Counter[Identity] = Counter()
        """Tries that ended with it, by process."""
        self.names: dict[Identity, str] = {}
        self.nodes: set[str] = set()
        self.mini_batches: set[str] = set()
        self.items: list[str] = []
        self.given_up = self.tried_again = self.before_the_last = 0
        """Tries that ended with it, of mini-batches given up with it, succeeded later, and given up with another."""

    @property
    def first(self) -> float:
        return _NEVER if self.example.time is None else self.example.time

    def add(self, sighting: Sighting, process: Identity) -> None:
        """Count a sighting."""
        self.reports += sighting.is_report
        if len(self.processes) < _MOST_PROCESSES or process in self.processes:
            self.processes.setdefault(process, Occurrences()).add(sighting.channel, sighting.time)
        self.take_place(process, sighting.process_name, sighting.node, sighting.mini_batch)
        self.items += [item for item in sighting.items if len(self.items) < _MOST_NAMED and item not in self.items]
        self.note(sighting)

    def note(self, sighting: Sighting) -> None:
        """Keep the earliest for an example, with all that others tell better."""
        if sighting.time is not None:
            self.last = max(self.last or sighting.time, sighting.time)
        kept, other = self.example, sighting
        if _quality(other) > _quality(kept) or (_quality(other) == _quality(kept) and _time(other) < _time(kept)):
            kept, other = other, kept
        self.example = kept._replace(
            time=min(_time(kept), _time(other)) if min(_time(kept), _time(other)) != _NEVER else None,
            mini_batch=kept.mini_batch or other.mini_batch,
            place=kept.place or other.place,
            root=kept.root or other.root,
        )

    def take_place(self, process: Identity, name: str, node: str, mini_batch: str) -> None:
        """Keep where it was."""
        if name and len(self.names) < _MOST_PROCESSES:
            self.names[process] = name
        if node and len(self.nodes) < _MOST_PROCESSES:
            self.nodes.add(node)
        if mini_batch and len(self.mini_batches) < _MOST_MINI_BATCHES:
            self.mini_batches.add(mini_batch)


def _time(sighting: Sighting) -> float:
    return _NEVER if sighting.time is None else sighting.time


def _quality(sighting: Sighting) -> tuple[bool, bool, int, int]:
    """Tell how much a sighting tells: more than a report, a traceback, a process; and in a file that helps more."""
    place = bool(sighting.process_name) + bool(sighting.process) + bool(sighting.node)
    return not sighting.is_report, bool(sighting.traceback), place, _HELP.get(sighting.file_kind, 0)


_HELP = {layouts.USER: 3, layouts.ERROR: 2, layouts.PRINTED: 1}


class Gathering:
    """Takes the evidence of a tree, in whatever order, and makes problems of it."""

    def __init__(self) -> None:
        self.groups: dict[str, _Group] = {}
        self.others = 0
        """Sightings whose signature is not kept."""
        self.tries = 0
        """Tries of all kinds."""
        self.timeouts = self.deaths = self.retries = 0
        self._processes = Identities()
        self._latest = -_NEVER
        self._failed: dict[tuple[str, int], Try] = {}
        self._recovered: set[str] = set()
        self._last_tries: dict[str, int] = {}
        self._stacks: dict[Identity, Sighting] = {}
        self._ends: dict[int, tuple[str, str, float | None]] = {}
        """By process id, name, reason and time of a process that is gone."""

    def add(self, sighting: Sighting) -> None:
        """Take a sighting of an error."""
        if sighting.kind == evidence.STACKS:
            if len(self._stacks) < _MOST_STACKS:
                self._stacks[self._key(sighting)] = sighting
            return
        group = self._group(sighting)
        if group is not None:
            group.add(sighting, self._key(sighting))

    def add_process(self, name: str, process: int, reason: str, time: float | None) -> None:
        """Take note of a worker process that has begun, or has ended for a reason."""
        if not reason:
            self._processes.begin(name, process, time)
        elif len(self._ends) < _MOST_PROCESSES:
            self._ends[process] = (name, reason, time)

    def is_stranger(self, process: int | None) -> bool:
        """Tell whether a process's id is none of those that the master has told of."""
        return self._processes.is_stranger(process)

    def add_try(self, one: Try) -> None:
        """Take a try at a mini-batch, of whatever status; the same may be told by several files."""
        self.tries += 1
        self._processes.of(one.node, one.process_name, one.process, one.start)
        if one.status == SUCCEEDED and not one.error:
            if one.number > 1 and len(self._recovered) < _MOST_MINI_BATCHES:
                self._recovered.add(one.mini_batch)
        elif one.status != RUNNING and len(self._failed) < MOST_TRIES:
            key = (one.mini_batch, one.number)
            known = self._failed.get(key)
            self._failed[key] = one if known is None else _both(known, one)

    @property
    def failed_mini_batches(self) -> int:
        """Return how many mini-batches failed and did not succeed in a later try, so far."""
        failed = {one.mini_batch for one in self._failed.values() if one.status != SUCCEEDED}
        return len(failed - self._recovered)

    def finish(self) -> list[Problem]:
        """Return the problems, in no order."""
        for one in self._failed.values():
            self._last_tries[one.mini_batch] = max(one.number, self._last_tries.get(one.mini_batch, 0))
        for one in sorted(self._failed.values(), key=self._has_no_stacks):
            self._explain(one)
        self._take_ends()
        self._take_reports()
        return [self._problem(group) for group in self.groups.values()]

    def _key(self, sighting: Sighting) -> Identity:
        return self._processes.of(sighting.node, sighting.process_name, sighting.process, sighting.time)

    def _group(self, sighting: Sighting) -> _Group | None:
        """Return the group of a sighting; None where it is one of too many."""
        group = self.groups.get(sighting.signature)
        if group is None:
            if len(self.groups) >= MOST_GROUPS:
                if _time(sighting) >= self._latest:
                    self.others += 1
                    return None
                latest = max(self.groups, key=lambda signature: self.groups[signature].first)
                self.others += sum(found.count for found in self.groups.pop(latest).processes.values())
            group = self.groups[sighting.signature] = _Group(sighting)
            if len(self.groups) >= MOST_GROUPS:
                self._latest = max(found.first for found in self.groups.values())
        return group

    def _explain(self, one: Try) -> None:
        """Find what a try ended with, and take it for that problem's."""
        process = self._processes.of(one.node, one.process_name, one.process, one.start)
        if one.status == DIED:
            self.deaths += 1
            group = self._death(process, one)
        elif one.status == TIMEOUT:
            self.timeouts += 1
            group = self._timeout(one, process)
        else:
            group = self._failure(one, process)
        if group is None:
            return
        group.tries[process] += 1
        group.take_place(process, one.process_name, one.node, one.mini_batch)
        if group.example.time is None:
            group.example = group.example._replace(time=one.end)
        if one.mini_batch in self._recovered:
            group.tried_again += 1
        elif one.number == self._last_tries[one.mini_batch]:
            group.given_up += 1
        else:
            group.before_the_last += 1

    def _has_no_stacks(self, one: Try) -> bool:
        return one.status == TIMEOUT and self._stacks_of(Identity(one.node, one.process_name, one.process)) is None

    def _failure(self, one: Try, process: Identity) -> _Group | None:
        error, place = evidence.located(one.error)
        wrong = error.partition("run() returned ")
        is_wrong = wrong[0] in {"", "TypeError: "} and bool(wrong[1])
        named = signatures.named(error)
        short = signatures.short(named or signatures.Raised("", error))
        if is_wrong:
            short = signatures.of_message("".join(wrong[1:]))
        fitting = [group for group in self.groups.values() if group.example.short == short]
        best = max(fitting, key=lambda group: (any(map(process.fits, group.processes)), -group.first), default=None)
        if best is None and named is None and not is_wrong:
            best = self._within(one, process)
        if best is not None:
            return best
        title = ("".join(wrong[1:]) if is_wrong else error) or "a mini-batch failed; no reason is told"
        kind = problems.WRONG_RETURN if is_wrong else problems.EXCEPTION
        return self._group(_of_try(one, kind, title, short)._replace(place=place))

    def _within(self, one: Try, process: Identity) -> _Group | None:
        """Return what a process logged last in a try of which no exception is told."""
        if one.start is None or one.end is None:
            return None
        found: tuple[float, _Group] | None = None
        for group in self.groups.values():
            if group.example.kind in {problems.EXCEPTION, problems.INIT} and not group.example.is_report:
                fitting = [times for owner, times in group.processes.items() if owner != NOBODY and process.fits(owner)]
                last = max((times.last_within(one.start, one.end + _SLACK) for times in fitting), default=None)
                if last is not None and last >= one.start and (found is None or last > found[0]):
                    found = (last, group)
        return found[1] if found else None

    def _timeout(self, one: Try, process: Identity) -> _Group | None:
        stacks = self._stacks_of(process)
        places = signatures.places(stacks.traceback) if stacks else ()
        title = one.error.partition("; the stacks of its threads are in ")[0] or "run() did not end in time"
        signature = f"{problems.TIMEOUT}: {signatures.generalised(title)} @ "
        if not places:  # it may well have hung where all others did
            others = [group for signed, group in self.groups.items() if signed.startswith(signature)]
            if len(others) == 1:
                return others[0]
        where = f"{places[0].name}:{places[0].function}" if places else ""
        sighting = _of_try(one, problems.TIMEOUT, title, f"{signature}{where}")
        place = str(places[0]) if places else ""
        return self._group(sighting._replace(place=place, traceback=stacks.traceback if stacks else ""))

    def _death(self, process: Identity, one: Try) -> _Group | None:
        title = one.error.partition("; the stacks of its threads are in ")[0] or "the worker process died"
        stacks = self._stacks_of(process)
        places = signatures.places(stacks.traceback) if stacks and "Fatal Python" in stacks.title else ()
        where = f"{places[0].name}:{places[0].function}" if places else ""
        sighting = _of_try(one, problems.DEATH, title, f"{problems.DEATH}: {title} @ {where}")
        if stacks and places:
            sighting = sighting._replace(place=str(places[0]), traceback=stacks.traceback)
        group = self._group(sighting)
        if group is not None:
            group.note(sighting)
        if one.process is not None:
            self._ends.pop(one.process, None)
        return group

    def _stacks_of(self, process: Identity) -> Sighting | None:
        """Return the stacks that a process has left; nothing where there are those of several that it could be."""
        fitting = [stacks for owner, stacks in self._stacks.items() if owner != NOBODY and owner.fits(process)]
        if process.process is not None:
            fitting = [stacks for stacks in fitting if stacks.process == process.process] or fitting
        return fitting[0] if len({stacks.process for stacks in fitting}) == 1 else None

    def _take_ends(self) -> None:
        """Take the processes that are gone without a try that tells it: at init(), or told by the master alone."""
        for process, (name, reason, time) in list(self._ends.items()):
            if not reason.startswith(evidence.OVERDUE):
                self.deaths += 1
                error = f"the worker process died: {reason}"
                key = self._processes.of("", name, process, time)
                group = self._death(key, Try("", 1, "", name, process, DIED, None, None, None, time, error=error))
                if group is not None:
                    group.tries[key] += 1
                    group.take_place(key, name, "", "")

    def _take_reports(self) -> None:
        """Give what only reports to what it reports, where that is known: it is no problem of its own."""
        for signature, group in list(self.groups.items()):
            if not group.example.is_report:
                continue
            short = group.example.short
            fitting = [
                each for each in self.groups.values() if each.example.short == short and not each.example.is_report
            ]
            if fitting:
                best = max(fitting, key=lambda other: len(other.processes.keys() & group.processes.keys()))
                best.reports += group.reports
                best.mini_batches |= group.mini_batches
                del self.groups[signature]

    def _problem(self, group: _Group) -> Problem:
        example = group.example
        counts, of_nobody = self._counts(group)
        numbers = sorted(group.mini_batches, key=_in_order)
        is_crash = example.kind in {problems.TIMEOUT, problems.DEATH}
        names = sorted(set(group.names.values()), key=_in_order)
        return Problem(
            kind=example.kind,
            title=example.title,
            place=example.place,
            count=max(sum(counts.values()), of_nobody, 1),
            signature=example.signature,
            root=example.root,
            outcome=self._outcome(group),
            first=moment(example.time),
            last=moment(group.last if group.last is not None else example.time),
            node=example.node or next(iter(sorted(group.nodes)), ""),
            process_name=example.process_name or next(iter(names), ""),
            process=example.process,
            processes=len(counts) or 1,
            process_names=tuple(names[:_MOST_NAMED]),
            nodes=tuple(sorted(group.nodes)[:_MOST_NAMED]),
            mini_batches=tuple(numbers[:_MOST_NAMED]),
            mini_batch_count=len(numbers),
            items=tuple(group.items[:_MOST_NAMED]),
            traceback=example.traceback,
            stack=tuple(map(str, signatures.places(example.traceback))) if is_crash else (),
            reports=group.reports,
            path=example.path,
            offset=example.offset,
        )

    def _counts(self, group: _Group) -> tuple[dict[Identity, int], int]:
        """Return how often it happened in each process, and how often by those that tell no process."""
        likely = [process for process in {**group.processes, **group.tries} if process.is_whole]
        merged: dict[Identity, Occurrences] = {}
        for process, found in group.processes.items():
            merged.setdefault(self._processes.whole(process, likely), Occurrences()).merge(found)
        counts = {process: found.count for process, found in merged.items()}
        tries: Counter[Identity] = Counter()
        for process, number in group.tries.items():
            tries[self._processes.whole(process, likely)] += number
        for process, number in tries.items():
            counts[process] = max(counts.get(process, 0), number)
        return counts, counts.pop(NOBODY, 0)

    def _outcome(self, group: _Group) -> str:
        # What is different in a later try may follow from what was in the first: a file that was half written.
        if group.given_up or (group.before_the_last and not group.tried_again):
            return problems.GIVEN_UP
        if group.tried_again:
            return problems.TRIED_AGAIN
        is_handled = self.tries and group.example.kind in {problems.EXCEPTION, problems.WRONG_RETURN}
        return problems.HANDLED if is_handled else problems.UNKNOWN


def _of_try(one: Try, kind: str, title: str, short: str) -> Sighting:
    return evidence.Sighting(
        kind=kind,
        title=title,
        signature=f"{short} @ " if kind == problems.EXCEPTION else short,
        short=short,
        channel=one.path,
        time=one.end,
        node=one.node,
        process_name=one.process_name,
        process=one.process,
        mini_batch=one.mini_batch,
        path=one.path,
    )


def _both(one: Try, other: Try) -> Try:
    """Return a try that two files tell: all that either of them tells, and the longer error."""
    error = max(one.error, other.error, key=len)
    return dataclasses.replace(
        one,
        error=error,
        node=one.node or other.node,
        total=other.total if one.total is None else one.total,
        start=other.start if one.start is None else one.start,
        path=other.path if other.node and not one.node else one.path,
    )


def _in_order(text: str) -> tuple[int, int, str]:
    """Sort names by the number in them: Process-2 before Process-10."""
    digits = "".join(filter(str.isdigit, text))[:18]
    return (0, int(digits), text) if digits else (1, 0, text)


def moment(time: float | None) -> datetime | None:
    """Return a time in seconds since the epoch as one in UTC; None for none, and for one that no calendar has."""
    try:
        return None if time is None else datetime.fromtimestamp(time, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None
