"""The page on scale, docs/explanation/scale.md: arithmetic from measured constants, and what is said around it."""

from __future__ import annotations

from dataclasses import dataclass

from tables import Table, as_markdown

ITEMS = 10
SECONDS = 60
TRIES = 3
FAILED_EACH = 10_000
LOOK = 30
"""Seconds between two looks at a file, or two uploads of it: an assumption, the service publishes no figure."""
DAY = 86_400
MOST_BLOCKS = 50_000
MOST_ARTIFACTS = 10_000_000
STORAGE_REQUESTS = 20_000


@dataclass(frozen=True)
class Setting:
    """What a script logs.

    Attributes:
        name: How it is told to.
        items: Whether each item has a record.
        batches: Whether each mini-batch has one.
        form: ``text`` or ``json``.
    """

    name: str
    items: bool
    batches: bool
    form: str


SETTINGS = (
    Setting("INFO, a record for each item", items=True, batches=True, form="text"),
    Setting("the same, JSON", items=True, batches=True, form="json"),
    Setting("INFO, `@guard`'s record for each mini-batch", items=False, batches=True, form="text"),
    Setting("the same, JSON", items=False, batches=True, form="json"),
    Setting("WARNING: failures alone", items=False, batches=False, form="text"),
    Setting("the same, JSON", items=False, batches=False, form="json"),
)


@dataclass(frozen=True)
class Cost:
    """What a setting costs in the whole run: records, bytes, seconds of processor time (least, most), uploads."""

    records: int
    size: int
    hot: float
    cold: float
    uploads: int


