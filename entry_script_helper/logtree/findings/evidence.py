"""What one record says of what went wrong: sightings of errors, each told where, when, and by whom."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, NamedTuple

from entry_script_helper.logtree import layouts
from entry_script_helper.logtree.activity import tryreading
from entry_script_helper.logtree.activity.tries import Try
from entry_script_helper.logtree.findings import problems, signatures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entry_script_helper.logtree.findings.signatures import Raised
    from entry_script_helper.logtree.layouts import Place
    from entry_script_helper.logtree.stream.records import Record

STACKS = "stacks"
"""A further kind: the stacks that a process which hung or crashed has left."""

SIGNS = (b"ERROR", b"CRITICAL", b"FATAL", b"WARNING", b"Traceback (most", b"Timeout (", b"Fatal Python", b'l": "error')
"""One of these is in every record that `sightings` finds something in, but those of the master."""

ERROR_LEVELS = frozenset({"ERROR", "CRITICAL", "FATAL"})
WARNING_LEVELS = frozenset({"WARNING", "WARN"})


class Sighting(NamedTuple):
    """One error as one record tells it."""

    kind: str
    """As in `problems`, or `STACKS`."""
    title: str
    signature: str
    short: str
    """The signature without the place: what lines have that only report it."""
    channel: str
    """Who tells it: a channel tells each error once, and several may tell the same."""
    place: str = ""
    root: str = ""
    time: float | None = None
    """Seconds since the epoch."""
    node: str = ""
    process_name: str = ""
    process: int | None = None
    mini_batch: str = ""
    items: tuple[str, ...] = ()
    traceback: str = ""
    is_report: bool = False
    """Whether it only reports what others tell better."""
    path: str = ""
    offset: int | None = None
    file_kind: str = ""
    """What the file is, as in `layouts`."""


_TRY = re.compile(r"mini-batch (\S+), try (\d+), (.+) \(process id (\d+)\)$")
_STACKS = re.compile(r"the stacks of (.+) \(process id (\d+)\), ")
_STARTING = re.compile(r"\((?:(?P<place>.*), )?(?P<event>starting|ending) (?P<name>[^(),]+)\)$")
_GUARD = re.compile(r"(\w+)\(\)(?: of mini-batch (\S+))? failed after [\d.]+ s ")
_ABOVE = " (its traceback is above)"
_WRONG_RETURN = re.compile(r"(?:TypeError: )?(run\(\) returned .*)|.*no succeeded mini.?batch item", re.IGNORECASE)
_AGENT = re.compile(r"[Tt]he (process\w*) on node (\S+) failed with error")
_SERVICE = re.compile(
    r"SystemExit: \d+$|\b[Tt]he run failed|[Ee]ntry script error|error.?threshold|exceed\w* the (?:error )?threshold"
    r"|[Jj]ob failed|^run begins: |^start troubleshooting with |^result: "
)
"""What the job itself says in the end: it only reports."""

_BEGIN = re.compile(r"^[ |+]*(?:Exception Group )?Traceback \(most recent call last\):", re.MULTILINE)
_LONGEST_TRACEBACK = 20_000
_WITHIN_THE_SECOND = 0.999
"""Seconds: an error file tells whole seconds, and must not seem earlier than the log."""
_MOST_ITEMS = 20


def sightings(record: Record, place: Place) -> list[Sighting]:
    """Return what a record says of errors; none for most records.

    Args:
        record: The record.
        place: What its file is.
    """
    message = record.message
    found: list[Sighting] = []
    who = _who(record, place)
    dumps = _DUMPS.findall(message) if "Timeout (" in message or "Fatal Python" in message else []
    if dumps:
        found.append(who._replace(kind=STACKS, title=dumps[-1].split("\n", 1)[0], traceback=_cut(dumps[-1])))
    found += [_exception(who, chain, message) for chain in _chains(record)]
    if not found:
        found += _without_exception(record, place, who)
    return found


def _chains(record: Record) -> list[tuple[Raised, ...]]:
    exception = record.extras.get("exception")
    if isinstance(exception, str):
        return signatures.chains(exception)
    if exception:
        chain = signatures.structured(exception)
        return [chain] if chain else []
    return signatures.chains(record.message) if "Traceback (" in record.message else []


def _who(record: Record, place: Place) -> Sighting:
    """Return a sighting with what is the same for all of a record: when, where, by whom."""
    head = record.message.split("\n", 1)[0]
    name, process, node, mini_batch = record.process_name, record.process, record.node, ""
    if place.kind in {layouts.PRINTED, layouts.MASTER, layouts.OVERVIEW}:
        # The record is the master's, or of nobody; whom it speaks of is in its head.
        name = name if place.process_name else ""
        process = process if name else None
        for match in filter(None, (_TRY.match(head), _STACKS.match(head))):
            *told, name, number = match.groups()
            mini_batch, process = (told or [""])[0], int(number)
        starting = _STARTING.search(head)
        name = starting["name"] if starting else name
    agent = _AGENT.search(head)
    if agent:
        name, node, process = agent[1], node or agent[2], None
    guard = _GUARD.match(head)
    extras = record.extras
    mini_batch = mini_batch or (guard and guard[2]) or str(extras.get("minibatch_index", ""))
    return Sighting(
        kind=problems.EXCEPTION,
        title="",
        signature="",
        short="",
        channel=f"{record.path} (guard)" if guard else record.path,
        time=record.time.timestamp() if record.time else None,
        node=node,
        process_name=name,
        process=process,
        mini_batch=mini_batch,
        path=record.path,
        offset=record.offset,
        file_kind=place.kind,
    )


def _exception(who: Sighting, chain: tuple[Raised, ...], text: str) -> Sighting:
    raised, root = chain[-1], chain[0]
    title = raised.title
    is_service = raised.frame is None and bool(_SERVICE.search(title))
    return who._replace(
        kind=problems.STOPPED if is_service else _kind(chain, text),
        title=title,
        signature=signatures.of_exception(chain),
        short=signatures.short(raised),
        place=raised.place,
        root="" if root is raised else f"{root.title} ({root.place})" if root.place else root.title,
        traceback=_cut(text),
        is_report=is_service,
    )


def _kind(chain: tuple[Raised, ...], text: str) -> str:
    """Tell in what of the entry script an exception was raised: in init(), run() or shutdown()."""
    starting = _STARTING.search(text.split("\n", 1)[0])
    if starting:
        return problems.INIT if starting["event"] == "starting" else problems.SHUTDOWN
    outermost = next((frame for frame in chain[-1].frames if signatures.is_users(frame.file)), None)
    function = outermost.function if outermost else ""
    kinds = {"init": problems.INIT, "<module>": problems.INIT, "shutdown": problems.SHUTDOWN}
    return kinds.get(function, problems.EXCEPTION)


def _without_exception(record: Record, place: Place, who: Sighting) -> Iterator[Sighting]:
    head, _, rest = record.message.partition("\n")
    wrong = _WRONG_RETURN.match(rest.strip() or head)
    if record.level in ERROR_LEVELS and place.kind not in {layouts.MASTER, layouts.OVERVIEW}:
        yield _error(record, who, wrong)
    elif record.level in WARNING_LEVELS and place.kind not in {layouts.MASTER, layouts.OVERVIEW}:
        if wrong and wrong[1]:
            yield _wrong_return(who, wrong[1])
        else:
            found = _plain(who, problems.WARNING, head)
            yield found._replace(signature=signatures.of_message(head, record.function))


def _wrong_return(who: Sighting, text: str) -> Sighting:
    return _plain(who, problems.WRONG_RETURN, text)


def _error(record: Record, who: Sighting, wrong: re.Match[str] | None) -> Sighting:
    head, _, rest = record.message.partition("\n")
    if wrong:
        return _wrong_return(who, wrong[1] or head)
    told = _GUARD.match(head)
    named = signatures.named(rest.strip().split("\n")[0]) or signatures.named(head)
    if told:  # "run() failed after ...: ValueError: seven (its traceback is above)"
        named = signatures.named(head.partition(": ")[2].replace(_ABOVE, ""))
    if named:
        found = _exception(who, (named,), head)
        return found._replace(is_report=found.is_report or head.endswith(_ABOVE))
    is_service = bool(_SERVICE.search(head))
    found = _plain(who, problems.STOPPED if is_service else problems.ERROR, head)
    return found._replace(
        signature=signatures.of_message(head, record.function),
        is_report=is_service,
        place=f"in {record.function}" if record.function and record.function != "<module>" else "",
        traceback=_cut(record.message) if rest else "",
    )


def _plain(who: Sighting, kind: str, title: str) -> Sighting:
    signature = signatures.of_message(title)
    return who._replace(kind=kind, title=title, signature=f"{kind}: {signature}", short=signature)


def _cut(text: str) -> str:
    """Return a traceback without the words before it, and without what is beyond all reason in its middle."""
    begin = _BEGIN.search(text)
    text = text[begin.start() :] if begin else text
    if len(text) <= _LONGEST_TRACEBACK:
        return text
    half = _LONGEST_TRACEBACK // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters are left out ...\n{text[-half:]}"


def error_file(data: bytes, path: str, place: Place) -> list[Sighting]:
    """Return the errors of a file ``<process name>.<process id>.error.json``: the first and the last of a process.

    Args:
        data: What it holds; what is no such file has none.
        path: The file, relative to the tree's root.
        place: What that tells.
    """
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        return []
    if not isinstance(said, dict):
        return []
    first, last = said.get("first"), said.get("last")
    entries = [first] if first == last or said.get("count") == 1 else [first, last]
    return [found for entry in entries if isinstance(entry, dict) for found in _of_entry(entry, path, place)]


def _of_entry(entry: dict[str, object], path: str, place: Place) -> Iterator[Sighting]:
    text = str(entry.get("traceback") or "")
    chains = [signatures.structured(entry.get("exception"))] if entry.get("exception") else signatures.chains(text)
    named = signatures.named(str(entry.get("error") or ""))
    chain = next((chain for chain in chains if chain), (named,) if named else ())
    if not chain:
        return
    items, process, index = entry.get("items"), entry.get("process"), entry.get("minibatch_index")
    time = tryreading.seconds(str(entry.get("timestamp", "")))
    who = Sighting(
        kind=problems.EXCEPTION,
        title="",
        signature="",
        short="",
        channel=path,
        time=None if time is None else time + _WITHIN_THE_SECOND,
        node=str(entry.get("node") or place.node),
        process_name=str(entry.get("process_name") or place.process_name),
        process=process if isinstance(process, int) else place.process,
        mini_batch="" if index is None else str(index),
        items=tuple(map(str, items[:_MOST_ITEMS])) if isinstance(items, list) else (),
        path=path,
        offset=0,
    )
    found = _exception(who, chain, text)
    kinds = {"init": problems.INIT, "shutdown": problems.SHUTDOWN}
    yield found._replace(kind=kinds.get(str(entry.get("function")), found.kind))


_DUMPS = re.compile(
    r"^(?:Timeout \(|Fatal Python error: )[^\n]*\n(?:(?:Thread |Current thread |Stack |Extension |[ \t])[^\n]*\n?|\n)*",
    re.MULTILINE,
)
"""What `faulthandler` writes."""


def stacks_file(data: bytes, path: str, place: Place) -> list[Sighting]:
    """Return the last stacks of a file ``<process name>.stacks.txt``, which holds nothing else."""
    found = _DUMPS.findall(data.decode("utf-8", "backslashreplace"))
    if not found:
        return []
    who = Sighting(STACKS, found[-1].split("\n", 1)[0], "", "", path, path=path, offset=0, traceback=_cut(found[-1]))
    return [who._replace(node=place.node, process_name=place.process_name, process=place.process)]


_MASTER_TRY = re.compile(
    r"mini-batch (\S+), try (\d+) of \d+: (\w+) in (.+?) \(process id (\d+)\) after ([\d.]+) s, "
    r"(given up|tried again): (.*)$"
)
_MASTER_FAILED = re.compile(
    r"failed: (?P<error>.*?) \((?:(?P<place>[^()]*), )?(?P<event>starting|ending) (?P<name>[^(),]+)\)$"
)
_MASTER_ENDED = re.compile(r"(.+) ended: process id (\d+), (.*)$")
_MASTER_STARTED = re.compile(r"(.+) started: process id (\d+)$")
_LOCATED = re.compile(r"(.*) \(([^()]+:\d+(?: in [^()]+)?|[^()\s]+\.py)\)$")
OVERDUE = "killed because its time was over"


def service_try(record: Record, place: Place) -> Try | None:
    """Return the try of which a line of the service's says that its time was over, or None."""
    one = tryreading.from_timeout(record.message) if "nable to finish within" in record.message else None
    if one is None:
        return None
    end = record.time.timestamp() if record.time else None
    name = one.process_name or place.process_name
    return dataclasses.replace(one, node=place.node, process_name=name, end=end, path=record.path)


