"""Files cut by time or size in their names: each record once, whole, in the file of its time, whatever happens."""

from __future__ import annotations

import calendar
import json
import logging
import os
import re
import resource
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from conftest import messages
from hypothesis import given, settings
from hypothesis import strategies as st

from entry_script_helper import EntryScriptHelper, UsageError, config, cutting, logfile

HOUR = 3600
NEW_YEAR = calendar.timegm((2026, 12, 31, 22, 0, 0))

# A clock that passes so many hours in a second, from the end of a year on: for records and for files.
FAST_CLOCK = """
import time, sys
real, start, speed = time.time, time.time(), 3600 * {hours}
def fast(): return 1798754400 + (real() - start) * speed
time.time = fast
time.time_ns = lambda: int(fast() * 1e9)
"""


class Clock:
    now = float(NEW_YEAR)

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    return set_clock(monkeypatch)


def set_clock(monkeypatch):
    clock = Clock()
    for module in (cutting, logfile):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ENTRY_SCRIPT_HELPER_WORKING_DIR", str(tmp_path))
    monkeypatch.setenv("AZ_BATCHAI_WORKER_IP", "10.0.0.4")
    return tmp_path / "logs" / "user" / "10.0.0.4"


def report(text):
    return f"{text}\n".encode()


def names(folder):
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"when": "day"}, ["MainProcess.20261231.txt", "MainProcess.20270101.txt"]),
        (
            {"when": "hour"},
            ["MainProcess.2026123122.txt", "MainProcess.2026123123.txt", "MainProcess.2027010100.txt"],
        ),
        (
            {"max_bytes": 250},
            ["MainProcess.20261231.0001.txt", "MainProcess.20261231.0002.txt", "MainProcess.20270101.0001.txt"],
        ),
        (
            {"max_bytes": 10**9, "when": "hour", "json": True},
            [f"MainProcess.{period}.0001.jsonl" for period in ("2026123122", "2026123123", "2027010100")],
        ),
    ],
)
def test_names(folder, clock, options, expected):
    """A file's name has its UTC hour or day, and its number where the size cuts; sorted, they are in time's order."""
    logger = config("x", **options)
    for number in range(6):
        logger.info("record %d %s", number, "x" * 20)
        assert logger.handlers[0].baseFilename == EntryScriptHelper().get_log_file_path()
        assert EntryScriptHelper().get_log_file_path() == str(folder / names(folder)[-1])
        clock.now += HOUR / 2
    assert names(folder) == expected
    lines = [line for name in names(folder) for line in (folder / name).read_text().splitlines()]
    assert [re.search(r"record (\d)", line).group(1) for line in lines] == list("012345")


@pytest.mark.parametrize("name", ["4194304", "99999"])
def test_no_process_id_is_a_period(name):
    """The longest process ids of Linux and macOS are shorter than a period, so the names can't be mixed up."""
    assert len(name) < len(cutting.Cut("day", None).period(0)[2]) == 8


@pytest.mark.parametrize(
    "arguments",
    [
        {"when": "week"},
        {"when": 3},
        {"when": ["day"]},
        {"max_bytes": 0},
        {"max_bytes": -1},
        {"max_bytes": True},
        {"max_bytes": "1"},
        {"max_bytes": 1e6},
    ],
)
def test_wrong_arguments(folder, arguments):
    """What can't be meant is one clear line that says what to give, and nothing is configured."""
    with pytest.raises(UsageError, match=rf"{next(iter(arguments))}: .* is no .*; use ") as raised:
        config("never", **arguments)
    assert isinstance(raised.value, ValueError)
    assert not folder.exists()
    assert not logging.getLogger("never").handlers


steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from([1, 10, 40, 99, 100, 101, 250])),
        st.tuples(st.just("pass"), st.sampled_from([0.0005, 1.0, HOUR - 1, HOUR, 30 * HOUR, -1.0, -HOUR, -30 * HOUR])),
        st.tuples(st.sampled_from(["restart", "rival", "delete", "open", "burst"])),
    ),
    max_size=25,
)


