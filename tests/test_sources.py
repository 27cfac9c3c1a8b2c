"""Where the bytes of a log tree come from: one form of paths for folders, files and archives, whatever is in them."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import trees

from entry_script_helper.errors import UsageError
from entry_script_helper.logtree import complaints
from entry_script_helper.logtree.complaints import Complaints, ReadError
from entry_script_helper.logtree.files import archives, roots, sources


def look(*paths):
    """Return the entries of PATHs and what was wrong, which must not be more than a line a file."""
    found = Complaints()
    entries = sources.entries(paths, found)
    return entries, found.lines


def paths_of(*paths):
    entries, said = look(*paths)
    assert said == []
    return [entry.path for entry in entries]


def whole(entry, length=1000):
    """Read an entry to its end, piece by piece."""
    parts = []
    while data := entry.read(sum(map(len, parts)), length):
        assert len(data) <= length
        parts.append(data)
    return b"".join(parts)


def attempt(entry, found):
    """Read an entry as far as it can be, and complain where that is not its end; return what was read."""
    data = b""
    try:
        while part := entry.read(len(data), 1000):
            data += part
    except OSError as error:
        found.failed(entry.location, error)
    return data


def open_to_all():
    """Return a directory for temporary files that every user can reach; the one of this process may be private."""
    for path in map(Path, (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm")):
        if path.is_dir() and all(parent.stat().st_mode & 1 for parent in (path, *path.parents)):
            return path
    return pytest.skip("no directory for temporary files can be reached by every user")


@pytest.fixture
def run(tmp_path):
    """A run's folder with logs, input, output and code."""
    folder = tmp_path / "run"
    trees.today(folder)
    return trees.write(folder, {"in/data.txt": ["no log"], "outputs/rows.txt": ["no log"], "score.py": ["no log"]})


@pytest.mark.parametrize("form", ["run", "run.zip", "logs", "logs.zip", "azureml", "azureml.zip", "renamed", "link"])
def test_one_form_of_paths(form, run, tmp_path):
    """Whatever of a run is given, a file has one path: relative to the directory that holds logs/; nothing else is read."""
    logs_only = form in ("logs", "logs.zip", "renamed")
    expected = [
        path for path in trees.listed(run) if path.startswith(("logs/",) if logs_only else ("logs/", "user_logs/"))
    ]
    given = tmp_path / "given" / form
    given.parent.mkdir()
    if form == "run":
        given = run
    elif form == "run.zip":
        trees.zipped(run, given)
    elif form == "logs":
        given = run / "logs"
    elif form == "logs.zip":
        trees.zipped(run / "logs", given)
    elif form == "azureml":
        shutil.copytree(run, given / "3f2b")
    elif form == "azureml.zip":
        trees.zipped(run, given, below="azureml/3f2b/")
    elif form == "renamed":
        shutil.copytree(run / "logs", given)
    else:
        given.symlink_to(run)
    entries, said = look(given)
    assert [entry.path for entry in entries] == sorted(expected)
    assert [whole(entry) for entry in entries] == [(run / path).read_bytes() for path in sorted(expected)]
    assert [entry.size() for entry in entries] == [(run / path).stat().st_size for path in sorted(expected)]
    assert said == []
    for entry in entries:
        assert entry.location.startswith(f"{given}/")
        assert os.path.exists(entry.location) or form.endswith("zip")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("logs/user", "logs/user/stdout/0/process000.stdout.txt"),
        ("logs/user/stdout/0", "logs/user/stdout/0/process000.stdout.txt"),
        ("logs/user/stdout/0/process000.stdout.txt", "logs/user/stdout/0/process000.stdout.txt"),
        ("user_logs", "user_logs/std_log.txt"),
        ("score.py", "score.py"),
    ],
)
def test_a_part_of_a_tree(given, expected, run, monkeypatch):
    """A folder or file of a tree has the paths that it has in the tree; a lone file that is in none is its name."""
    assert expected in paths_of(run / given)
    monkeypatch.chdir((run / given).parent)
    assert expected in paths_of((run / given).name)
    monkeypatch.chdir(run / given if (run / given).is_dir() else run)
    assert expected in paths_of("." if (run / given).is_dir() else given)


