"""What the tests of the report share: runs made up of plain values, and texts that try to be more than text."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from html.parser import HTMLParser

from entry_script_helper.logtree.activity import resources
from entry_script_helper.logtree.activity.thinning import Series
from entry_script_helper.logtree.activity.tries import Try
from entry_script_helper.logtree.findings.problems import Problem
from entry_script_helper.logtree.findings.summary import Peak, Progress, Straggler, Summary, ToOpen
from entry_script_helper.logtree.report.gathering import gather
from entry_script_helper.logtree.report.page import frame, render
from entry_script_helper.logtree.stream.records import Record

BEGIN = 1769853600.0
NODE = "10.0.0.4"

HOSTILE = [
    "</script><script>window.canary = 1</script>",
    "<img src=x onerror='window.canary = 2'>",
    "<!--<script>window.canary = 3",
    "{{7*7}}{% for x in range(9) %}${7*7}<%= 7*7 %>",
    "<a href='javascript:window.canary = 4'>click</a> javascript:window.canary=5",
    "<svg onload='window.canary = 6'><style>*{display:none}</style></svg>",
    "'\"><iframe srcdoc='<script>parent.canary = 7</script>'>",
    "&lt;script&gt;window.canary = 8&lt;/script&gt; &amp;nbsp; %{x} %{customdata} %{y|%Y}",
    "\u202egnp.exe\u202c \u200fright\u200e \u2066isolate\u2069 \u2028line\u2029",
    "NUL \x00 escape \x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b bell \x07 \r back",
    "lone \ud800 and \udc80 surrogates, \ufeff\ufffe\uffff",
    "__proto__ constructor \\u003c/script\\u003e \\",
    "<b>bold</b><br><sub>low</sub><span style='color:red'>red</span>",
    "x" * 20_000,
]


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(BEGIN + seconds, timezone.utc)


def attempt(place=0, /, **values):
    """Return a try of two seconds that succeeded: mini-batch *place*, one after the other."""
    given = {
        "mini_batch": str(place),
        "number": 1,
        "node": NODE,
        "process_name": "Process-1",
        "process": 4711,
        "status": "succeeded",
        "total": 10,
        "succeeded": 10,
        "start": BEGIN + 2 * place,
        "end": BEGIN + 2 * place + 1.9,
    }
    return Try(**{**given, **values})


def record(seconds=0.0, text="scored", **values):
    given = {
        "path": f"logs/user/{NODE}/Process-1.txt",
        "offset": int(seconds * 1000),
        "raw": text,
        "time": at(seconds),
        "level": "INFO",
        "logger": "score",
        "message": text,
        "process": 4711,
        "process_name": "Process-1",
        "node": NODE,
    }
    return Record(**{**given, **values})


def usage(node=NODE, process=None, total=16_000.0, peak=8_000.0, points=20):
    series = Series(50), Series(50), Series(50)
    for place in range(points):
        for one, value in zip(series, (50.0 + place, peak * (place + 1) / points, 100 * peak / 16_000)):
            one.add(BEGIN + 5 * place, value)
    return resources.Usage("performance.csv", node, process, "", *series, total if process is None else None)


def problem(title="ValueError: seven", **values):
    given = {
        "kind": "exception",
        "place": "score.py:12 in run",
        "count": 3,
        "first": at(3),
        "last": at(9),
        "processes": 1,
        "process_names": ("Process-1",),
        "nodes": (NODE,),
        "mini_batches": ("1", "2"),
        "mini_batch_count": 2,
        "traceback": f'Traceback (most recent call last):\n  File "score.py", line 12, in run\n{title}',
        "path": f"logs/user/{NODE}/Process-1.txt",
    }
    return Problem(title=title, **{**given, **values})


def summary(**values):
    given = {
        "path": "my run",
        "progress": Progress(
            "failed",
            mini_batches=20,
            succeeded_mini_batches=18,
            failed_mini_batches=2,
            items=200,
            succeeded_items=180,
            started=at(0),
            last=at(40),
            seconds=40.0,
            exit_code=73,
            reason="2 failed",
        ),
        "problems": (problem(),),
        "warnings": (problem("slow disk", kind="warning", traceback=""),),
        "retries": 2,
        "timeouts": 1,
        "processes": 2,
        "nodes": (NODE,),
        "peaks": (Peak(NODE, 91.5, at(30)),),
        "stragglers": (Straggler("mini-batch", "7", 9.0, 1.9),),
        "to_open": (ToOpen("logs/user/10.0.0.4/Process-1.txt", "it has the first cause"),),
    }
    return Summary(**{**given, **values})


def tries():
    """Return tries of each status, one of them a second try."""
    for number in range(20):
        yield attempt(number)
    for number, status in enumerate(["failed", "timeout", "died", "failed"]):
        other = {"process_name": "Process-2", "process": 4712, "succeeded": 0, "error": "ValueError: seven"}
        yield attempt(number, status=status, **other)
    yield attempt(3, number=2, status="running", process_name="Process-2", process=4712, start=BEGIN + 9, end=None)


def records():
    for number in range(120):
        yield record(number / 3, f"row {number} scored")
    yield record(40.5, "disk is slow", level="WARNING")
    text = "run() failed\nTraceback (most recent call last):\nValueError: seven"
    yield record(1.0, text, level="ERROR", process=4712, process_name="Process-2")


def page(verdict=None, attempts=None, lines=None, usages=None, since=None):
    """Return a page, of an ordinary run but for what is given."""
    used = [usage(), usage(process=4711, peak=900.0), usage(process=4712, peak=700.0)] if usages is None else usages
    gathered = gather(
        tries() if attempts is None else attempts, sorted_records() if lines is None else lines, used, since
    )
    return render(verdict or summary(), gathered, (verdict or summary()).path.split(", "), frame())


def hostile(text):
    """Return a page of a run in which everything is called *text* and says it."""
    odd = problem(
        text,
        **dict.fromkeys(("kind", "place", "root", "outcome", "traceback", "hint", "path"), text),
        **dict.fromkeys(("process_names", "nodes", "mini_batches", "items"), (text,)),
    )
    names = {"node": text, "process_name": text}
    return page(
        summary(
            path=text,
            problems=(odd,),
            warnings=(odd,),
            nodes=(text,),
            complaints=(text,),
            to_open=(ToOpen(text, text),),
            stragglers=(Straggler("mini-batch", text, 2.0, 1.0),),
            peaks=(Peak(text, 5.0, None),),
            progress=Progress("failed", reason=text),
        ),
        [attempt(1, mini_batch=text, error=text, status="failed", **names), attempt(2, node="other")],
        [record(2.5, text, logger=text, level=text, path=text, **names), record(5)],
        [usage(node=text), usage(node=text, process=7), usage(node="other")],
    )


def sorted_records():
    return sorted(records(), key=lambda each: each.time)


class Reader(HTMLParser):
    """Reads a page as a browser's parser does: its elements, its visible text, its data."""

    def __init__(self, data):
        super().__init__(convert_charrefs=True)
        self.tags, self.text, self.scripts, self.policy = [], [], [], ""
        self.within = ""
        self.feed(data.decode())
        self.close()

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append((tag, found))
        if tag in ("script", "style"):
            self.within = found.get("type", tag)
            self.scripts.append((self.within, ""))
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"]

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self.within = ""

    def handle_data(self, data):
        if self.within:
            kind, text = self.scripts[-1]
            self.scripts[-1] = (kind, text + data)
        else:
            self.text.append(data)

    @property
    def data(self):
        ((_, text),) = [found for found in self.scripts if found[0] == "application/json"]
        return json.loads(text)