class Run:
    """A run of many nodes.

    Args:
        constants: Bytes of each kind of record, microseconds.
        mini_batches: How many there are.
        nodes: How many nodes.
        per_node: Worker processes of a node.
    """

    def __init__(self, constants, *, mini_batches, nodes, per_node):
        self.constants = constants
        self.mini_batches = mini_batches
        self.nodes = nodes
        self.processes = nodes * per_node
        self.failures = mini_batches // FAILED_EACH * TRIES
        self.tries = mini_batches + mini_batches // FAILED_EACH * (TRIES - 1)
        self.duration = self.tries / self.processes * SECONDS

    def cost(self, setting):
        """Return what a setting costs."""
        of = {kind: self.constants[f"{kind}_{setting.form}"] for kind in ("item", "batch", "failure", "begin")}
        counts = {
            "item": self.tries * ITEMS * setting.items,
            "batch": (self.tries - self.failures) * setting.batches,
            "failure": self.failures,
            "begin": self.processes * setting.batches,
        }
        records = sum(counts.values())
        hot, cold = (records * self.constants[f"{kind}_{setting.form}"] / 1e6 for kind in ("hot", "cold"))
        # One for a file that was made, and one for each stretch of time in which it grew.
        if setting.items:
            grew = min(
                counts["item"] // ITEMS * min(ITEMS, SECONDS // LOOK), int(self.duration // LOOK) * self.processes
            )
        else:
            grew = counts["batch"] + counts["failure"]
        return Cost(records, sum(counts[kind] * of[kind] for kind in of), hot, cold, self.processes + grew)

    def files(self):
        """Return the number of files of each kind that a run of the simulator leaves."""
        return {
            "`user/<ip>/`, one for each process": self.processes,
            "`worker/<ip>/`, one for each process": self.processes,
            "`performance/<ip>/`, one for each process and one for each node": self.processes + self.nodes,
            "`overview.txt`, `master.txt`, `70_driver_log.txt`": 3,
        }

    def tree_bytes(self, interval):
        """Return the bytes of workers' files and of resources, measured each so many seconds (0: never)."""
        lines = self.tries * (self.constants["picked"] + self.constants["completed"])
        lines += self.processes * self.constants["started"]
        if not interval:
            return lines, 0
        rows = int(self.duration // interval) + 1
        of_processes = self.constants["process_heading"] + rows * self.constants["process_row"]
        of_nodes = self.constants["sys_heading"] + rows * self.constants["sys_row"]
        return lines, self.processes * of_processes + self.nodes * of_nodes

    def daily_bytes(self, setting):
        """Return what a process writes in a day."""
        of = self.constants
        each = of[f"item_{setting.form}"] * ITEMS * setting.items + of[f"batch_{setting.form}"] * setting.batches
        return DAY // SECONDS * each


def size(count):
    """Return bytes as people read them: 1 MB is a million."""
    for unit, least in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= least:
            return f"{count / least:,.1f} {unit}"
    return f"{count:,.0f} bytes"


def _constants_table(constants):
    rows = [
        ["item: the script's `logger.info()` of one file", *(f"{constants[f'item_{form}']}" for form in FORMS)],
        ["mini-batch: `@guard`'s record of `run()`", *(f"{constants[f'batch_{form}']}" for form in FORMS)],
        ["failure: the same with its traceback of one frame", *(f"{constants[f'failure_{form}']}" for form in FORMS)],
        ["begin: `@guard`'s record of `init()`", *(f"{constants[f'begin_{form}']}" for form in FORMS)],
        ["microseconds of a record, one after the other", *(f"{constants[f'hot_{form}']}" for form in FORMS)],
        ["microseconds of a record after other work: cold", *(f"{constants[f'cold_{form}']}" for form in FORMS)],
        ["instructions of a record", *(f"{constants[f'instructions_{form}']:,}" for form in FORMS)],
        ["`worker/`: picked, completed", f"{constants['picked']}, {constants['completed']}", ""],
        ["`performance/`: a process's row, a node's", f"{constants['process_row']}, {constants['sys_row']}", ""],
        ["`master.txt`: a process started", f"{constants['started']}", ""],
    ]
    about = (
        "Bytes, where nothing else is said: means of the lines that a run of the simulator left. The clock's figures "
        "are of this machine, two shared processors; the instructions are those of [Performance](performance.md)."
    )
    return Table("Measured", about, ["", "text", "JSON"], rows)


FORMS = ("text", "json")


def _settings_table(run):
    rows = []
    for setting in SETTINGS:
        cost = run.cost(setting)
        share = cost.cold / run.processes / run.duration
        rows.append(
            [
                setting.name,
                f"{cost.records:,}",
                size(cost.size),
                size(cost.size / run.processes),
                f"{cost.hot:,.1f} to {cost.cold:,.0f}",
                f"{share * 1e6:,.1f}",
                f"{cost.uploads:,}",
                f"{cost.uploads / run.duration:,.0f}",
            ]
        )
    about = (
        "What the script's logs cost in the whole run. The seconds of processor time are of all "
        f"{run.processes:,} processes together, from all records hot to all cold; the part of the run is of one "
        f"process, all cold. A file that grew is uploaded once in {LOOK} seconds at most."
    )
    heads = [
        "the script logs at",
        "records",
        "bytes",
        "bytes a process",
        "seconds",
        "millionths of the run",
        "uploads",
        "uploads a second",
    ]
    return Table("What is logged", about, heads, rows)


def _tree_table(run):
    rows = []
    for name, interval in (("5 (as it is)", 5), ("60", 60), ("0 (never)", 0)):
        lines, resources = run.tree_bytes(interval)
        rows.append([name, size(lines), size(resources), size(lines + resources)])
    about = (
        "Where `entry-script-helper run` itself does the work, it also writes each mini-batch's times and the use of "
        "resources. In Azure ML the service writes files of its own in their place."
    )
    heads = ["`--resource-monitor-interval`", "workers and master", "resources", "together"]
    return Table("What the simulator adds", about, heads, rows)


def _files_table(run):
    rows = [[name, f"{count:,}"] for name, count in run.files().items()]
    rows.append(["together", f"{sum(run.files().values()):,}"])
    about = (
        "A process has one file, which is made when it is configured, whatever is logged. In Azure ML the first row is "
        "ours; a process that dies and is replaced makes another."
    )
    return Table("Files", about, ["", "files"], rows)


def _cut_table(run):
    chatty = SETTINGS[0]
    rows = []
    for days in (1, 7, 30):
        for when, cuts in (("not given", 1), ('"day"', days), ('"hour"', 24 * days)):
            count = run.processes * cuts
            longest = run.daily_bytes(chatty) * days / cuts
            blocks = DAY * days / cuts / LOOK
            rows.append(
                [
                    f"{days}",
                    when,
                    f"{count:,}",
                    f"{count / MOST_ARTIFACTS:.1%}",
                    size(longest),
                    f"{blocks:,.0f}" + (" (too many)" if blocks > MOST_BLOCKS else ""),
                ]
            )
    about = (
        f"A run that lasts days, with a record for each item in text. The last column is how often a file grows where "
        f"it is uploaded once in {LOOK} seconds: an append blob takes {MOST_BLOCKS:,} such blocks."
    )
    heads = ["days", "`when=`", "files", f"of {MOST_ARTIFACTS:,}", "the longest file", "blocks of a file"]
    return Table("Files cut by their name", about, heads, rows)


def _read_table(found):
    rows = [
        [name, f"{cost['seconds']:,.0f}", f"{cost['processor']:,.0f}", f"{cost['mebibytes']:,}", size(cost["printed"])]
        for name, cost in found["read"].items()
    ]
    tree = found["tree"]
    about = (
        f"A tree of {tree['nodes']:,} nodes with {tree['processes']} processes each: {tree['files']:,} files, "
        f"{size(tree['size'])}, {tree['records']:,} records and {tree['rows']:,} rows of resources (one a minute). It "
        f"was written in {tree['seconds']:.0f} seconds, so it is in the memory of the system when it is read. One "
        "process each, on two shared processors."
    )
    return Table("Reading it", about, ["command", "seconds", "of processor time", "MiB at the peak", "written"], rows)


def page(found):
    """Return the page, of what `scale.py page` measured."""
    constants = found["constants"]
    tree = found["tree"]
    run = Run(constants, mini_batches=tree["mini_batches"], nodes=tree["nodes"], per_node=tree["processes"])
    chatty, guarded, quiet = (run.cost(SETTINGS[number]) for number in (0, 2, 4))
    text = TEXT.format(
        mini_batches=f"{run.mini_batches:,}",
        nodes=f"{run.nodes:,}",
        per_node=tree["processes"],
        processes=f"{run.processes:,}",
        items=ITEMS,
        seconds=SECONDS,
        tries=TRIES,
        failed=f"{FAILED_EACH:,}",
        minutes=f"{run.duration / 60:.1f}",
        each=f"{run.mini_batches / run.processes:.1f}",
        look=LOOK,
        looks=f"{run.processes / LOOK:,.0f}",
        storage=f"{STORAGE_REQUESTS:,}",
        blocks=f"{MOST_BLOCKS:,}",
        days_of_blocks=f"{MOST_BLOCKS * LOOK / DAY:.0f}",
        artifacts=f"{MOST_ARTIFACTS:,}",
        chatty=size(chatty.size),
        chatty_uploads=f"{chatty.uploads / run.duration:,.0f}",
        guarded=size(guarded.size),
        fewer=f"{chatty.size / guarded.size:.0f}",
        quiet=size(quiet.size),
        failures=f"{run.failures:,}",
        json_more=f"{run.cost(SETTINGS[3]).size / guarded.size:.1f}",
        share=f"{chatty.cold / run.processes * 1000:,.0f}",
        constants=as_markdown(_constants_table(constants)),
        settings=as_markdown(_settings_table(run)),
        tree=as_markdown(_tree_table(run)),
        files=as_markdown(_files_table(run)),
        cut=as_markdown(_cut_table(run)),
        read=as_markdown(_read_table(found)),
    )
    return text.replace("\n### ", "\n## ")


TEXT = """\
# Scale: a million mini-batches on a thousand nodes

This page is written by `python benchmarks/scale.py page`, from what it measured. A test computes it again from
those figures, and measures the bytes again.

The run: {mini_batches} mini-batches of {items} files, {seconds} seconds each, on {nodes} nodes with {per_node}
processes: {each} mini-batches for each of {processes} processes, {minutes} minutes. One mini-batch in {failed}
fails in each of its {tries} tries.

{constants}
{settings}
The time of logging is nothing to think about: at a record for each item it is {share} milliseconds of a
process's whole run, even if every one is cold. What counts is how many files grow, and how often.

{files}
{cut}
{tree}
## Requests

What is known, from public documentation:

- A storage account takes {storage} requests a second ("Scalability and performance targets for standard storage
  accounts"; more in some regions), one append blob {blocks} blocks ("Scalability and performance targets for
  Blob storage").
- A run may have {artifacts} artifacts ("Service limits in Azure Machine Learning").

What is reported in public, without a figure by the service: the portal asks for every file that it shows again
and again, always appends what it has read, and with hundreds of files that keep growing its requests are
refused (HTTP 429).

What is assumed here: {look} seconds between two looks, and between two uploads. One look at every file is then
{looks} requests a second for each open page. At a record for each item there are {chatty_uploads} uploads a
second from all nodes: the storage account takes that, a portal's page does not. At one block in {look} seconds
an append blob is full after {days_of_blocks} days.

## The settings for it

- **Levels.** Log items at DEBUG and leave the level at INFO: `@guard`'s record of each mini-batch says how long
  it took and what it returned, in {guarded} instead of {chatty}, {fewer} times less. Once the script is known
  to work, `config(..., level="WARNING")` leaves the {failures} failures, {quiet} in all: {processes} files are
  there, nearly all of them empty, and none keeps growing.
- **JSON** costs {json_more} times the bytes of text. Take it where programs read the logs; the reader of this
  package reads both.
- **One file per process per day, by name**, `config(..., when="day")`, for runs of days: yesterday's file does
  not grow any more, so nobody has to ask for it again, and none is ever renamed, which the portal would not
  notice. `when="hour"` makes 24 times as many files: for {processes} processes that is too much for anybody who
  lists them.
- **Repeats.** `config(..., rate_limit=...)` for a warning that each item raises.
- **Fewer, larger processes.** Files are counted in processes, so a node whose processes use threads has fewer.
- **Larger mini-batches.** Two lines of a worker's file and one record of `@guard` are for a mini-batch, of 10
  files or of 1,000.
- **`--resource-monitor-interval 60`** in runs of `entry-script-helper run`: resources are most of what they
  write.
- **Don't read it in the portal.** [Download the logs](../how-to/to-azure-ml-and-back.md) and let the commands
  look at every file:

{read}"""