def test_a_folder_that_is_called_as_one_of_logs(tmp_path):
    """A downloaded `user` is known by its name; files of no known layout are taken by their endings, as they lie."""
    trees.write(tmp_path, {"user/10.0.0.4/Process-1.txt": ["a"], "other/b/c.LOG": ["c"], "other/a.npy": ["x"]})
    trees.write(tmp_path, {"other/.hidden.txt": ["x"]})
    assert paths_of(tmp_path / "user") == ["logs/user/10.0.0.4/Process-1.txt"]
    assert paths_of(tmp_path / "other") == ["b/c.LOG"]


def test_several_runs_in_a_folder(tmp_path):
    """Several runs below a PATH are trees of their own; where each file is tells them apart. Hidden folders are none."""
    for name in ("a", "b/deep", ".hidden", "__MACOSX"):
        trees.truncated(tmp_path / name)
    entries, said = look(tmp_path)
    assert {entry.path for entry in entries} == {"logs/user/10.0.0.4/Process-1.txt"}
    assert [entry.location for entry in entries] == [
        f"{tmp_path}/{name}/logs/user/10.0.0.4/Process-1.txt" for name in ("a", "b/deep")
    ]
    assert said == []


def test_a_search_is_bounded(tmp_path, monkeypatch):
    """A log tree is looked for in so many folders, so deep, and no further."""
    trees.truncated(tmp_path / "1/2/3/4/5/6/7")
    assert paths_of(tmp_path) == ["1/2/3/4/5/6/7/logs/user/10.0.0.4/Process-1.txt"]
    monkeypatch.setattr(roots, "MOST_FOLDERS", 2)
    assert paths_of(tmp_path / "1/2/3") == ["4/5/6/7/logs/user/10.0.0.4/Process-1.txt"]
    monkeypatch.undo()
    assert paths_of(tmp_path / "1/2/3") == ["logs/user/10.0.0.4/Process-1.txt"]


def test_several_paths(run, tmp_path):
    """Of several PATHs each file is read once, however often it was given, and says where it is."""
    archive = trees.zipped(run, tmp_path / "again.zip")
    entries, _ = look(run / "logs", run, run / "logs" / "job_result.txt", archive, archive)
    locations = [entry.location for entry in entries]
    assert len(set(locations)) == len(locations)
    assert [entry.path for entry in entries].count("logs/job_result.txt") == 2
    assert f"{run}/logs/job_result.txt" in locations
    assert f"{archive}/logs/job_result.txt" in locations


def test_a_logs_folder_of_the_system(tmp_path):
    """A folder somewhere below one that happens to be called `logs` is no part of a log tree for that."""
    trees.write(tmp_path, {"logs/mine/notes.txt": ["a"], "logs/mine/logs/overview.txt": ["b"]})
    assert paths_of(tmp_path / "logs/mine/notes.txt") == ["notes.txt"]
    assert paths_of(tmp_path / "logs/mine") == ["logs/overview.txt"]
    trees.write(tmp_path, {"logs/yours/a.log": ["a"]})
    assert paths_of(tmp_path / "logs/yours") == ["a.log"]


SOURCE = {
    "score.py": ["import json"],
    "README.txt": ["Scores files.", "2026-01-31: begun", "", "[1] a footnote"],
    "package.json": ['{"name": "a", "version": "1.2.3"}'],
    "settings.json": ["{", '  "time": "2026-01-31T10:00:00"', "}"],
    "data/2026.csv": ["time,value", "2026-01-31 10:00:00,1"],
    "data/train.jsonl": ['{"text": "a", "label": 1}', '{"text": "b", "label": 0}'],
    "empty.txt": b"",
    ".venv/notes.txt": ["2026-01-31 10:00:00,000 one of another's"],
    ".cache.log": ["2026-01-31 10:00:00,000 hidden"],
}
"""A folder of sources and data, in which no file is a log."""

