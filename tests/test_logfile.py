"""What can go wrong within one write, one claim or one handler, made to happen at the very place."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from multiprocessing import process

import pytest

from entry_script_helper import EntryScriptHelper, config, handler, inheritance, logfile, openfiles, processstate
from entry_script_helper.formatting import TextFormatter
from entry_script_helper.logfile import LogFile


@pytest.fixture
def file(tmp_path):
    file = LogFile(str(tmp_path / "a.txt"), claimed=True, report=lambda text: f"{text}\n".encode())
    yield file
    file.close()


@pytest.fixture
def _place(tmp_path, monkeypatch):
    monkeypatch.setenv("ENTRY_SCRIPT_HELPER_WORKING_DIR", str(tmp_path))
    monkeypatch.setenv("AZ_BATCHAI_WORKER_IP", "10.0.0.4")


def text_of(file):
    with open(file.path, encoding="utf-8") as found:
        return found.read()


def test_short_write(file, monkeypatch):
    """A record that the kernel takes in pieces is whole."""
    write = os.write
    monkeypatch.setattr(logfile.os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    assert file.write(b"0123456789\n")
    assert text_of(file) == "0123456789\n"


@pytest.mark.parametrize("refused", [False, True])
def test_trouble_within_a_burst(file, monkeypatch, refused):
    """In a burst, too, a record that the kernel takes in pieces or refuses at first is whole, and once."""
    write = os.write
    file.write(b"first\n")
    file.steady_until = float("inf")
    calls = []

    def once(descriptor, data):
        calls.append(data)
        if len(calls) > 1:
            return write(descriptor, data)
        if refused:
            raise OSError(errno.EIO, "once")
        return write(descriptor, data[:3])

    monkeypatch.setattr(logfile.os, "write", once)
    assert file.write(b"0123456789\n")
    assert text_of(file) == "first\n0123456789\n"


def test_short_write_behind_which_another_wrote(file, tmp_path, monkeypatch):
    """A part behind which somebody else wrote is left, and the record follows whole on a line of its own."""
    file.write(b"first\n")
    calls = []

    def write(descriptor, data):
        calls.append(data)
        if len(calls) == 1:
            with (tmp_path / "a.txt").open("ab") as other:
                os.pwrite(descriptor, data[:3], 0)
                os.lseek(descriptor, -3, os.SEEK_END)
                other.write(b"other")
            return 3
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as context:
        context.setattr(logfile.os, "write", write)
        assert not file.write(b"second\n")
        assert file.trouble.errno == errno.ENOSPC
    assert file.write(b"third\n")
    assert text_of(file).splitlines()[-2:] == ["second", "third"]


def test_record_that_comes_while_the_file_is_being_opened(file, monkeypatch):
    """What a signal handler logs while the file is being opened waits for that, and is written at once then."""
    makedirs = os.makedirs

    def interrupted(*arguments, **options):
        assert file.write(b"signal\n")
        file.open()
        file.drain()
        makedirs(*arguments, **options)

    monkeypatch.setattr(logfile.os, "makedirs", interrupted)
    assert file.write(b"record\n")
    assert text_of(file) == "record\nsignal\n"


def test_deleted_behind_a_drain(file):
    """A record of a burst that comes behind a flush is not written into a file that was deleted meanwhile."""
    file.write(b"first\n")
    file.looked_at, file.steady_until, file._is_unlooked = 0.0, float("inf"), True
    file.write(b"second\n")
    assert file.drain() == 0
    os.remove(file.path)
    file.write(b"third\n")
    assert text_of(file) == "third\n"


def test_report_that_cannot_be_written(file, monkeypatch):
    """The report of dropped records is kept until it can be written."""
    write = os.write

    def refuse(descriptor, data):
        if b"dropped" in data:
            raise OSError(errno.ENOSPC, "full")
        return write(descriptor, data)

    file._dropped = 2
    file._keep(b"waits\n")
    with monkeypatch.context() as context:
        context.setattr(logfile.os, "write", refuse)
        assert not file.write(b"a\n")
        assert file.drain() == 2
    assert file.write(b"b\n")
    assert [line[:9] for line in text_of(file).splitlines()] == ["waits", "a", "2 records", "b"]


@pytest.mark.parametrize(("written", "within"), [("end of the line\n", False), ("more", True), ("", True)])
def test_line_that_another_process_is_writing(tmp_path, monkeypatch, written, within):
    """A line that a live process is just writing to a shared file is not taken for one that a dead process left."""
    path = tmp_path / "shared"
    path.write_text("begin")
    with path.open("a+") as shared:

        def sleep(_seconds):
            shared.write(written)
            shared.flush()

        monkeypatch.setattr(logfile, "sleep", sleep)
        assert logfile.ends_within_a_line(shared.fileno()) is within


def test_name_that_no_file_can_have(tmp_path):
    """A path that can't be is an error of the operating system, at once."""
    file = LogFile(str(tmp_path / ("x" * 300)), claimed=True, report=str.encode)
    with pytest.raises(OSError, match="File name too long"):
        file.open()


def test_every_candidate_is_unfit(tmp_path):
    """Where no path can be had, opening says so, and the wanted path is still named."""
    wanted = str(tmp_path / "a.txt")
    for candidate in logfile.candidates(wanted):
        os.mkdir(candidate)
    with pytest.raises(IsADirectoryError):
        LogFile(wanted, claimed=True, report=str.encode).open()
    assert logfile.free_path(wanted) == wanted


