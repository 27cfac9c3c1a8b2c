"""What was done is done: whatever is killed, and whenever, the rows are each mini-batch's exactly once."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import threading
import time

import pytest
from engine import Engine, is_gone, parent, wait_until
from hypothesis import given, settings
from hypothesis import strategies as st

from entry_script_helper.errors import UsageError
from entry_script_helper.simulator import journal, outputs, runfolder
from entry_script_helper.simulator.attempt import FAILED, SUCCEEDED, Attempt
from entry_script_helper.simulator.failures import Failure
from entry_script_helper.simulator.runfolder import RunFolder


@pytest.fixture
def engine(tmp_path):
    return Engine(tmp_path)


HANGS_AT_3 = """
import os, time
def run(mini_batch):
    if mini_batch[0].endswith("3") and not os.path.exists("{path}/go"):
        open("{path}/hangs", "w").close()
        time.sleep(1000)
    return [os.path.basename(path) for path in mini_batch]
"""


def stop_at_3(engine, **options):
    """Start a run that does not come to its end; return it as soon as it has done some of its mini-batches."""
    engine.script(HANGS_AT_3.format(path=engine.path))
    process = engine.launch(processes=1, **options)
    wait_until((engine.path / "hangs").exists)
    return process


def kill(process):
    process.kill()
    process.communicate(timeout=100)


def test_killed_master(engine):
    """Where the master is killed its workers leave by themselves, and --resume goes on where it was."""
    names = engine.inputs(8)
    kill(stop_at_3(engine))
    wait_until(lambda: all(map(is_gone, engine.workers())))
    assert not engine.output.exists()
    (engine.path / "go").touch()
    result = engine.run(resume=True)
    assert sorted(engine.rows) == names
    assert (result["resumed_mini_batches"], result["succeeded"], result["items"]) == (3, 8, 8)
    assert not engine.part.exists()


def test_killed_again(engine):
    """A run may be killed and gone on with as often as one likes, also when nothing was left to do but the file."""
    names = engine.inputs(8)
    for _ in range(2):
        kill(stop_at_3(engine, resume=engine.part.exists()))
        (engine.path / "hangs").unlink()
    (engine.path / "go").touch()
    engine.output.mkdir()  # in the way of the file
    error = engine.run(2, resume=True)["error"]
    assert error.endswith(f"what succeeded is kept in {engine.part}: free some space, and --resume goes on with it")
    engine.output.rmdir()
    assert engine.run(resume=True)["resumed_mini_batches"] == 8
    assert sorted(engine.rows) == names


def test_resume_after_failures(engine):
    """After a run in which some failed, and a mended script, only those are tried again."""
    names = engine.inputs(6)
    engine.script("import os\ndef run(mini_batch):\n    return [1 / 0 if mini_batch[0].endswith('4') else 'old']\n")
    engine.run(73, run_max_try=1)
    assert engine.rows == ["old"] * 5
    engine.script("")
    result = engine.run(resume=True)
    assert sorted(engine.rows) == [names[4], *["old"] * 5]
    assert (result["resumed_mini_batches"], result["succeeded_mini_batches"], result["failures"]) == (5, 6, [])


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"mini_batch_size": 2}, "mini_batch_size"),
        ({"output_action": "summary_only"}, "output_action"),
        ({"script": "other.py", "input": ["more"]}, "entry script and input"),
    ],
)
def test_resume_of_another_run(engine, options, what):
    """A run is gone on with by the same settings over the same input only; what differs is named."""
    engine.inputs(6)
    kill(stop_at_3(engine))
    (engine.path / "other.py").write_text("def run(mini_batch):\n    return mini_batch\n")
    (engine.path / "more").mkdir()
    (engine.path / "more" / "file").touch()
    if "script" in options:
        options = {"script": str(engine.path / "other.py"), "input": [str(engine.path / "more")]}
    assert engine.run(2, resume=True, **options)["error"] == (
        f"--resume: the run that left {engine.part} had another {what}: give the same as then, or leave --resume out "
        "to start afresh"
    )


def test_nothing_to_resume(engine):
    """Where no run has left anything, --resume is bad input."""
    engine.inputs(1)
    engine.script("")
    assert engine.run(2, resume=True)["error"].startswith(f"--resume: no run has left a {engine.part} to go on with")


def test_unreadable_header(engine):
    """What has no header that can be read is nobody's run."""
    engine.inputs(6)
    kill(stop_at_3(engine))
    (engine.part / "run.json").write_text("{")
    assert "had another entry script and input and" in engine.run(2, resume=True)["error"]