LOOSE = {
    "score.txt": ["loading", "2026-01-31 10:00:00,000|INFO|1|a"],
    "structured/a.jsonl": ['{"event": "a", "timestamp": "2026-01-31T10:00:00Z"}'],
    "azure.json": ['{"time": "2026-01-31T10:00:00Z", "message": "a"}'],
    "windows.txt": "2026-01-31 10:00:00,000|INFO|1|ü\r\n".encode("utf-16"),
    "build.log": ["without a time"],
    "std_log_process_0.txt": ["without a time"],
    "Process-1.4711.error.json": ['{"count": 1}'],
    "Process-1.task.csv": ["Task Id,Status", "1,RUN_DONE"],
}
"""Logs that lie loose in a folder."""


@pytest.mark.parametrize("is_zipped", [False, True])
def test_loose_logs(is_zipped, tmp_path):
    """Where there is no log tree, a file is a log by its name, or by a time near its beginning; others are left out."""
    trees.write(tmp_path / "mine", {**SOURCE, **LOOSE})
    given = trees.zipped(tmp_path / "mine", tmp_path / "mine.zip") if is_zipped else tmp_path / "mine"
    entries, said = look(given)
    assert sorted(entry.path for entry in entries) == sorted(LOOSE)
    assert said == []
    assert look(tmp_path / "mine/README.txt")[0][0].path == "README.txt"  # what is given itself is read


def test_a_loose_file_whose_times_come_late(tmp_path):
    """A text of which the first 64 KiB have no time is no log, whatever follows."""
    for size in (60_000, 70_000):
        trees.write(tmp_path, {f"{size}.txt": ["a note"] * (size // 7) + [trees.line(1, "a")]})
    assert paths_of(tmp_path) == ["60000.txt"]


def test_a_loose_file_that_vanishes(tmp_path):
    """A file that is removed between the listing and the look at it is not there, and breaks nothing."""
    trees.write(tmp_path, {name: [trees.line(1, "a")] for name in ("a.txt", "b.txt")})
    listed = sources.folders.Folder(str(tmp_path), str(tmp_path), Complaints()).entries()
    assert next(listed).path == "a.txt"
    (tmp_path / "b.txt").unlink()
    assert list(listed) == []


def test_loose_logs_that_can_not_be_read():
    """A file that may be a log and can't be looked into is left to who reads it, who says so."""
    folder = Path(tempfile.mkdtemp(dir=open_to_all()))
    try:
        folder.chmod(0o755)
        trees.write(folder, {"a.txt": [trees.line(1, "a")], "b.txt": ["a note"], "c.txt": ["another"]})
        (folder / "a.txt").chmod(0)
        with without_rights():
            assert [entry.path for entry in look(folder)[0]] == ["a.txt"]
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing", "there is no such file or folder"),
        ("empty", "no log is in it"),
        ("data", "no log is in it"),
        ("source", "no log is in it: no logs/, user_logs/ or azureml-logs/, and no file whose lines begin with a time"),
        ("fifo", "this is no file"),
        ("/dev/zero", "this is no file"),
        ("loop", "can't be read"),
        ("packed.gz", "packed by gzip"),
        ("cut.zip", "damaged, or not all of it is there"),
        ("empty.zip", "no log is in it"),
        ("tiny.zip", "damaged, or not all of it is there"),
    ],
)
def test_a_path_that_can_not_be_meant(name, words, tmp_path):
    """A PATH that is missing, or has no log in it, is a mistake of the user's, said in a line: none is waited for."""
    (tmp_path / "empty").mkdir()
    trees.write(tmp_path / "source", SOURCE)
    trees.write(tmp_path, {"data/model.bin": b"x", "packed.gz": b"\x1f\x8b\x08", "tiny.zip": b"PK\x03\x04"})
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    trees.zipped(tmp_path / "data", tmp_path / "cut.zip")
    (tmp_path / "cut.zip").write_bytes((tmp_path / "cut.zip").read_bytes()[:-30])
    zipfile.ZipFile(tmp_path / "empty.zip", "w").close()
    with pytest.raises(UsageError, match=words) as raised:
        look(tmp_path / name)
    assert "\n" not in str(raised.value)


def test_files_that_appear(tmp_path):
    """What has appeared is found when a tree is looked at again: files, folders, and the log tree itself."""
    tree = sources.Sources([tmp_path], Complaints())
    assert tree.rescan() == []
    trees.write(tmp_path, {"notes.txt": ["a"], "score.txt": [""]})
    assert tree.rescan() == []
    trees.write(tmp_path, {"score.txt": [trees.line(1, "a")]})
    assert [entry.path for entry in tree.rescan()] == ["score.txt"]
    trees.truncated(tmp_path)
    assert [entry.path for entry in tree.rescan()] == ["logs/user/10.0.0.4/Process-1.txt"]
    trees.write(tmp_path, {"logs/user/10.0.0.5/Process-1.txt": ["a"], "user_logs/std_log.txt": ["a"], "b.txt": ["no"]})
    assert [entry.path for entry in tree.rescan()] == ["logs/user/10.0.0.5/Process-1.txt", "user_logs/std_log.txt"]
    assert tree.rescan() == []
    shutil.rmtree(tmp_path / "logs")
    assert tree.rescan() == []


def test_files_that_change(tmp_path):
    """A file that grows is read on; one that was replaced, became shorter or is gone is never taken for the old one."""
    path = tmp_path / "a.txt"
    path.write_text("one\n")
    (entry,), _ = look(path)
    assert entry.read(0, 100) == b"one\n"
    assert entry.read(4, 100) == b""
    with open(path, "a") as file:
        file.write("two\n")
    assert entry.read(4, 100) == b"two\n"
    assert entry.size() == 8
    os.truncate(path, 2)
    with pytest.raises(ReadError, match="shorter"):
        entry.read(8, 100)
    os.rename(path, tmp_path / "old.txt")
    with pytest.raises(FileNotFoundError):
        entry.read(0, 100)
    path.write_text("three\n")
    with pytest.raises(ReadError, match="replaced"):
        entry.read(0, 100)
    path.unlink()
    path.symlink_to("old.txt")
    with pytest.raises(OSError):  # a link is not followed
        entry.read(0, 100)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ReadError, match="no file"):  # and a FIFO is not waited for
        entry.read(0, 100)