class World:
    """Two processes of one name, as far as one file each goes, and what must be on the disk."""

    def __init__(self, directory, cut, clock):
        self.directory, self.cut, self.clock = directory, cut, clock
        self.files = [self.new(), self.new()]
        self.count = 0
        self.expected: dict[str, set[str]] = {}

    def new(self):
        return self.cut.file(os.path.join(self.directory, "P.txt"), report)

    def write(self, size, who=0):
        line = f"{self.count:03} ".ljust(size, "x")[:size] + f" {self.count}"
        self.count += 1
        assert self.files[who].write(f"{line}\n".encode())
        self.expected.setdefault(self.cut.period(self.clock.now)[2], set()).add(line)
        assert f".{self.cut.period(self.clock.now)[2]}." in self.files[who].path

    def rival(self):
        self.write(30, who=1)
        held = [os.fstat(file.descriptor).st_ino for file in self.files if file.in_use]
        assert len(held) == len(set(held))

    def burst(self):
        for _ in range(50):
            self.write(10)

    def restart(self):
        self.files[0].close()
        self.files[0] = self.new()

    def open(self):
        self.files[0].open()

    def delete(self):
        file = self.files[0]
        if file.in_use:
            file.drain()
            path = Path(file.path)
            if path.exists():
                for lines in self.expected.values():
                    lines.difference_update(path.read_text().splitlines())
                path.unlink()

    def check(self):
        for file in self.files:
            file.close()
        found: dict[str, list[str]] = {}
        for name in os.listdir(self.directory):
            label = re.fullmatch(rf"P(\.{os.getpid()}(\.\d+)?)?\.(\d{{8}}|\d{{10}})(\.\d{{4}})?\.txt", name).group(3)
            text = Path(self.directory, name).read_text()
            assert text == "" or text.endswith("\n")
            lines = text.splitlines()
            found.setdefault(label, []).extend(lines)
            if self.cut.max_bytes:
                assert len(text) <= self.cut.max_bytes or len(lines) == 1
        found = {label: sorted(lines) for label, lines in found.items() if lines}
        assert found == {label: sorted(lines) for label, lines in self.expected.items() if lines}


@settings(max_examples=150, deadline=None)
@given(steps=steps, when=st.sampled_from(["hour", "day"]), max_bytes=st.sampled_from([None, 1, 100, 150]))
def test_law(steps, when, max_bytes):
    """Each record is once and whole in the file of its time, none larger than asked unless a record is, for two of a name.

    Whatever the clock does, also put back, and whoever restarts, and whatever is deleted.
    """
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as monkeypatch:
        world = World(directory, cutting.Cut(when, max_bytes), set_clock(monkeypatch))
        for step, *arguments in steps:
            if step == "pass":
                world.clock.now += arguments[0]
            else:
                getattr(world, step)(*arguments)
        world.check()


def test_restart_goes_on(folder, clock):
    """A process that starts anew goes on in the last file of the period, whose size counts."""
    folder.mkdir(parents=True)
    (folder / "MainProcess.20261231.0002.txt").write_text("x" * 99 + "\n")
    (folder / "MainProcess.20261231.0001.txt").write_text("")
    (folder / "MainProcess.20261231.notes.txt").write_text("")
    (folder / "MainProcess.20261230.0007.txt").write_text("")
    logger = config("x", max_bytes=200)
    assert EntryScriptHelper().get_log_file_path() == str(folder / "MainProcess.20261231.0002.txt")
    logger.info("in the second")
    logger.info("in the third")
    assert "second" in (folder / "MainProcess.20261231.0002.txt").read_text()
    assert "third" in (folder / "MainProcess.20261231.0003.txt").read_text()