def test_start_afresh(engine):
    """A new run moves what an unfinished one had done aside, once, and says so."""
    names = engine.inputs(6)
    for _ in range(2):
        kill(stop_at_3(engine))
        (engine.path / "hangs").unlink()
    old = engine.path / "rows.txt.part.old"
    assert len(journal.paths(str(old))) == 1
    (engine.path / "go").touch()
    result = engine.run()
    assert f"what an unfinished run had done is now in {old} (--resume would have gone on with it)\n" in engine.said
    assert sorted(engine.rows) == names
    assert result["resumed_mini_batches"] == 0


def test_start_afresh_after_nothing(engine):
    """Where an unfinished run had done nothing, there is nothing to move aside."""
    names = engine.inputs(4)
    engine.script(f"import time\ndef init():\n    open('{engine.path}/there', 'w').close()\n    time.sleep(1000)\n")
    process = engine.launch()
    wait_until((engine.path / "there").exists)
    kill(process)
    engine.script("")
    engine.run()
    assert engine.said == ""
    assert sorted(engine.rows) == names
    assert not (engine.path / "rows.txt.part.old").exists()


def test_two_runs_on_one_file(engine):
    """A second run on the result file of one that is under way is refused, to resume or not."""
    names = engine.inputs(6)
    process = stop_at_3(engine)
    for resume in (False, True):
        error = engine.run(2, resume=resume)["error"]
        assert error.startswith(f"another run is writing {engine.output}: wait for its end")
    (engine.path / "go").touch()
    process.send_signal(signal.SIGINT)
    engine.end(process)
    engine.run(resume=True)
    assert sorted(engine.rows) == names


SLOW = """
import os, random, time
def init():
    time.sleep(random.random() / 50)
def run(mini_batch):
    time.sleep(random.random() / 200)
    return [os.path.basename(path) for path in mini_batch]
"""


@settings(max_examples=5, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), masters=st.integers(0, 2), size=st.integers(1, 4))
def test_random_kills(tmp_path_factory, seed, masters, size):
    """Whichever processes are killed, and whenever, the master too, the rows are each item's exactly once."""
    engine = Engine(tmp_path_factory.mktemp("kills"))
    names = engine.inputs(300)
    engine.script(SLOW)
    chance = random.Random(seed)
    kept = {"processes": 3, "mini_batch_size": size, "run_max_try": 1000}
    for _ in range(masters):
        process = engine.launch(resume=(engine.part / "run.json").exists(), **kept)
        with killing_workers(engine, process, chance):
            time.sleep(chance.random())
            kill(process)
    process = engine.launch(resume=(engine.part / "run.json").exists(), **kept)
    with killing_workers(engine, process, chance):
        result = engine.end(process)
    assert result["exit_code"] == 0
    assert (result["succeeded"], result["failed"]) == (300, 0)
    assert sorted(engine.rows) == names


@contextlib.contextmanager
def killing_workers(engine, master, chance):
    """Meanwhile kill a worker every now and then; not so often that none comes to its first mini-batch."""

    def go_on():
        while not is_over.wait(chance.random() / 2):
            workers = [pid for pid in engine.workers() if parent(pid) == master.pid]
            if workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chance.choice(workers), chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV]))

    is_over = threading.Event()
    killer = threading.Thread(target=go_on)
    killer.start()
    try:
        yield
    finally:
        is_over.set()
        killer.join()


def attempt(index, status=SUCCEEDED, failure=None):
    return Attempt(
        index, 1, "Process-1", os.getpid(), status, 2, 2 if failure is None else 0, 1.5, 2.5, 0.5, 0.75, failure
    )


def start(index):
    return journal.Start(index, 1, 2, 1.5, 0.5)


