"""read(): the records of real trees, as objects."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import zipfile

import pytest

from entry_script_helper import UsageError
from entry_script_helper.logtree import Record, read
from entry_script_helper.logtree.complaints import Complaints
from entry_script_helper.logtree.selection import reading

TREE = {
    "logs/user/10.0.0.4/Process-1.txt": (
        "2026-01-31 10:00:00,100|score|INFO|11|5|run()|one\n"
        "2026-01-31 10:00:02,100|score|ERROR|11|5|run()|two\n\tTraceback (most recent call last):\n\tValueError: x\n"
        "2026-01-31 10:00:04,100|other.a|DEBUG|11|5|run()|three\n"
    ),
    "logs/user/10.0.0.5/Process-2.jsonl": (
        '{"timestamp": "2026-01-31T10:00:01.000000Z", "level": "WARNING", "logger": "score", "event": "größe", '
        '"process": 12, "process_name": "Process-2", "node": "10.0.0.5", "minibatch_index": 3}\n'
    ),
    "logs/worker/10.0.0.4/Process-1.txt": (
        "2026-01-31 10:00:00,050|INFO|11|picked mini_batch=7 try=1 ip=10.0.0.4 pid=11 total=1 start1=1769853600.05 start2=0\n"
        "2026-01-31 10:00:03,000|INFO|11|completed mini_batch=7 try=1 ip=10.0.0.4 pid=11 status=succeeded total=1 succeeded=1 "
        "start1=1769853600.05 end1=1769853603.0 start2=0 end2=1\n"
        "2026-01-31 10:00:04,050|INFO|11|picked mini_batch=8 try=1 ip=10.0.0.4 pid=11 total=1 start1=1769853604.05 start2=0\n"
    ),
    "logs/overview.txt": "2026-01-31 10:00:05,000|INFO|1|result: succeeded\n",
    "logs/70_driver_log.txt": "printed\n",
    "logs/performance/10.0.0.4/sys_resource_monitor_10.0.0.4.csv": "Utc Time,Cpu Percent\n2026-01-31 10:00:00,1\n",
    "logs/user/10.0.0.4/Process-1.11.error.json": '{"count": 1}\n',
}


def write(folder, tree=TREE):
    for path, text in tree.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def tree(tmp_path):
    return write(tmp_path / "run")


def said(*arguments, **options):
    return [record.message.split("\n")[0].split(" try")[0] for record in read(*arguments, **options)]


IN_ORDER = ["picked mini_batch=7", "one", "größe", "two", "completed mini_batch=7", "picked mini_batch=8", "three"]


def test_read_gives_records(tree):
    """Records of all files come by time, with what each says and what its path tells; tables are no records."""
    records = list(read(tree))
    assert all(isinstance(record, Record) for record in records)
    assert [record.message.split("\n")[0].split(" try")[0] for record in records][:-1] == [
        *IN_ORDER,
        "result: succeeded",
    ]
    two = records[3]
    assert (two.level, two.logger, two.node, two.process_name, two.process) == (
        "ERROR",
        "score",
        "10.0.0.4",
        "Process-1",
        11,
    )
    assert two.message == "two\nTraceback (most recent call last):\nValueError: x"
    assert two.time == dt.datetime(2026, 1, 31, 10, 0, 2, 100_000, dt.timezone.utc)
    assert two.path == "logs/user/10.0.0.4/Process-1.txt"
    assert TREE[two.path].encode()[two.offset :].startswith(two.raw.encode())
    assert records[-1].message == "printed"  # it has no time, and stands where the file was last written to
    assert records[-1].time is None


def test_of_an_archive_and_of_several_paths(tree, tmp_path):
    """A zip of the folder gives the same records, and several paths are one stream."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path, text in TREE.items():
            archive.writestr(path, text)
    assert sorted(said(tmp_path / "a.zip")) == sorted(said(tree))
    both = [tree / "logs/overview.txt", tree / "logs/user/10.0.0.4/Process-1.txt"]
    assert said(both) == ["one", "two", "three", "result: succeeded"]
    assert said(str(both[0])) == ["result: succeeded"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"level": "warning"}, ["größe", "two"]),
        ({"level": "fatal"}, []),
        ({"level": "debug", "logger": "score"}, ["one", "größe", "two"]),
        ({"logger": ["other.*", "nix"]}, ["three"]),
        ({"process": "Process-2"}, ["größe"]),
        ({"process": 12}, ["größe"]),
        ({"process": ["Process-?", "99"], "logger": "score"}, ["one", "größe", "two"]),
        ({"node": "10.0.0.5"}, ["größe"]),
        ({"node": "10.*", "grep": "tw[o]"}, ["two"]),
        ({"grep": "größe"}, ["größe"]),
        ({"grep": ["^Trace|^\tTrace", "two"]}, ["two"]),
        (
            {"since": "2026-01-31T10:00:02.1Z", "until": "2026-01-31 10:00:04,05"},
            ["two", "completed mini_batch=7", "picked mini_batch=8"],
        ),
        (
            {"since": dt.datetime(2026, 1, 31, 10, 0, 5, tzinfo=dt.timezone.utc), "until": "2026-01-31T19:00:05+09:00"},
            ["result: succeeded"],
        ),
        ({"mini_batch": 7}, ["picked mini_batch=7", "one", "two", "completed mini_batch=7"]),
        ({"mini_batch": ["8"]}, ["picked mini_batch=8", "three"]),
        ({"mini_batch": 3}, ["größe"]),
        ({"mini_batch": 99}, []),
    ],
)
def test_filters(tree, wanted, expected):
    """Each filter leaves what it says, several together what all do."""
    assert said(tree, **wanted) == expected