def test_path_before_a_record(folder, clock):
    """get_log_file_path() names the file that the next process of this name gets, making nothing."""
    cut = cutting.Cut("day", 100)
    wanted = str(folder / "P.txt")
    assert cut.free_path(wanted) == str(folder / "P.20261231.0001.txt")
    folder.mkdir(parents=True)
    first = folder / "P.20261231.0001.txt"
    first.write_text("x" * 99)
    assert cut.free_path(wanted) == str(first)
    first.write_text("x" * 100)
    assert cut.free_path(wanted) == str(folder / "P.20261231.0002.txt")
    assert names(folder) == [first.name]
    for base in logfile.candidates(wanted):
        os.mkdir(cut.name(base, "20261231", 2))
    assert cut.free_path(wanted) == str(first)


def test_path_after_the_last_close(folder, clock):
    """While the file is closed, the path is that of the one that a record would go to."""
    logger = config("x", when="hour")
    logger.handlers[0].close()
    clock.now += HOUR
    assert EntryScriptHelper().get_log_file_path() == str(folder / "MainProcess.2026123123.txt")
    assert names(folder) == ["MainProcess.2026123122.txt"]


def test_most_files_of_a_period(tmp_path, clock, monkeypatch):
    """The last number is not passed, so that names go on sorting by time: that file grows."""
    monkeypatch.setattr(cutting, "MOST_PARTS", 3)
    file = cutting.Cut("day", 5).file(str(tmp_path / "P.txt"), report)
    for number in range(6):
        assert file.write(b"%d234\n" % number)
    file.close()
    assert [(tmp_path / name).stat().st_size for name in names(tmp_path)] == [5, 5, 20]
    assert cutting.Cut("day", 5).free_path(str(tmp_path / "P.txt")) == str(tmp_path / "P.20261231.0003.txt")


def test_two_of_a_name_keep_their_names(tmp_path, clock):
    """Two live processes of one name don't swap their names at a cut, whoever is the first to write after it."""
    first, second = (cutting.Cut("hour", 1000).file(str(tmp_path / "P.txt"), report) for _ in range(2))
    for number in range(3):
        for file in (first, second) if number == 0 else (second, first):
            assert file.write(b"x" * 600 + b"\n")
            assert file.write(b"x" * 600 + b"\n")
        assert not re.search(rf"P\.{os.getpid()}\.", first.path)
        assert re.search(rf"P\.{os.getpid()}\.", second.path)
        clock.now += HOUR
    first.close()
    second.close()


def test_no_path_is_fit(tmp_path, clock):
    """Where no path can be had, records wait, and are written once one can be had."""
    cut = cutting.Cut("day", None)
    file = cut.file(str(tmp_path / "P.txt"), report)
    unfit = [cut.name(base, "20261231", 1) for base in logfile.candidates(str(tmp_path / "P.txt"))]
    for path in unfit:
        os.mkdir(path)
    assert not file.write(b"waits\n")
    os.rmdir(unfit[0])
    assert file.write(b"follows\n")
    file.close()
    assert Path(unfit[0]).read_text() == "waits\nfollows\n"


def test_next_file_cannot_be_made(tmp_path, clock, monkeypatch):
    """What comes while the next file can't be made waits in order, and goes to the file of the time in which it can."""
    file = cutting.Cut("hour", None).file(str(tmp_path / "P.txt"), report)
    assert file.write(b"first\n")
    clock.now += HOUR
    with monkeypatch.context() as context:
        context.setattr(logfile, "open_regular_file", lambda _: (_ for _ in ()).throw(OSError(28, "full")))
        assert not file.write(b"waits\n")
        clock.now += HOUR
        assert not file.write(b"waits too\n")
    assert file.write(b"last\n")
    file.close()
    assert [(tmp_path / name).read_text() for name in names(tmp_path)] == ["first\n", "waits\nwaits too\nlast\n"]


def test_end_makes_no_file(tmp_path, clock):
    """Neither the end of a process nor another config() begins a new file: only a record does."""
    file = cutting.Cut("hour", None).file(str(tmp_path / "P.txt"), report)
    for _ in range(30):
        file.write(b"burst\n")
    assert file._is_unlooked
    clock.now += HOUR
    assert file.drain() == 0
    file.open()
    file.close()
    assert names(tmp_path) == ["P.2026123122.txt"]


