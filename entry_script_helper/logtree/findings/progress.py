"""How far a run is, and its result: by the master's lines of ours and of the service's, else by the tries."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from entry_script_helper.logtree.findings.summary import FAILED, RUNNING, SUCCEEDED, UNKNOWN, Progress

if TYPE_CHECKING:
    from datetime import datetime

    from entry_script_helper.logtree.stream.records import Record

_BEGINS = re.compile(r"run begins: .*, (\d+) mini-batches, \d+ processes$")
_COUNT = re.compile(
    r"created (\d+) mini-batches, processed \d+: (\d+) succeeded, (\d+) failed(?:, (\d+) tried again)?"
    r"(?:, \d+ of them in an earlier run)?; ([\d:]+) passed(?:, about ([\d:]+) left)?"
)
_RESULT = re.compile(
    r"result: (succeeded|FAILED): (\d+) of (\d+) items?, (\d+) of (\d+) mini-batch(?:es)?, (\d+) failed"
    r"(?:, (\d+) retr(?:y|ies))?.*?, ([\d.]+) s$"
)
_OTHER_RESULT = re.compile(r"result: FAILED: (.*)$")
_EXIT = re.compile(r"result: exit code: (\d+)")
_STOPPED = re.compile(r"result: stopped: (.*)$")
_SCHEDULED = re.compile(r"There are (\d+) tasks? with (\d+) items?")
_SCHEDULED_ONLY = re.compile(r"Scheduled (\d+) mini.?batch")
_PROCESSED = re.compile(
    r"Processed (\d+) of (\d+) mini.?batch(?:es)? in ([\d:.]*\d)(?:.*?[Rr]emaining time:? ([\d:.]*\d))?"
)
_CREATED = re.compile(r"^(\d+) tasks? created, (\d+) processed")
_ITEMS_FAILED = re.compile(r"(\d+) of (\d+) items failed")
_ENDED_BADLY = re.compile(r"The (?:job|run) failed\b")
_TIME = re.compile(r"^\[?\d{4}-\d\d-\d\d[ T][\d:.,]+Z?\]? *")
_LONGEST_REASON = 300
_WELL = re.compile(r"\b(?:job|run) (?:has )?(?:succeeded|completed|finished)\b|\bsucceeded\b|[Cc]ompleted successfully")
_BADLY = re.compile(
    r"\b[Ff]ailed\b(?! (?:items?|mini.?batch(?:es)?):? 0)|\bexit code:? [1-9]|SystemExit: [1-9]|[Aa]borted"
)


class Told:
    """Takes the records of overview and master, and says how far the run is by the last of them.

    A tree may hold several runs, one after the other: what was told before the last one began is forgotten.
    """

    def __init__(self) -> None:
        self.runs = 0
        """Runs that have begun."""
        self.began: datetime | None = None
        """When the last of them did, where there are several or one."""
        self.retries = 0
        self._told: dict[str, object] = {}

    @property
    def knows(self) -> bool:
        """Return whether it was told anything of how far the run is, or of its result."""
        return bool(self._told.keys() & {"state", "result", "mini_batches"})

    def take(self, record: Record) -> None:
        """Take a record of overview.txt or master.txt, in the order of the file."""
        message, told = record.message, self._told
        begins = _BEGINS.match(message)
        if begins:
            self.runs += 1
            self.began = record.time
            self.retries = 0
            told.clear()
            told.update(state=RUNNING, started=record.time, last=record.time, mini_batches=int(begins[1]))
            return
        self._take_ours(record)
        self._take_services(record)

    def _take_ours(self, record: Record) -> None:
        message, told = record.message, self._told
        count = _COUNT.match(message)
        if count:
            created, succeeded, failed = map(int, count.group(1, 2, 3))
            self.retries = int(count[4] or 0)
            told.update(mini_batches=created, succeeded_mini_batches=succeeded, failed_mini_batches=failed)
            told.update(processed_mini_batches=succeeded + failed)
            told.update(seconds=seconds(count[5]), remaining_seconds=seconds(count[6]), last=record.time)
            told.setdefault("state", RUNNING)
        result = _RESULT.match(message)
        other = _OTHER_RESULT.match(message) if not result else None
        if result:
            numbers = [int(part or 0) for part in result.group(2, 3, 4, 5, 6, 7)]
            good, items, batches, all_batches, failed, retries = numbers
            told.update(state=SUCCEEDED if result[1] == "succeeded" else FAILED, items=items, succeeded_items=good)
            told.update(mini_batches=all_batches, succeeded_mini_batches=batches, failed_mini_batches=failed)
            told.update(processed_mini_batches=batches + failed)
            told.update(seconds=float(result[8]), remaining_seconds=None, last=record.time)
            self.retries = retries
        elif other:
            told.update(state=FAILED, reason=other[1], remaining_seconds=None, last=record.time)
        for pattern, name, kind in ((_EXIT, "exit_code", int), (_STOPPED, "reason", str)):
            match = pattern.match(message)
            if match:
                told[name] = kind(match[1])

    def _take_services(self, record: Record) -> None:
        message, told = record.message, self._told
        scheduled = _SCHEDULED.search(message)
        if scheduled:
            told.update(mini_batches=int(scheduled[1]), items=int(scheduled[2]))
        elif _SCHEDULED_ONLY.search(message):
            told.setdefault("mini_batches", int(_SCHEDULED_ONLY.search(message)[1]))  # type: ignore[index]
        processed = _PROCESSED.search(message)
        if processed:
            told.update(processed_mini_batches=int(processed[1]), mini_batches=int(processed[2]), last=record.time)
            told.update(seconds=seconds(processed[3]), remaining_seconds=seconds(processed[4]))
            told.setdefault("state", RUNNING)
        created = _CREATED.match(message)
        if created:
            told.update(mini_batches=int(created[1]), processed_mini_batches=int(created[2]), last=record.time)
            told.setdefault("state", RUNNING)
        elif record.level in {"ERROR", "CRITICAL"} and _ENDED_BADLY.match(message):
            told.update(state=FAILED, reason=message.split("\n", 1)[0], last=record.time)
            self._take_items(message)
        if processed or scheduled or created:
            told.setdefault("started", record.time)

    def _take_items(self, text: str) -> None:
        """Take how many items failed, of a sentence that tells it."""
        items = _ITEMS_FAILED.search(text)
        if items:
            self._told.update(items=int(items[2]), succeeded_items=int(items[2]) - int(items[1]))

    def result(self, text: str) -> None:
        """Take the text of a file that tells the job's result alone: job_result.txt, job_error.<time>.txt."""
        if _BADLY.search(text):
            self._told["state"] = FAILED
            self._take_items(text)
            failed = next(line for line in text.splitlines() if _BADLY.search(line))
            self._told.setdefault("reason", _TIME.sub("", failed.strip())[:_LONGEST_REASON])
        elif _WELL.search(text):
            self._told.setdefault("result", SUCCEEDED)

    def fail(self) -> None:
        """Take it that the job itself has said that it failed."""
        self._told["state"] = FAILED

    def progress(self) -> Progress:
        """Return how far the run is."""
        told = dict(self._told)
        result, processed = told.pop("result", None), told.get("processed_mini_batches")
        state = told.get("state", UNKNOWN)
        if result and state != FAILED:
            told.update(state=result, remaining_seconds=None)
        elif state == RUNNING and self.runs == 0 and processed is not None and processed == told.get("mini_batches"):
            told.update(state=SUCCEEDED, remaining_seconds=None)
        told.setdefault("state", UNKNOWN)
        return Progress(**told)  # type: ignore[arg-type]


def seconds(text: str | None) -> float | None:
    """Return a time such as ``19:25:59`` or ``1:02:03.5`` in seconds."""
    if not text:
        return None
    try:
        hours, minutes, rest = [0.0, 0.0, *(float(part or 0) for part in text.split(":"))][-3:]
    except ValueError:
        return None
    return 3600 * hours + 60 * minutes + rest