def test_the_file_behind_a_name(run, tmp_path):
    """An entry tells when its file was written to, and its identity, which a new file of that name does not have."""
    path = tmp_path / "a.txt"
    path.write_text("one\n")
    os.utime(path, (1, 1_700_000_000))
    (entry,), _ = look(path)
    identity = entry.identity()
    assert (entry.modified(), entry.again().identity()) == (1_700_000_000, identity)
    entry.read(0, 1)
    os.rename(path, tmp_path / "old.txt")
    path.write_text("two\n")
    assert entry.identity() != identity
    assert entry.again().read(0, 100) == b"two\n"
    members, _ = look(trees.zipped(run, tmp_path / "run.zip"))
    assert len({member.identity() for member in members}) == len(members)
    assert all(member.again().read(0, 1) == member.read(0, 1) for member in members)


def test_links_that_loop(tmp_path):
    """No link is followed: those that lead in circles are passed over, those that lead out of the tree are said."""
    trees.looping_links(tmp_path)
    entries, said = look(tmp_path)
    assert [entry.path for entry in entries] == ["logs/user/10.0.0.4/Process-1.txt"]
    names = ("10.0.0.4/nothing.txt", "10.0.0.4/outside.txt", "10.0.0.4/root", "up")
    assert said == [f"{tmp_path}/logs/user/{name}: {complaints.LINK}" for name in names]