def million(folder, count=1_000_000, files=8):
    """Make a tree of so many records of eight processes in four hours, and of their tries at mini-batches."""
    step = count // files // 240
    seconds = sorted((row * 60 // step, row % 1000, row) for row in range(step))
    for number in range(files):
        log = folder / "logs" / "user" / NODE / f"Process-{number + 1}.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        tails = [
            f"{second:02},{part:03}|score|{'ERROR' if row % 500 == 7 else 'INFO'}|{4700 + number}|1|run()|row {row} scored\n"
            for second, part, row in seconds
        ]
        with log.open("w") as file:
            for minute in range(240):
                begin = f"2026-01-31 {10 + minute // 60}:{minute % 60:02}:"
                file.write(begin + begin.join(tails))
        worker = folder / "logs" / "worker" / NODE / f"Process-{number + 1}.txt"
        worker.parent.mkdir(parents=True, exist_ok=True)
        with worker.open("w") as file:
            file.writelines(
                f"2026-01-31 10:00:00,000|INFO|{4700 + number}|completed mini_batch={place * files + number} try=1 ip={NODE} "
                f"pid={4700 + number} status=succeeded total=10 succeeded=10 start1={BEGIN + 10 * place} "
                f"end1={BEGIN + 10 * place + 9} start2=0.5 end2=1.5\n"
                for place in range(1440)
            )
    return folder