def test_paths_that_are_not_free(tmp_path, file):
    """A file that is held, or is a FIFO, is not free; one that was left is."""
    file.open()
    wanted = file.wanted
    assert logfile.free_path(wanted) == str(tmp_path / f"a.{os.getpid()}.txt")
    file.close()
    assert logfile.free_path(wanted) == wanted
    os.remove(wanted)
    os.mkfifo(wanted)
    assert logfile.free_path(wanted) == str(tmp_path / f"a.{os.getpid()}.txt")


def test_descriptor_that_became_another_file(file, tmp_path):
    """A descriptor whose number was taken over is not closed when the file is given back."""
    file.open()
    with (tmp_path / "mine").open("w") as mine:
        os.dup2(mine.fileno(), file.descriptor)
        taken = file.descriptor
        file.close()
        os.fstat(taken)
        os.close(taken)


def test_no_descriptor_to_move_up_to(monkeypatch):
    """A descriptor that can't be moved up stays as it is."""
    monkeypatch.setattr(logfile, "_HIGH", 1 << 30)
    descriptor = logfile.move_up(os.open("/dev/null", os.O_RDONLY))
    assert 3 <= descriptor < 1 << 30
    os.close(descriptor)

    def refuse(*_):
        raise OSError(errno.EMFILE, "none")

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    assert logfile.move_up(7) == 7


def test_file_system_without_locks(tmp_path, monkeypatch):
    """Without locks a file is ours if we made it, and no other is."""

    def refuse(*_):
        raise OSError(errno.ENOLCK, "none")

    with (tmp_path / "a").open("w") as made:
        monkeypatch.setattr(fcntl, "fcntl", refuse)
        assert logfile.claim(made.fileno(), is_new=True)
        assert not logfile.claim(made.fileno(), is_new=False)


def test_system_that_locks_whole_files(tmp_path, monkeypatch):
    """Where one byte can't be locked, the file is."""
    monkeypatch.setattr(logfile, "_LOCKS_A_BYTE", False)
    with (tmp_path / "a").open("w") as one, (tmp_path / "a").open("w") as other:
        assert logfile.claim(one.fileno(), is_new=True)
        assert not logfile.claim(other.fileno(), is_new=True)


@pytest.mark.usefixtures("_place")
class TestHandler:
    """The handler's own corners."""

    def test_propagation(self):
        """A record that propagates through several configured loggers is written once, by the nearest that takes it."""
        for name, level in (("a", "DEBUG"), ("a.b", "INFO"), ("a.b.c", "ERROR")):
            logger = config(name, level)
        logger.setLevel("DEBUG")
        logger.info("info")
        logger.debug("debug")
        logger.error("error")
        with open(logger.handlers[0].baseFilename, encoding="utf-8") as found:
            assert [line.rpartition("|")[2] for line in found.read().splitlines()] == ["info", "debug", "error"]

    def test_handler_of_an_earlier_load(self):
        """A handler that an earlier load of the package left is replaced, and several become one."""
        logger = config("a")

        class Earlier(logging.Handler):
            is_entry_script_handler = True

        for _ in range(2):
            logger.addHandler(Earlier())
        (kept,) = config("a").handlers
        assert isinstance(kept, handler.EntryScriptHandler)

    def test_formatter_at_the_end_of_the_stack(self):
        """A formatter of somebody else that ends the stack leaves the record with what can be said."""

        class Endless(logging.Formatter):
            def format(self, record):
                return self.format(record)

        logger = config("a")
        logger.handlers[0].setFormatter(Endless())
        logger.info("kept")
        with open(logger.handlers[0].baseFilename, encoding="utf-8") as found:
            assert "kept (this record could not be formatted)" in found.read()

    def test_nothing_can_be_said(self, monkeypatch, capsys):
        """A record of which nothing can be said is spoken of on stderr, and nothing raises."""
        logger = config("a")

        def refuse(*_):
            raise ValueError("not even this")

        monkeypatch.setattr(TextFormatter, "format", refuse)
        logger.info("lost")
        assert "a record could not be written: not even this" in capsys.readouterr().err

    def test_another_thread_writes_what_waits(self, monkeypatch):
        """Two threads that write what waits don't trip over each other."""
        ours = config("a").handlers[0]

        class Emptied(list):
            def __len__(self):
                return 1

            def popleft(self):
                raise IndexError

        monkeypatch.setattr(ours, "postponed", Emptied())
        ours.flush()
        monkeypatch.undo()

    def test_process_without_inheritance(self, monkeypatch):
        """A multiprocessing without the mapping that children inherit is no hindrance."""
        monkeypatch.delattr(process.current_process(), "_config")
        helper = EntryScriptHelper()
        inheritance.remember(helper, helper, "a", 20, {"json": False, "redact": True, "cut": None, "rate": None})

    def test_two_threads_start_at_once(self, monkeypatch):
        """The first of two threads that ask for the open files makes them."""
        first = openfiles.open_files()

        class Late(dict):
            def get(self, _key):
                return None

        monkeypatch.setattr(processstate, "state", lambda: Late(open_files=first))
        assert openfiles.open_files() is first