def test_burst_ends_with_the_period(tmp_path, clock):
    """A burst, in which the path is not looked at for a millisecond, does not go on into the next period."""
    file = cutting.Cut("hour", None).file(str(tmp_path / "P.txt"), report)
    clock.now += HOUR - 0.01
    while clock.now < NEW_YEAR + HOUR + 0.01:
        assert file.write(f"{clock.now:.6f}\n".encode())
        clock.now += 0.0001
    assert file.steady_until > 0
    file.close()
    early, late = ([float(line) for line in (tmp_path / name).read_text().splitlines()] for name in names(tmp_path))
    assert max(early) < NEW_YEAR + HOUR <= min(late)
    assert len(early) + len(late) in (200, 201)


@pytest.mark.parametrize("options", [{"when": "hour"}, {"max_bytes": 100_000}])
def test_the_fast_path_is_used(folder, options):
    """A logger whose files are cut has the functions of the fast path, too."""
    logger = config("x", **options)
    for number in range(100):
        logger.info("record %d", number)
    assert type(vars(logger)["info"].__self__).__name__ == "_Level"
    (file,) = folder.iterdir()
    assert len(messages(file.read_text())) == 100


def test_loggers_that_are_cut_unlike(folder, clock):
    """Each logger's own last cut counts; those that are cut alike share a file, and none is shared unawares."""
    config("a", when="day").info("a")
    config("b", when="day").info("b")
    config("c").info("c")
    config("d", when="hour").info("d")
    config("e", max_bytes=1000).info("e")
    config("f", max_bytes=2000).info("f")
    found = {name: messages((folder / name).read_text()) for name in names(folder)}
    assert found == {
        "MainProcess.20261231.txt": ["a", "b"],
        "MainProcess.txt": ["c"],
        "MainProcess.2026123122.txt": ["d"],
        "MainProcess.20261231.0001.txt": ["e"],
        f"MainProcess.{os.getpid()}.20261231.0001.txt": ["f"],
    }
    config("a").info("not cut any more")
    assert messages((folder / "MainProcess.txt").read_text()) == ["c", "not cut any more"]


def test_overridden_path(tmp_path, capsys):
    """A path of the user's own is used as it is, never cut, and that is said once."""

    class Mine(EntryScriptHelper):
        def get_log_file_path(self):
            return str(tmp_path / "mine.log")

    for _ in range(2):
        Mine(tmp_path).config("x", when="day").info("here")
    assert messages((tmp_path / "mine.log").read_text()) == ["here", "here"]
    assert capsys.readouterr().err.count("get_log_file_path() is overridden: that file is never cut") == 1


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children(workplace, method):
    """A child's files are cut as its parent's, whether it was forked or spawned."""
    workplace.run(
        f"""
        import multiprocessing
        def child():
            for number in range(3): logging.getLogger("x").info("child %d %s", number, "x" * 50)
        if __name__ == "__main__":
            log = config("x", max_bytes=100, json=False)
            process = multiprocessing.get_context("{method}").Process(target=child, name="Child")
            process.start(); process.join()
            log.info("parent")
        """
    )
    found = {name.partition(".")[0] + name[-9:]: workplace.records(name) for name in workplace.files()}
    assert found == {"MainProcess.0001.txt"[:11] + ".0001.txt"[-9:]: ["parent"]} | {
        f"Child.000{number + 1}.txt"[:5] + f".000{number + 1}.txt"[-9:]: [f"child {number} {'x' * 50}"]
        for number in range(3)
    }