def test_what_is_no_file(tmp_path):
    """A FIFO and a socket are said, and never opened."""
    entries, said = look(trees.no_files(tmp_path))
    assert len(entries) == 1
    names = ("fifo.txt", "socket.txt")
    assert said == [f"{tmp_path}/logs/user/10.0.0.4/{name}: {complaints.NO_FILE}" for name in names]


@contextlib.contextmanager
def without_rights():
    """Be nobody, where one is root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_what_may_not_be_read():
    """A folder that may not be read is one line, and so is a file; the rest is read. As PATH it is a mistake."""
    folder = Path(tempfile.mkdtemp(dir=open_to_all()))
    try:
        folder.chmod(0o755)
        trees.unreadable(folder)
        with without_rights():
            found = Complaints()
            entries = sources.entries([folder], found)
            assert [entry.path for entry in entries] == [f"logs/user/10.0.0.4/Process-{n}.txt" for n in (1, 2)]
            assert entries[0].read(0, 4) == b"2026"
            with pytest.raises(PermissionError) as raised:
                entries[1].read(0, 4)
            found.failed(entries[1].location, raised.value)
            assert found.lines == [
                f"{folder}/logs/user/10.0.0.5: {complaints.UNREADABLE_FOLDER}: Permission denied",
                f"{folder}/logs/user/10.0.0.4/Process-2.txt: {complaints.UNREADABLE}: Permission denied",
            ]
            for name in ("10.0.0.5", "10.0.0.4/Process-2.txt", "10.0.0.5/Process-1.txt"):
                with pytest.raises(UsageError, match="can't be read: Permission denied"):
                    look(folder / "logs/user" / name)
    finally:
        shutil.rmtree(folder)


def test_a_folder_that_vanishes(tmp_path):
    """A folder that is removed while the tree is listed has no files, and breaks nothing."""
    for name in "ab":
        trees.write(tmp_path, {f"logs/user/{name}/Process-1.txt": ["a"]})
    listed = sources.folders.Folder(str(tmp_path), str(tmp_path), Complaints()).entries()
    assert next(listed).path == "logs/user/a/Process-1.txt"
    shutil.rmtree(tmp_path / "logs/user/b")
    assert list(listed) == []


def test_names_are_safe_to_show(tmp_path):
    """Neither a path nor a location holds a terminal's command; the file is read all the same."""
    name = "\x1b[2J\u202e\udcff.txt"
    trees.write(tmp_path, {f"logs/user/10.0.0.4/{name}": ["in it"]})
    ((entry,), _) = look(tmp_path)
    assert entry.path == "logs/user/10.0.0.4/\\x1b[2J\\u202e\\udcff.txt"
    assert entry.location == f"{tmp_path}/{entry.path}"
    assert entry.read(0, 100) == b"in it\n"


@pytest.fixture
def quick_folder(tmp_path):
    """A folder in memory, where the system has such: a disk takes a minute for 100,000 files."""
    memory = "/dev/shm"
    folder = tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else tmp_path)
    yield Path(folder)
    shutil.rmtree(folder)


def test_very_many_files(quick_folder):
    """100,000 empty files take none of the descriptors that a process may have."""
    trees.empty_files(quick_folder)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, limits[1]))
    try:
        tree = sources.Sources([quick_folder], Complaints())
        entries = tree.all()
        assert all(entry.read(0, 10) == b"" for entry in entries[::100])
        assert tree.rescan() == []
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len(entries) == 100_000


def test_a_file_takes_little(tmp_path):
    """A file that is listed takes less than a kilobyte."""
    trees.empty_files(tmp_path, 5000)
    tracemalloc.start()
    entries, _ = look(tmp_path)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(entries) == 5000
    assert held < 5_000_000


# Archives


def test_reading_on_in_an_archive(tmp_path):
    """A file of an archive is the same wherever it is read from, forwards or back, stored or packed."""
    data = random.Random(0).randbytes(300_000) + b"logs " * 100_000
    for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        trees.write(tmp_path, {"run/logs/overview.txt": data})
        ((entry,), said) = look(trees.zipped(tmp_path / "run", tmp_path / "run.zip", packing=packing))
        assert whole(entry, 70_001) == data
        for offset in (0, 5, 500_000, 299_990, 2_000_000, 799_999, 800_000):
            assert entry.read(offset, 100) == data[offset : offset + 100]
        assert entry.size() == len(data)
        assert said == []


