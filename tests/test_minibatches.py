"""The input's files, listed and cut into mini-batches by count."""

from __future__ import annotations

import os
import resource

import pytest

from entry_script_helper.errors import UsageError
from entry_script_helper.simulator import minibatches
from entry_script_helper.simulator.minibatches import FileInput


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def files(source):
    return [path for index in range(source.mini_batches) for path in source.mini_batch(index).load()]


def test_files(tmp_path):
    """The files below a directory come sorted, by absolute path, cut by count; linked directories are not entered."""
    make(tmp_path, "b/2", "b/1", "a", "c")
    (tmp_path / "d").symlink_to(tmp_path)
    (tmp_path / "e").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "f")
    names = ["a", "b/1", "b/2", "c", "e"]
    source = FileInput((str(tmp_path),), 2)
    assert (source.items, source.mini_batches) == (5, 3)
    assert files(source) == [str(tmp_path / name) for name in names]
    batch = source.mini_batch(1)
    assert (batch.index, batch.items, batch.partition_key_value) == (1, 2, None)
    assert batch.dataset == batch.files == [str(tmp_path / name) for name in names[2:4]]


def test_inputs(tmp_path):
    """Directories, files and patterns are taken in the order given, the run's own files left out."""
    make(tmp_path, "a/1", "a/2", "b/1.csv", "b/2.csv", "b/3.txt", "logs/x", "a/logs")
    inputs = (str(tmp_path / "b" / "*.csv"), str(tmp_path / "a" / "2"), str(tmp_path))
    source = FileInput(inputs, 10, [str(tmp_path / "logs"), str(tmp_path / "a" / "2")])
    names = ["b/1.csv", "b/2.csv", "a/1", "a/logs", "b/1.csv", "b/2.csv", "b/3.txt"]
    assert files(source) == [str(tmp_path / name) for name in names]


def test_names_of_any_bytes(tmp_path):
    """A name that is no UTF-8 is listed, and comes out as the bytes that it has on disk."""
    with open(os.fsencode(tmp_path) + b"/\xff\n", "wb"):
        pass
    assert [os.fsencode(path) for path in files(FileInput((str(tmp_path),), 1))] == [os.fsencode(tmp_path) + b"/\xff\n"]


def test_digest(tmp_path):
    """The digest is that of the listing: the same for the same, another for another."""
    make(tmp_path, "a", "b")
    first = FileInput((str(tmp_path),), 1).digest
    assert FileInput((str(tmp_path),), 2).digest == first
    make(tmp_path, "c")
    assert FileInput((str(tmp_path),), 1).digest != first


def test_no_files(tmp_path):
    """An input without files is bad input."""
    with pytest.raises(UsageError, match=f"--input: there are no files below {tmp_path}: give the directory"):
        FileInput((str(tmp_path),), 1)


def test_unreadable_directory(tmp_path):
    """A directory that can't be read is said to be so, with the reason."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(UsageError, match=r"--input: .* can't be read: Too many open files"):
            FileInput((str(tmp_path),), 1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_chosen():
    """A run tries all mini-batches, the first few, or one."""
    assert list(minibatches.chosen(4, None, None)) == [0, 1, 2, 3]
    assert list(minibatches.chosen(4, 2, None)) == [0, 1]
    assert list(minibatches.chosen(4, 9, None)) == [0, 1, 2, 3]
    assert list(minibatches.chosen(4, None, 2)) == [2]
    with pytest.raises(UsageError, match="--mini-batch: there is none of index 4: give 0 to 3"):
        minibatches.chosen(4, None, 4)