@pytest.mark.parametrize("options", ['when="hour"', "max_bytes=3000", 'max_bytes=3000, when="hour", json=True'])
def test_threads_forks_and_signals(workplace, options):
    """Across many cuts, with threads, forks and a signal handler that log, nothing is lost, doubled or garbled.

    Each record is in the file of its own time or, where it was written just after the end of that, of the next one.
    No descriptor is left.
    """
    workplace.run(
        FAST_CLOCK.format(hours=20),
        "from entry_script_helper import EntryScriptHelper, config",
        f"""
        import itertools, signal, threading, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        log = config("x", {options})
        before = len(os.listdir("/proc/self/fd"))
        signals = itertools.count()
        def on_signal(*_):
            log.info("signal %d %d", os.getpid(), next(signals))
        signal.signal(signal.SIGALRM, on_signal)
        signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
        def chat(index):
            for number in range(1000):
                log.info("thread %d %d %s", index, number, "x" * (number % 50))
        threads = [threading.Thread(target=chat, args=(index,)) for index in range(3)]
        for thread in threads: thread.start()
        children = []
        for number in range(20):
            child = os.fork()
            if child == 0:
                signal.setitimer(signal.ITIMER_REAL, 0)
                for again in range(20): log.info("child %d %d", number, again)
                os._exit(0)
            children.append(child)
        for child in children: assert os.waitpid(child, 0)[1] == 0
        for thread in threads: thread.join()
        signal.setitimer(signal.ITIMER_REAL, 0)
        log.info("signals %d %d", os.getpid(), next(signals))
        assert len(os.listdir("/proc/self/fd")) == before
        """,
    )
    found = []
    for name in workplace.files():
        here = events(workplace.folder / name)
        found += [event for event, _ in here]
        label = re.search(r"\.(\d{10}|\d{8})\.", name).group(1)
        for _, stamp in here:
            assert stamp.replace("-", "").replace(" ", "").replace("T", "")[: len(label)] <= label
    parent, signals = next(event.split()[1:] for event in found if event.startswith("signals"))
    assert len(set(found)) == len(found)
    found = [event for event in found if not event.startswith("signal") or parent in event]
    assert sorted(event.rstrip("x ") for event in found) == sorted(
        [f"thread {index} {number}" for index in range(3) for number in range(1000)]
        + [f"child {number} {again}" for number in range(20) for again in range(20)]
        + [f"signal {parent} {number}" for number in range(int(signals))]
        + [f"signals {parent} {signals}"]
    )
    assert len(workplace.files()) > 2  # how many depends on how quick this machine is


def events(path):
    """Return the events of a file with their times."""
    lines = path.read_text().splitlines()
    if path.suffix == ".jsonl":
        return [(found["event"], found["timestamp"]) for found in map(json.loads, lines)]
    return list(zip(messages(path.read_text()), [line[:19] for line in lines]))


def test_killed_and_restarted(workplace):
    """A process that is killed and started again, many times, goes on; what it had said was logged is there, once."""
    said = []
    for turn in range(8):
        process = workplace.start(
            f"""
            log = config("x", max_bytes=2000)
            for number in range(10**6):
                log.info("record {turn} %d", number)
                os.write(1, b"{turn} %d\\n" % number)
            """
        )
        while len(said) < 40 * (turn + 1):
            said.append(process.stdout.readline().strip())
        process.send_signal(signal.SIGKILL)
        said += process.stdout.read().splitlines()
        process.communicate(timeout=60)
    found = [event for name in workplace.files() for event, _ in events(workplace.folder / name)]
    assert len(found) == len(set(found))
    assert {f"record {record}" for record in said if record} <= set(found)
    assert len(found) <= len(said) + 8
    sizes = [len(text) for text in workplace.files().values()]
    assert max(sizes) <= 2000
    # Only the last file of each turn may have had room for another record, and the next turn goes on in it.
    assert all(size > 1900 for size in sizes[:-1])