def master_try(record: Record) -> Try | None:
    """Return the try that a line of master.txt tells: one that did not succeed."""
    match = _MASTER_TRY.match(record.message)
    if not match:
        return None
    mini_batch, number, status, name, process, seconds, _, error = match.groups()
    end = record.time.timestamp() if record.time else None
    return Try(
        mini_batch=mini_batch,
        number=int(number),
        node="",
        process_name=name,
        process=int(process),
        status=status,
        total=None,
        succeeded=0,
        start=None if end is None else end - float(seconds),
        end=end,
        error=error,
        path=record.path,
    )


def located(error: str) -> tuple[str, str]:
    """Return an error of master.txt and the place that stands behind it in brackets, which may be empty."""
    match = _LOCATED.match(error)
    return (match[1], match[2]) if match else (error, "")


def master_failure(record: Record) -> Sighting | None:
    """Return what a line of master.txt says of init() or shutdown(): it reports what the driver's log tells better."""
    match = _MASTER_FAILED.match(record.message)
    if not match:
        return None
    kind = problems.INIT if match["event"] == "starting" else problems.SHUTDOWN
    named = signatures.named(match["error"])
    who = Sighting(kind, match["error"], "", "", record.path, place=match["place"] or "", process_name=match["name"])
    short = signatures.short(named) if named else signatures.of_message(match["error"])
    return who._replace(
        signature=f"{short} @ {match['place'] or ''}",
        short=short,
        time=record.time.timestamp() if record.time else None,
        path=record.path,
        offset=record.offset,
        is_report=True,
    )


def master_process(record: Record) -> tuple[str, int, str] | None:
    """Return name, id and end of a worker process that a line of master.txt tells: how it ended, empty if it began."""
    match = _MASTER_ENDED.match(record.message)
    if match:
        return match[1], int(match[2]), match[3]
    match = _MASTER_STARTED.match(record.message)
    return (match[1], int(match[2]), "") if match else None