def test_journal(tmp_path):
    """A journal gives back what was written to it, from any position; a line without an end was never written."""
    writer = journal.Writer(str(tmp_path), "Process-1")
    failed = attempt(1, FAILED, Failure("ValueError: \ud800\n", "score.py:1", "Traceback\n"))
    writer.started(start(0))
    writer.ended(attempt(0), b"a\nb\n")
    position = writer.position
    writer.started(start(1))
    writer.ended(failed)
    writer.started(start(2))
    writer.ended(attempt(2), b"c\n")
    writer.close()
    with open(writer.path, "ab") as file:
        file.write(b"done 3 1 2 2")
    expected = [start(0), journal.Done(attempt(0), 0, 4), start(1), failed, start(2), journal.Done(attempt(2), 4, 2)]
    assert list(journal.read(writer.path)) == expected
    assert list(journal.read(writer.path, position)) == expected[2:]
    assert journal.paths(str(tmp_path)) == [writer.path]


def test_journal_of_a_process_id_that_comes_back(tmp_path):
    """A process whose id and name an earlier one had writes files of its own; names are made safe."""
    paths = []
    for _ in range(3):
        writer = journal.Writer(str(tmp_path), "Process/1")
        paths.append(os.path.basename(writer.path))
        writer.close()
    stem = f"Process%2F1.{os.getpid()}"
    assert paths == [f"{stem}.journal", f"{stem}.1.journal", f"{stem}.2.journal"]
    assert len(list(tmp_path.iterdir())) == 6


def test_journal_without_its_rows(tmp_path):
    """Where a process's second file can't be made, it has none; a journal that was just begun says nothing."""
    (tmp_path / f"Process-1.{os.getpid()}.rows").touch()
    with pytest.raises(FileExistsError):
        journal.Writer(str(tmp_path), "Process-1")
    (path,) = journal.paths(str(tmp_path))
    assert list(journal.read(path)) == []


def test_disk_fills_up(tmp_path):
    """Where a line or rows do not fit any more, nothing half is left of them, and what fits later follows."""
    writer = journal.Writer(str(tmp_path), "Process-1")
    writer.ended(attempt(0), b"a\n")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = os.path.getsize(writer.path)
    for limit, rows in ((size + 10, b"b\n"), (size, b"c\n" * size)):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                writer.ended(attempt(1), rows)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert (os.path.getsize(writer.path), os.path.getsize(journal.rows_of(writer.path))) == (size, 2)
    writer.ended(attempt(2), b"d\n")
    writer.close()
    assert list(journal.ranges(writer.path)) == [(0, 0, 2), (2, 2, 4)]


def test_gather(tmp_path):
    """Of rows that two journals have the first count; those of mini-batches that are not wanted don't."""
    folder, target = tmp_path / "part", tmp_path / "rows"
    folder.mkdir()
    for indexes in ([0, 1, 2, 4], [2, 3]):
        writer = journal.Writer(str(folder), "Process-1")
        for index in indexes:
            writer.ended(attempt(index), b"%d\n" % index * 2)
        writer.close()
    outputs.gather(str(folder), bytearray([1, 0, 1, 1, 1]), str(target))
    assert sorted(target.read_text().split()) == ["0", "0", "2", "2", "3", "3", "4", "4"]
    os.truncate(journal.rows_of(writer.path), 5)
    with pytest.raises(outputs.OutputError, match=r"rows is shorter than it was; what succeeded is kept in"):
        outputs.gather(str(folder), bytearray([1, 1, 1, 1, 1]), str(target))
    assert len(target.read_text().split()) == 8
    assert len(list(folder.iterdir())) == 4


def test_folder_that_can_not_be_made(tmp_path):
    """Where there is no room for what a run writes, or something in the way, the error names the file and a remedy."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "rows", tmp_path / "rows"):
        (tmp_path / "rows.part").touch()
        with pytest.raises(outputs.OutputError, match="free some space, or give --output another file"):
            RunFolder(str(path), {}, resume=False)


def test_folder_of_a_quicker_run(tmp_path, monkeypatch):
    """Of two runs that begin at once, one is refused."""
    mkdir = os.mkdir

    def mkdir_too_late(path, *arguments):
        mkdir(path, *arguments)
        raise FileExistsError

    monkeypatch.setattr(os, "mkdir", mkdir_too_late)
    with pytest.raises(UsageError, match="another run is writing"):
        RunFolder(str(tmp_path / "rows"), {}, resume=False)


def test_file_system_without_locks(tmp_path, monkeypatch):
    """Where a file system has no locks, a run goes on without."""

    def no_locks(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(runfolder.fcntl, "flock", no_locks)
    with RunFolder(str(tmp_path / "rows"), {}, resume=False) as folder:
        assert os.path.isdir(folder.path)
    assert not os.path.exists(folder.path)