def test_descriptors_run_out(workplace):
    """Without a free file descriptor config() raises nothing, and files are cut once there is one."""
    workplace.run(
        """
        import resource
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (50, limit[1]))
        taken = []
        try:
            while True: taken.append(os.open("/dev/null", os.O_RDONLY))
        except OSError: pass
        config("x", when="day", rate_limit=5).info("not cut")
        for descriptor in taken: os.close(descriptor)
        config("x", when="day", rate_limit=5).info("cut")
        """,
        stderr=None,
    )
    assert "files are not cut and no repeats dropped until config() is called again" in workplace.said
    found = {name: workplace.records(name) for name in workplace.files()}
    assert list(found.values()) == [["cut"], ["not cut"]]


def test_few_descriptors(workplace):
    """A cut needs no descriptor beyond the one that it frees."""
    workplace.run(
        """
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))
        log = config("x", max_bytes=100)
        log.info("%s", "x" * 90)
        taken = []
        try:
            while True: taken.append(os.open("/dev/null", os.O_RDONLY))
        except OSError: pass
        for number in range(5): log.info("record %d %s", number, "x" * 50)
        for descriptor in taken: os.close(descriptor)
        """
    )
    assert len(workplace.files()) == 6


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_full_disk(workplace):
    """On a disk that is full at a cut and then has room, nothing is lost or doubled."""
    disk = workplace.path / "disk"
    disk.mkdir()
    options = "size=64k,nr_inodes=40"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        workplace.run(
            """
            log = config("x", max_bytes=1000)
            fill = os.open("fill", os.O_WRONLY | os.O_CREAT)
            try:
                while True: os.write(fill, b"x" * 1000)
            except OSError: pass
            for number in range(20):
                try: os.close(os.open(f"inode{number}", os.O_CREAT))
                except OSError: break
            for number in range(100): log.info("record %d %s", number, "y" * 50)
            os.ftruncate(fill, 0)
            for number in range(20):
                if os.path.exists(f"inode{number}"): os.remove(f"inode{number}")
            for number in range(100, 120): log.info("record %d %s", number, "y" * 50)
            """,
            cwd=disk,
            stderr=None,
        )
        files = sorted((disk / "logs/user/10.0.0.4").iterdir())
        found = [message for file in files for message in messages(file.read_text())]
        assert [int(message.split()[1]) for message in found] == list(range(120))
        assert all(file.stat().st_size <= 1000 for file in files)
        assert len(files) > 10
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_deleted_tree(workplace):
    """A tree that is deleted is made again, with the file of the time."""
    workplace.run(
        """
        import shutil
        log = config("x", max_bytes=100)
        log.info("first"); log.info("second %s", "x" * 50)
        shutil.rmtree("logs")
        log.info("third")
        """
    )
    assert list(map(workplace.records, workplace.files())) == [["third"]]


def test_burst_into_a_deleted_file(folder, clock):
    """What a burst wrote into a file that was deleted meanwhile is in the file of the next period."""
    file = cutting.Cut("hour", None).file(str(folder / "P.txt"), report)
    for number in range(30):
        assert file.write(b"record %d\n" % number)
    os.remove(file.path)
    written = file._size_at_look
    clock.now += HOUR
    assert file.write(b"next\n")
    file.close()
    text = (folder / "P.2026123123.txt").read_text()
    assert text.splitlines()[-2:] == ["record 29", "next"]
    assert written < 300


def test_limits_of_files(workplace):
    """A file limit of the system below max_bytes, met within a record, neither loses nor doubles that record."""
    assert resource.RLIMIT_FSIZE is not None
    workplace.run(
        """
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        log = config("x", max_bytes=1000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, resource.RLIM_INFINITY))
        for number in range(10): log.info("record %d %s", number, "x" * 30)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        log.info("record 10")
        """,
        stderr=None,
    )
    found = [message for name in workplace.files() for message in workplace.records(name)]
    assert [int(message.split()[1]) for message in found] == list(range(11))


def test_real_clock(folder):
    """By the system's own clock a file has today's name."""
    before = time.strftime("%Y%m%d", time.gmtime())
    config("x", when="day").info("today")
    after = time.strftime("%Y%m%d", time.gmtime())
    assert names(folder) in ([f"MainProcess.{before}.txt"], [f"MainProcess.{after}.txt"])