def test_the_memory_for_half_read_files_is_bounded(tmp_path):
    """Of very many files that are read by turns, only so many are remembered half way; the others begin again."""
    files = {f"run/logs/user/n/{n}.txt": bytes([65 + n]) * 3000 for n in range(10)}
    trees.write(tmp_path, files)
    archive = trees.zipped(tmp_path / "run", tmp_path / "run.zip")
    entries, _ = look(archive)
    for entry in entries:
        entry._archive.streams._most = 3
    for offset in (0, 1000, 2000):
        for index, entry in enumerate(entries):
            assert entry.read(offset, 1000) == bytes([65 + index]) * 1000
            assert len(entry._archive.streams._open) <= 3


def test_no_descriptor_is_kept(run, tmp_path):
    """Archives and files that are half read hold no descriptor."""
    before = len(os.listdir("/proc/self/fd"))
    entries, _ = look(run, trees.zipped(run, tmp_path / "run.zip"))
    for entry in entries:
        entry.read(0, 5)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_zip_bomb(tmp_path):
    """Of a file that unpacks to far more than it is packed the end is not read, which is said; the rest is as ever."""
    archive = trees.zip_bomb(tmp_path / "bomb.zip")
    entries, said = look(archive)
    log, bomb = entries
    assert log.read(0, 4) == b"2026"
    assert bomb.size() == archives.MOST_OF_A_FILE
    assert bomb.read(bomb.size() - 1, 100) == b"\0"
    assert bomb.read(bomb.size(), 100) == b""
    (line,) = said
    assert line == (f"{archive}/{bomb.path}: {complaints.TOO_LARGE}: {bomb.size():,} of 268,435,456 bytes are")


def test_an_archive_of_bombs(tmp_path, monkeypatch):
    """All files of an archive together are bounded, though each of them is not too large."""
    monkeypatch.setattr(archives, "MOST_OF_AN_ARCHIVE", 2_500_000)
    monkeypatch.setattr(archives, "MOST_TIMES", 10)
    trees.write(tmp_path, {f"run/logs/{n}.txt": bytes(1_000_000) for n in range(5)})
    entries, said = look(trees.zipped(tmp_path / "run", tmp_path / "run.zip"))
    assert [entry.size() for entry in entries] == [1_000_000, 1_000_000, 500_000, 0, 0]
    assert [len(whole(entry)) for entry in entries] == [1_000_000, 1_000_000, 500_000, 0, 0]
    assert len(said) == 3


def test_a_hostile_archive(tmp_path):
    """Names that lead out of an archive, links, encrypted and damaged files are a line each, and nothing is unpacked."""
    archive = trees.hostile_zip(tmp_path / "hostile.zip")
    before = sorted(os.listdir(tmp_path))
    found = Complaints()
    entries = sources.entries([archive], found)
    assert [entry.path for entry in entries] == [f"logs/user/10.0.0.4/{name}.txt" for name in ("Process-1", "damaged")]
    assert whole(entries[0]).count(b"one") == 100
    with pytest.raises(ReadError) as raised:
        entries[1].read(0, 100)
    found.failed(entries[1].location, raised.value)
    said = dict(line.removeprefix(f"{archive}/").split(": ", 1) for line in found.lines)
    assert said == {
        "logs/user/10.0.0.4/encrypted.txt": complaints.ENCRYPTED,
        "logs/user/10.0.0.4/bzip2.txt": complaints.UNKNOWN_PACKING,
        "logs/user/10.0.0.4/link.txt": complaints.LINK,
        "logs/user/10.0.0.4/damaged.txt": complaints.DAMAGED,
        "../outside.txt": complaints.UNSAFE_NAME,
        "logs/../../outside.txt": complaints.UNSAFE_NAME,
        "/etc/absolute.txt": complaints.UNSAFE_NAME,
        "C:/drive.txt": complaints.UNSAFE_NAME,
        "../windows.txt": complaints.UNSAFE_NAME,
    }
    assert sorted(os.listdir(tmp_path)) == before


