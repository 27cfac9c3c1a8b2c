"""A directory for one process that is ours alone, or refused."""

from __future__ import annotations

import os
import stat

import pytest

from entry_script_helper import TempDirectoryError, privatedir

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
SOMEBODY = 12345


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.fixture
def umask():
    before = os.umask(0o022)
    os.umask(before)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o277, 0o777])
def test_it_is_ours_alone_under_any_umask(tmp_path, umask, mask):
    """The directory and its parent have mode 0700, whatever the umask is."""
    path = str(tmp_path / "azureml-bi" / "7")
    umask(mask)
    assert privatedir.make(path) == path
    assert (mode(path), mode(tmp_path / "azureml-bi")) == (0o700, 0o700)


def test_what_is_above_is_made(tmp_path):
    """The job's temp directory is made if it is missing."""
    path = str(tmp_path / "job" / "temp" / "azureml-bi" / "7")
    assert os.path.isdir(privatedir.make(path))


def test_it_may_be_there(tmp_path):
    """Asked again it is the same directory, and what is in it stays."""
    path = tmp_path / "azureml-bi" / "7"
    privatedir.make(str(path))
    (path / "file").write_text("kept")
    assert privatedir.make(str(path)) == str(path)
    assert (path / "file").read_text() == "kept"


@pytest.mark.parametrize("wide", [0o777, 0o755, 0o710, 0o1777])
def test_an_open_directory_is_closed(tmp_path, wide):
    """A directory of ours that others could enter is closed to them."""
    path = tmp_path / "azureml-bi" / "7"
    path.mkdir(parents=True)
    path.chmod(wide)
    path.parent.chmod(wide)
    privatedir.make(str(path))
    assert (mode(path) & 0o777, mode(path.parent) & 0o777) == (0o700, 0o700)


def plant_link(path):
    (path.parent / "elsewhere").mkdir(mode=0o700)
    path.symlink_to(path.parent / "elsewhere")


def plant_dangling_link(path):
    path.symlink_to(path.parent / "nowhere")


def plant_file(path):
    path.write_text("")


def plant_fifo(path):
    os.mkfifo(path)


@pytest.mark.parametrize("plant", [plant_link, plant_dangling_link, plant_file, plant_fifo])
@pytest.mark.parametrize("name", ["azureml-bi", "azureml-bi/7"])
def test_what_was_planted_is_refused(tmp_path, plant, name):
    """A link, a file or a FIFO in the directory's or its parent's place is refused, with a remedy."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    plant(tmp_path / name)
    with pytest.raises(TempDirectoryError, match="is a link or a file; set AZ_BATCHAI_JOB_TEMP") as caught:
        privatedir.make(str(tmp_path / "azureml-bi" / "7"))
    assert isinstance(caught.value, OSError)
    assert str(tmp_path / name) in str(caught.value)
    assert not (tmp_path / "elsewhere").exists() or not os.listdir(tmp_path / "elsewhere")


def test_what_cant_be_made_is_refused(tmp_path):
    """Where the directories above can't be made, the error names the path and a remedy."""
    (tmp_path / "job").write_text("a file")
    with pytest.raises(TempDirectoryError, match=r"can't be used: .*; set AZ_BATCHAI_JOB_TEMP"):
        privatedir.make(str(tmp_path / "job" / "azureml-bi" / "7"))


def test_an_error_without_a_text_of_its_own_is_told(tmp_path, monkeypatch):
    """An OSError that has only a message is shown by it."""

    def fail(path, mode):
        raise OSError("no such luck")

    monkeypatch.setattr(os, "mkdir", fail)
    with pytest.raises(TempDirectoryError, match="can't be used: no such luck; "):
        privatedir.make(str(tmp_path / "azureml-bi" / "7"))


@as_root
def test_the_directory_of_another_is_refused(tmp_path):
    """A directory that somebody else owns is not used, however inviting its mode."""
    path = tmp_path / "azureml-bi" / "7"
    path.mkdir(parents=True)
    os.chown(path, SOMEBODY, SOMEBODY)
    path.chmod(0o777)
    with pytest.raises(TempDirectoryError, match=f"belongs to user {SOMEBODY}"):
        privatedir.make(str(path))
    assert mode(path) == 0o777


@as_root
def test_where_another_has_the_parent_ours_is_beside_it(tmp_path):
    """On a machine that several people use, each has a parent directory of one's own."""
    parent = tmp_path / "azureml-bi"
    parent.mkdir()
    os.chown(parent, SOMEBODY, SOMEBODY)
    made = privatedir.make(str(parent / "7"))
    assert made == f"{parent}-{os.geteuid()}/7"
    assert (mode(made), mode(os.path.dirname(made))) == (0o700, 0o700)
    assert os.listdir(parent) == []


@as_root
def test_where_another_has_that_name_too_it_is_refused(tmp_path):
    """Nobody can lend us a parent under our own name."""
    for parent in (tmp_path / "azureml-bi", tmp_path / f"azureml-bi-{os.geteuid()}"):
        parent.mkdir()
        os.chown(parent, SOMEBODY, SOMEBODY)
    with pytest.raises(TempDirectoryError, match=f"belongs to user {SOMEBODY}"):
        privatedir.make(str(tmp_path / "azureml-bi" / "7"))