def test_spans_count_from_the_end(tree):
    """A span is counted back from the last record, not from now."""
    (tree / "logs/70_driver_log.txt").unlink()
    assert said(tree, since="1s") == ["picked mini_batch=8", "three", "result: succeeded"]
    assert said(tree, since="0d1h", until="3s") == ["picked mini_batch=7", "one", "größe"]
    assert len(said(tree, since="999999999d")) == 8


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ({"level": "loud"}, "'loud' is no level: give TRACE, DEBUG"),
        ({"since": "yesterday"}, "'yesterday' is no time"),
        ({"until": ""}, None),
        ({"grep": "("}, "'(' is no regular expression"),
    ],
)
def test_bad_arguments(tree, wanted, complaint):
    """What can't be meant is said by the call itself."""
    if complaint is None:
        assert len(said(tree, **wanted)) == 9
        return
    with pytest.raises(UsageError) as caught:
        read(tree, **wanted)
    assert complaint in str(caught.value)


def test_missing_paths(tmp_path):
    """A path that isn't there, or has no log, is said by the call itself."""
    for path in (tmp_path / "nix", tmp_path):
        with pytest.raises(UsageError):
            read(path)


def test_what_cannot_be_read_is_warned_of(tree):
    """A file that goes away meanwhile is warned of, once; the rest is read."""
    records = read(tree)
    (tree / "logs/overview.txt").unlink()
    with pytest.warns(RuntimeWarning, match=r"overview\.txt") as caught:
        assert len(list(records)) == 8
    assert len(caught) == 1


def test_a_table_alone_is_shown(tree):
    """A table that is the only file given is read as text."""
    assert next(record.raw for record in read(tree / "logs/performance")) == "Utc Time,Cpu Percent"


def test_exports_are_lazy():
    """The package of the reader imports nothing until it is asked for something."""
    code = (
        "import sys, entry_script_helper.logtree as logtree\n"
        "assert not [name for name in sys.modules if name.startswith('entry_script_helper.logtree.')]\n"
        "assert logtree.read.__name__ == 'read'\n"
        "try: logtree.nix\nexcept AttributeError: print('no')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "no\n"


def test_a_file_that_tells_its_process_id(tmp_path):
    """Records of a file named by a process id belong to the mini-batches of that process alone."""
    tree = dict(TREE)
    tree["logs/user/10.0.0.4/Process-1.99.txt"] = "2026-01-31 10:00:01,000|score|INFO|99|5|run()|another\n"
    tree["logs/user/10.0.0.4/Process-1.11.txt"] = "2026-01-31 10:00:01,000|score|INFO|11|5|run()|same\n"
    assert said(write(tmp_path, tree), mini_batch=7) == [
        "picked mini_batch=7",
        "one",
        "same",
        "two",
        "completed mini_batch=7",
    ]
    assert said(tmp_path, process="99") == ["another"]


def test_a_file_that_goes_before_it_is_read(tree):
    """Where a span has to look for the last record, a file that is gone is warned of."""
    complaints = Complaints()
    selection = reading.Selection([tree], complaints)
    (tree / "logs/overview.txt").unlink()
    wanted = dict.fromkeys(["level", "until"], "") | dict.fromkeys(
        ["loggers", "processes", "nodes", "greps", "mini_batches"], ()
    )
    assert selection.wanted(since="1s", **wanted).since < "2026-01-31 10:00:04"
    assert len(complaints.lines) == 1


def test_an_object_without_a_time(tmp_path):
    """Objects without a time have that of the record before them."""
    (tmp_path / "a.jsonl").write_text('{"ts": 1769853600, "msg": "a"}\n{"msg": "b"}\n')
    assert [record.time.timestamp() for record in read(tmp_path / "a.jsonl")] == [1769853600, 1769853600]
