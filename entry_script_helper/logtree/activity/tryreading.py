"""Tries at mini-batches, read from worker logs, from the service's tables, and from its lines on timeouts."""

from __future__ import annotations

import json
import re
from calendar import timegm
from datetime import datetime
from typing import TYPE_CHECKING

from entry_script_helper.logtree.activity.tries import Try
from entry_script_helper.logtree.files.tables import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from entry_script_helper.logtree.layouts import Place

SUCCEEDED, FAILED, TIMEOUT, DIED, RUNNING = "succeeded", "failed", "timeout", "died", "running"
"""What becomes of a try."""

_LINE = re.compile(
    rb"\|(picked|completed) mini_batch=(\S+) try=(\d+) ip=(\S*) pid=(\d+)(?: status=(\w+))? total=(\d+)"
    rb"(?: succeeded=(\d+))? start1=([\d.]+)(?: end1=([\d.]+))? start2=([\d.]+)(?: end2=([\d.]+))?"
    rb"(?: error=([^\n]*))?"
)
"""A line of worker/<ip>/Process-N.txt; its fields are told in docs/reference/log-tree.md."""

_OTHER_LINE = re.compile(
    rb"\|(Picked|Completed)[a-z ]* (?:mini.?batch|task) ([\w-]+)"
    rb"((?: (?:ip|pid|total|succeeded|start[12]|end[12])=\S*)+)",
    re.IGNORECASE,
)
"""The same as others may write it: the fields are those that the article names."""

_MOST_OPEN = 10_000
"""Tries picked up and not completed that are remembered of one file: a process has one at a time."""

_TIMEOUT = re.compile(r"[Uu]nable to finish within ([\d.]+) seconds?(?: for (\{.*\}))?")
"""How the service tells of a timeout (public issue threads)."""


def from_worker_log(blocks: Iterable[bytes], place: Place, path: str) -> Iterator[Try]:
    """Yield the tries that a worker's log of ours tells, those that have not ended last.

    Args:
        blocks: The file's bytes, in pieces of whole lines.
        place: What the file's path tells.
        path: The file, relative to the tree's root.
    """
    open_tries: dict[tuple[str, int, int | None], Try] = {}
    for block in blocks:
        for found in _in_block(block, place, path):
            key = (found.mini_batch, found.number, found.process)
            if found.status != RUNNING:
                open_tries.pop(key, None)
                yield found
            elif len(open_tries) < _MOST_OPEN:
                open_tries[key] = found
    yield from open_tries.values()


def _in_block(block: bytes, place: Place, path: str) -> Iterator[Try]:
    if b" mini_batch=" in block:
        return (_from_match(match, place, path) for match in _LINE.finditer(block))
    return (_from_fields(match, place, path) for match in _OTHER_LINE.finditer(block))


def _from_match(match: re.Match[bytes], place: Place, path: str) -> Try:
    _, mini_batch, number, node, process, status, total, succeeded, start1, end1, start2, end2, error = match.groups()
    return Try(
        mini_batch=_text(mini_batch),
        number=int(number),
        node=_text(node) or place.node,
        process_name=place.process_name,
        process=int(process),
        status=_text(status) if status else RUNNING,
        total=int(total),
        succeeded=int(succeeded) if succeeded else None,
        start=_number(_text(start1)),
        end=_number(_text(end1 or b"")),
        processor_seconds=_difference(start2, end2),
        error=_text(error or b""),
        path=path,
    )


def _from_fields(match: re.Match[bytes], place: Place, path: str) -> Try:
    fields = dict(field.split("=", 1) for field in _text(match[3]).split())
    total, succeeded = _whole(fields.get("total")), _whole(fields.get("succeeded"))
    is_over = match[1].lower() == b"completed"
    return Try(
        mini_batch=_text(match[2]),
        number=1,
        node=fields.get("ip") or place.node,
        process_name=place.process_name,
        process=_whole(fields.get("pid")),
        status=(FAILED if total and not succeeded else SUCCEEDED) if is_over else RUNNING,
        total=total,
        succeeded=succeeded,
        start=_number(fields.get("start1")),
        end=_number(fields.get("end1")),
        processor_seconds=_difference(fields.get("start2", "").encode(), fields.get("end2", "").encode()),
        path=path,
    )