def test_an_archive_by_windows(tmp_path):
    """An archive whose names have backslashes, folders of their own, or a file twice, is read as any other."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("logs/", "")
        for folder, text in ((".\\", "old"), ("", "new")):
            info = zipfile.ZipInfo("x")
            info.filename = f"logs\\user\\10.0.0.4\\{folder}Process-1.txt"
            file.writestr(info, text)
    ((entry,), said) = look(tmp_path / "a.zip")
    assert (entry.path, entry.read(0, 10), said) == ("logs/user/10.0.0.4/Process-1.txt", b"new", [])


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_file_of_an_archive(packing, tmp_path):
    """A file that is damaged in its archive is read as far as it can be, and that is said once."""
    text = b"".join(b"%d some line of a log\n" % random.Random(n).randrange(10**12) for n in range(20_000))
    trees.write(tmp_path, {"run/logs/overview.txt": text})
    archive = trees.zipped(tmp_path / "run", tmp_path / "run.zip", packing=packing)
    data = bytearray(archive.read_bytes())
    for position in range(len(data) // 2, len(data) // 2 + 200):
        data[position] ^= 0xFF
    archive.write_bytes(data)
    found = Complaints()
    (entry,) = sources.entries([archive], found)
    read = attempt(entry, found)
    assert read[:200_000] == text[:200_000]
    assert found.lines == [f"{entry.location}: {complaints.DAMAGED}"]


def test_what_an_archive_claims(run, tmp_path):
    """An archive without dates has one all the same; where a file is not where its directory says, it is damaged."""
    archive = trees.zipped(run, tmp_path / "run.zip")
    data = archive.read_bytes()
    position = data.index(b"PK\x03\x04", 4)
    changed = bytearray(data[:position] + b"XX" + data[position + 2 :])
    directory = data.rindex(b"PK\x01\x02", 0, data.rindex(b"logs/job_result.txt"))
    changed[directory + 12 : directory + 16] = bytes(4)
    archive.write_bytes(changed)
    entries, said = look(archive)
    assert said == []
    assert min(entry.modified() for entry in entries) == 315532800 - 86400  # the day before 1980-01-01
    found = Complaints()
    assert sum(attempt(entry, found) == b"" for entry in entries) == len(found.lines) == 1


def test_an_archive_that_is_replaced(run, tmp_path):
    """An archive that is replaced while it is read is not taken for the old one."""
    archive = trees.zipped(run, tmp_path / "run.zip")
    entries, _ = look(archive)
    entries[0].read(0, 1)
    os.rename(archive, tmp_path / "old.zip")
    trees.zipped(run, archive)
    with pytest.raises(ReadError, match="replaced"):
        entries[1].read(0, 1)


def test_bytes_that_are_no_archive(run, tmp_path):
    """Whatever bytes of an archive are wrong, it is a mistake of the user's or a damaged file: nothing breaks or hangs."""
    archive = trees.zipped(run, tmp_path / "run.zip")
    data = archive.read_bytes()
    chance = random.Random(7)
    outcomes = set()
    for _ in range(300):
        changed = bytearray(data)
        for _ in range(chance.randrange(1, 6)):
            first = 0 if chance.random() < 0.3 else len(data) - 2500
            changed[chance.randrange(max(first, 4), len(data))] = chance.choice(
                [0, 1, 0x7F, 0xFF, chance.randrange(256)]
            )
        archive.write_bytes(changed)
        found = Complaints()
        try:
            entries = sources.entries([archive], found)
        except UsageError:
            outcomes.add("no archive")
            continue
        for entry in entries:
            attempt(entry, found)
        outcomes.add("complaints" if found.lines else "none")
    assert outcomes >= {"no archive", "complaints"}