def _difference(start: bytes, end: bytes | None) -> float | None:
    first, last = _number(_text(start)), _number(_text(end or b""))
    return None if first is None or last is None else last - first


def from_table(rows: Iterable[Mapping[str, str]], place: Place, path: str) -> Iterator[Try]:
    """Yield the tries that a table of the service's tells: Process-N.task.csv, processed_mini-batches.csv.

    Columns are found by their names, in whatever order, of both eras; a row without a mini-batch's id is passed over.

    Args:
        rows: The table's rows by column name.
        place: What the file's path tells.
        path: The file, relative to the tree's root.
    """
    for row in rows:
        fields = {plain(name): value.strip() for name, value in row.items()}
        mini_batch = _first(fields, "minibatchid", "taskid")
        if not mini_batch:
            continue
        start = seconds(_first(fields, "starttime", "processstarttime"))
        elapsed = _number(_first(fields, "elapsedseconds", "runmethodseconds"))
        error = _first(fields, "errormessage", "error") or ""
        yield Try(
            mini_batch=mini_batch,
            number=_whole(_first(fields, "dequeuecount", "pickedcount")) or 1,
            node=_first(fields, "node", "nodeid") or place.node,
            process_name=_first(fields, "process", "processname") or place.process_name,
            process=_whole(_first(fields, "processid", "pid")),
            status=_status(_first(fields, "status") or "", error),
            total=_whole(_first(fields, "total")),
            succeeded=_whole(_first(fields, "succeeded")),
            start=start,
            end=None if start is None or elapsed is None else start + elapsed,
            processor_seconds=_number(_first(fields, "processseconds")),
            error=" ".join(error.split()),
            path=path,
        )


def _status(status: str, error: str) -> str:
    """Return what the service's status means: RUN_DONE, RUN_TIMEOUT, RUN_EXCEPTION, LOAD_... and the like."""
    word = status.upper()
    if "TIMEOUT" in word:
        return TIMEOUT
    if any(part in word for part in ("EXCEPTION", "ERROR", "FAIL")):
        return FAILED
    if any(part in word for part in ("DONE", "SUCCE", "COMPLETED", "FINISHED")) and "LOAD" not in word:
        return SUCCEEDED
    return FAILED if error else RUNNING


def from_timeout(message: str) -> Try | None:
    """Return the try of which a line of the service's says that its time was over, or None."""
    match = _TIMEOUT.search(message)
    if not match or not match.group(2):
        return None
    try:
        said = json.loads(match.group(2))
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or "task_id" not in said:
        return None
    return Try(
        mini_batch=str(said["task_id"]),
        number=_whole(str(said.get("dequeue_count", ""))) or 1,
        node="",
        process_name=str(said.get("agent", "")),
        process=None,
        status=TIMEOUT,
        total=_whole(str(said.get("total", ""))),
        succeeded=_whole(str(said.get("succeeded", ""))),
        start=None,
        end=None,
        error=f"{said.get('method', 'run')}() did not end within {match.group(1)} s (run_invocation_timeout)",
    )


def _first(fields: Mapping[str, str], *names: str) -> str | None:
    return next((fields[name] for name in names if fields.get(name)), None)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if abs(number) < _BEYOND else None  # neither infinite nor NaN


_BEYOND = 1e15


def _whole(text: str | None) -> int | None:
    number = _number(text)
    return None if number is None else int(number)


def seconds(text: str | None) -> float | None:
    """Return a time in UTC, as text or as seconds since the epoch, as the latter."""
    number = _number(text)
    if number is not None:
        return number
    match = re.match(r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6}))?", text or "")
    if not match:
        return None
    try:
        moment = datetime(*map(int, match.groups()[:6]))  # type: ignore[arg-type]  # noqa: DTZ001 - UTC below
    except ValueError:
        return None
    return timegm(moment.timetuple()) + float(f"0.{match.group(7) or 0}")
