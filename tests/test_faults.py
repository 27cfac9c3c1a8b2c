"""Promises 3 and 4: a record whose call returned is in the file, once and whole; logging never stops scoring."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

CONFIGURED = """
helper = EntryScriptHelper()
log = helper.config("x")
path = helper.get_log_file_path()
"""

AS_NOBODY = """
if os.geteuid() == 0:
    os.chmod(".", 0o755)
    os.setgid(65534); os.setuid(65534)
"""


def test_deleted_file(workplace):
    """A record after the file was deleted is in a new file of the same name."""
    workplace.run(CONFIGURED, "log.info('a'); os.remove(path); log.info('b'); log.info('c')")
    assert workplace.records() == ["b", "c"]


def test_deleted_tree(workplace):
    """A record after the whole tree was deleted is in a new tree."""
    workplace.run(CONFIGURED, "import shutil; log.info('a'); shutil.rmtree('logs'); log.info('b')")
    assert workplace.records() == ["b"]


def test_renamed_file(workplace):
    """A record after logrotate renamed the file is in a new one; the renamed one keeps its own."""
    workplace.run(CONFIGURED, "log.info('a'); os.rename(path, path + '.1'); log.info('b')")
    assert workplace.records("MainProcess.txt.1") == ["a"]
    assert workplace.records() == ["b"]


def test_replaced_file(workplace):
    """A record after logrotate renamed the file and made an empty one is in the empty one."""
    workplace.run(CONFIGURED, "log.info('a'); os.rename(path, path + '.1'); open(path, 'w').close(); log.info('b')")
    assert workplace.records() == ["b"]


def test_renamed_directory(workplace):
    """A record after a directory above was renamed is below the name that was asked for."""
    workplace.run(CONFIGURED, "log.info('a'); os.rename('logs', 'old'); log.info('b')")
    assert workplace.records() == ["b"]


def test_truncated_file(workplace):
    """After the file was truncated in place, records go on at its start: no hole, no half line."""
    workplace.run(CONFIGURED, "log.info('a'); os.truncate(path, 0); log.info('b')")
    assert workplace.records() == ["b"]


def test_disk_full_and_back(workplace):
    """What did not fit on the disk is written, in order and whole, when there is room again."""
    workplace.run(
        CONFIGURED,
        """
        import resource
        log.info("first")
        resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(path) + 100, resource.RLIM_INFINITY))
        for number in range(50):
            log.info("record %d", number)
        held = open(path).read()
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        log.info("last")
        print(held, end="")
        """,
        stderr=None,
    )
    assert workplace.records() == ["first", *[f"record {number}" for number in range(50)], "last"]
    assert workplace.said.count("can't write") == 1
    assert workplace.said.count("record ") == 49


def test_disk_that_stays_full(workplace):
    """Where there is never room again, the file ends with a whole line and stderr has the rest."""
    workplace.run(
        CONFIGURED,
        """
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        for number in range(9):
            log.info("record %d", number)
        """,
        stderr=None,
    )
    text = (workplace.folder / "MainProcess.txt").read_text()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    for number in range(1, 9):
        assert f"record {number}\n" in workplace.said
    assert "on stderr: 8 record(s)" in workplace.said


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_full_disk(workplace):
    """On a real disk that is full and then has room, nothing is lost."""
    disk = workplace.path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        workplace.run(
            """
            log = config("x")
            fill = os.open("fill", os.O_WRONLY | os.O_CREAT)
            try:
                while True:
                    os.write(fill, b"x" * 1000)
            except OSError:
                pass
            for number in range(200):
                log.info("record %d %s", number, "y" * 50)
            os.remove("fill")
            os.close(fill)
            log.info("last")
            """,
            cwd=disk,
            stderr=None,
        )
        text = (disk / "logs/user/10.0.0.4/MainProcess.txt").read_text().splitlines()
        assert [line.rpartition("|")[2] for line in text] == [
            *[f"record {number} {'y' * 50}" for number in range(200)],
            "last",
        ]
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_too_many_wait(workplace):
    """When more wait than the bound, the file says how many were dropped, and stderr has had each."""
    workplace.run(
        CONFIGURED,
        """
        from entry_script_helper import logfile
        logfile.MOST_WAITING_RECORDS = 10
        os.rename("logs", "away"); open("logs", "w").close()
        for number in range(25):
            log.info("record %d", number)
        os.remove("logs")
        log.info("last")
        """,
        stderr=None,
    )
    assert workplace.records() == [
        *[f"record {number}" for number in range(10)],
        "15 records were dropped here: the file could not be written and too many waited",
        "last",
    ]
    assert workplace.said.count("|record ") == 25


def test_too_many_bytes_wait(workplace):
    """The bound counts bytes as well as records."""
    workplace.run(
        CONFIGURED,
        """
        from entry_script_helper import logfile
        logfile.MOST_WAITING_BYTES = 1000
        os.rename("logs", "away"); open("logs", "w").close()
        for number in range(3):
            log.info("x" * 1000)
        os.remove("logs")
        log.info("last")
        """,
        stderr=None,
    )
    assert [message[:3] for message in workplace.records()] == ["xxx", "2 r", "las"]


def test_read_only_directory(workplace):
    """Where nothing can be made, records go to stderr, said once; when it can be, they are in the file."""
    (workplace.path / "place").mkdir()
    (workplace.path / "place").chmod(0o555)
    workplace.run(
        AS_NOBODY,
        """
        log = EntryScriptHelper("place").config("x")
        config("x"); log = EntryScriptHelper("place").config("x")
        log.info("a"); log.info("b")
        """,
        stderr=None,
    )
    assert workplace.said.count("can't") <= 2
    assert workplace.said.count("|a\n") == workplace.said.count("|b\n") == 1


def test_file_where_a_directory_should_be(workplace):
    """A file in the directory's place does not stop scoring; once it is gone, all records are in the log file."""
    workplace.run(
        """
        open("logs", "w").close()
        log = config("x")
        log.info("a")
        os.remove("logs")
        log.info("b")
        """,
        stderr=None,
    )
    assert workplace.records() == ["a", "b"]
    assert workplace.said.count("entry_script_helper:") == 1


def test_waiting_records_are_written_at_exit(workplace):
    """What waits is written at the end of the process if it can be, though no other record comes."""
    workplace.run(
        CONFIGURED,
        """
        os.rename("logs", "away"); open("logs", "w").close()
        log.info("a")
        os.remove("logs")
        """,
        stderr=None,
    )
    assert workplace.records() == ["a"]


@pytest.mark.parametrize(
    "plant",
    ["os.symlink('/etc/hostname', path)", "os.mkfifo(path)", "os.mkdir(path)", "os.symlink('target', path)"],
)
def test_planted_path(workplace, plant):
    """A link, a FIFO or a directory in the file's place is neither followed nor waited for nor written to."""
    printed = workplace.run(
        f"""
        path = os.path.abspath("logs/user/10.0.0.4/MainProcess.txt")
        os.makedirs(os.path.dirname(path))
        {plant}
        helper = EntryScriptHelper()
        log = helper.config("x")
        log.info("a")
        print(helper.get_log_file_path())
        print(log.handlers[0].baseFilename)
        """
    )
    one, other = printed.split()
    assert one == other
    assert workplace.records(os.path.basename(one)) == ["a"]
    assert os.path.basename(one) != "MainProcess.txt"
    assert not (workplace.folder / "target").exists()


def test_planted_link_at_an_overridden_path(workplace):
    """A link at a path that a subclass chose is not followed: the records are on stderr."""
    workplace.run(
        """
        class Mine(EntryScriptHelper):
            def get_log_file_path(self):
                return "mine.txt"
        os.symlink("target", "mine.txt")
        Mine().config("x").info("a")
        """,
        stderr=None,
    )
    assert not (workplace.path / "target").exists()
    assert "|a\n" in workplace.said


def test_no_descriptors(workplace):
    """With no free file descriptor the records wait, and are all in the right file when there is one."""
    workplace.run(
        """
        os.environ.pop("AZ_BATCHAI_WORKER_IP")
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))
        held = []
        try:
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass
        helper = EntryScriptHelper()
        log = helper.config("x")
        log.info("a"); log.info("b")
        helper.get_log_file_path()
        for descriptor in held:
            os.close(descriptor)
        log.info("c")
        print(helper.get_log_file_path())
        assert [line.split("|")[-1].strip() for line in open(helper.get_log_file_path())] == ["a", "b", "c"]
        """,
        stderr=None,
    )
    assert "Too many open files" in workplace.said


@pytest.mark.parametrize("close", ["sys.stderr = None", "sys.stderr.close()", "os.close(2)"])
def test_closed_stderr(workplace, close):
    """Without a stderr, faults stop nothing, and the log file does not take its number."""
    workplace.run(
        f"""
        {close}
        open("logs", "w").close()
        log = config("x")
        log.info("a")
        os.remove("logs")
        log.info("b")
        os.write(1, b"")
        try:
            os.write(2, b"printed by somebody")
        except OSError:
            pass
        """,
        stderr=None,
    )
    assert workplace.records() == ["a", "b"]


def test_no_standard_streams(workplace):
    """A process that was started with closed streams does not print into its log."""
    process = workplace.start(
        "log = config('x'); log.info('a'); print('printed'); os.system('echo shell')", close_fds=True
    )
    process.communicate()
    subprocess.run(
        f"{sys.executable} {next(workplace.path.glob('script_*.py'))} >&- 2>&- <&-",
        shell=True,
        cwd=workplace.path,
        env={**os.environ, "AZ_BATCHAI_WORKER_IP": "10.0.0.4"},
        check=False,
    )
    assert workplace.records() == ["a", "a"]


def test_closed_descriptors(workplace):
    """A daemon that closes all descriptors loses no record, and its own next file gets none of ours."""
    workplace.run(
        CONFIGURED,
        """
        log.info("a")
        os.closerange(3, 100)
        mine = open("mine", "w")
        log.info("b")
        mine.write("kept"); mine.close()
        log.info("c")
        """,
    )
    assert workplace.records() == ["a", "b", "c"]
    assert (workplace.path / "mine").read_text() == "kept"


def test_wrong_arguments(workplace):
    """A call whose arguments don't fit, or whose values raise, leaves a readable record and raises nothing."""
    workplace.run(
        CONFIGURED,
        """
        class Bad:
            def __str__(self): raise ValueError("no")
            __repr__ = __str__
        log.info("%d items", "x")
        log.info("too %s %s", 1)
        log.info("few", 1)
        log.info("%s", Bad())
        log.info(Bad())
        log.info({"a": Bad()})
        log.info("%(a)s", {"b": 1})
        log.info("exc", exc_info=(1, 2))
        log.info(None); log.info(12); log.info(b"x")
        """,
    )
    records = workplace.records()
    assert len(records) == 11
    assert records[0].startswith("%d items (could not be formatted with ('x')")
    assert "Bad object" in records[3]


def test_failing_filter_and_formatter(workplace):
    """A filter or formatter of somebody else that raises loses no record; a secret is replaced in its lines too."""
    workplace.run(
        CONFIGURED,
        """
        class Broken(logging.Formatter):
            def format(self, record): raise ValueError
        handler = log.handlers[0]
        def refuse(record): raise ValueError
        handler.addFilter(refuse)
        log.info("a")
        handler.setFormatter(Broken())
        log.info("b")
        handler.filters.clear()
        handler.setFormatter(logging.Formatter("2026-01-01 00:00:00,000|x|INFO|1|1|f()|mine %(message)s"))
        log.info("password=abc\\nsecond")
        handler.addFilter(lambda record: False)
        log.info("refused")
        handler.setFormatter(None)
        handler.filters.clear()
        log.info("last")
        """,
    )
    assert workplace.records() == ["a", "b", "mine password=[REDACTED]\nsecond", "last"]


def test_large_message(workplace):
    """A message of 64 MB is one whole record."""
    workplace.run(CONFIGURED, "log.info('x' * (64 << 20)); log.info('b')")
    first, second = workplace.records()
    assert len(first) == 64 << 20
    assert second == "b"


@pytest.mark.parametrize(
    "listener", ["", "logging.root.addHandler(logging.NullHandler())", "log.addFilter(lambda record: True)"]
)
def test_recursion(workplace, listener):
    """Logging at the end of the stack raises nothing of its own; every record whose call returned is there once."""
    printed = workplace.run(
        CONFIGURED,
        listener,
        """
        done = []
        def deeper(level):
            log.info("level %d", level)
            done.append(level)
            deeper(level + 1)
        try:
            deeper(0)
        except RecursionError:
            log.exception("caught")
        print(len(done))
        """,
    )
    records = [message for message in workplace.records() if message.startswith("level")]
    count = int(printed)
    assert [f"level {level}" for level in range(count)] == records[:count]
    assert len(records) - count <= 1
    assert workplace.records()[-1].startswith("caught\nTraceback")


def test_endless_value(workplace):
    """A value whose text never ends is written as far as can be said."""
    workplace.run(
        CONFIGURED,
        """
        class Endless:
            def __str__(self): return str(self)
        log.info("a %s", Endless())
        log.info("b")
        """,
    )
    first, second = workplace.records()
    assert first.startswith("a %s (this record could not be formatted")
    assert second == "b"


def test_text_that_logs(workplace):
    """An argument that logs while it is being formatted, or waits for a thread that does, hangs nothing."""
    workplace.run(
        CONFIGURED,
        """
        import threading
        class Chatty:
            def __str__(self):
                log.info("inner")
                thread = threading.Thread(target=log.info, args=("thread",))
                thread.start(); thread.join()
                return "outer"
        log.info("%s", Chatty())
        """,
    )
    assert workplace.records() == ["inner", "thread", "outer"]


def test_signal_handler(workplace):
    """Signal handlers that log in the midst of logging lose, double and garble nothing."""
    printed = workplace.run(
        CONFIGURED,
        """
        import itertools, signal
        log.info("signal: the patterns are compiled now, which takes longer than the time between two signals")
        count = itertools.count()
        def handle(number, frame):
            log.info("signal %d", next(count))
        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        for number in range(5000):
            log.info("record %d", number)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(next(count))
        """,
    )
    records = workplace.records()
    assert [message for message in records if message.startswith("record")] == [f"record {n}" for n in range(5000)]
    assert sorted(m for m in records if m.startswith("signal ")) == sorted(f"signal {n}" for n in range(int(printed)))


def test_destructor_and_shutdown(workplace):
    """Records of destructors, of late atexit functions and after logging.shutdown() are in the file."""
    workplace.run(
        """
        import atexit
        atexit.register(lambda: log.info("late"))
        import logging.handlers
        log = config("x")
        class Dying:
            def __init__(self, name): self.name = name
            def __del__(self): log.info("destroyed %s", self.name)
        Dying("now")
        logging.shutdown()
        log.info("after shutdown")
        last = Dying("at exit")
        cycle = Dying("cycle"); cycle.itself = cycle
        """
    )
    records = workplace.records()
    assert records[:3] == ["destroyed now", "after shutdown", "late"]
    assert sorted(records[3:]) == ["destroyed at exit", "destroyed cycle"]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("os._exit(3)", 3),
        ("os.kill(os.getpid(), 9)", -9),
        ("os.kill(os.getpid(), 15)", -15),
        ("os.abort()", -6),
        ("sys.exit(4)", 4),
    ],
)
def test_sudden_end(workplace, end, code):
    """A record whose call returned survives whatever ends the process next."""
    workplace.run(CONFIGURED, f"log.info('a'); config('x', json=True).info('b'); {end}", returncode=code)
    assert workplace.records() == ["a"]
    assert [record["event"] for record in workplace.objects()] == ["b"]


def test_killed_in_the_midst(workplace):
    """A process that is killed while it logs leaves whole lines, and its successor goes on in the same file."""
    process = workplace.start(CONFIGURED, "print('ready', flush=True)\nwhile True: log.info('x' * 500)")
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    workplace.run(CONFIGURED, "log.info('successor')")
    assert list(workplace.files()) == ["MainProcess.txt"]
    assert workplace.records()[-1] == "successor"


def test_predecessor_died_within_a_line(workplace):
    """The first record starts on a line of its own though the last process's last line was cut."""
    workplace.folder.mkdir(parents=True)
    (workplace.folder / "MainProcess.txt").write_text("cut")
    workplace.run(CONFIGURED, "log.info('a')")
    cut, line = (workplace.folder / "MainProcess.txt").read_text().splitlines()
    assert cut == "cut"
    assert line.endswith("|a")


def test_c_locale(workplace):
    """Japanese text is UTF-8 in the file whatever the locale, and in the path."""
    place = workplace.path / "作業"
    place.mkdir()
    workplace.run(
        "config('x').info('処理 %s', '完了')",
        cwd=place,
        env={"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    )
    text = (place / "logs/user/10.0.0.4/MainProcess.txt").read_text(encoding="utf-8")
    assert text.endswith("|処理 完了\n")


def test_hostile_text(workplace):
    """Lone surrogates, forged records and control characters stay within their record's lines."""
    workplace.run(
        CONFIGURED,
        r"""
        log.info("lone \udc80 surrogate")
        log.info("a\n2026-01-01 00:00:00,000|x|INFO|1|1|f()|forged")
        log.info("a\r2026-01-01 00:00:00,000|x|INFO|1|1|f()|forged")
        log.info("a\x852026\u2028b\x0bc\x1b[2J\0")
        """,
    )
    records = workplace.records()
    assert len(records) == 4
    assert records[0] == r"lone \udc80 surrogate"
    assert records[1].startswith("a\n2026")


@pytest.mark.parametrize("names", ["raise OSError('no DNS')", "return '127.0.0.1'", "import time; time.sleep(60)"])
def test_names_are_not_asked(workplace, names):
    """A DNS that fails, lies or takes a minute changes nothing: it is not asked."""
    workplace.run(
        f"""
        import socket
        def resolve(*arguments):
            {names}
        socket.gethostbyname = socket.getaddrinfo = socket.gethostbyname_ex = resolve
        os.environ.pop("AZ_BATCHAI_WORKER_IP")
        config("x").info("a")
        """
    )
    (node,) = (workplace.path / "logs/user").iterdir()
    assert not node.name.startswith("127.")


def test_deleted_current_directory(workplace):
    """A process whose current directory is gone logs below the temp directory."""
    workplace.run(
        """
        os.mkdir("gone"); os.chdir("gone"); os.rmdir(os.getcwd())
        log = config("x")
        log.info("a")
        print(log.handlers[0].baseFilename)
        """,
        env={"TMPDIR": str(workplace.path)},
    )
    assert workplace.records() == ["a"]


def test_raising_getter(workplace):
    """A getter of a subclass that raises does not stop scoring: the records are on stderr, and wait."""
    workplace.run(
        """
        broken = True
        class Mine(EntryScriptHelper):
            def get_working_dir(self):
                if broken: raise KeyError("mine")
                return os.getcwd()
        log = Mine().config("x")
        log.info("a")
        assert log.handlers[0].baseFilename == ""
        broken = False
        log.info("b")
        """,
        stderr=None,
    )
    assert workplace.records() == ["a", "b"]
    assert "KeyError" in workplace.said or "mine" in workplace.said


def test_too_many_wait_for_a_path(workplace):
    """What waits for a path is bounded too, and what was dropped is counted in the file."""
    workplace.run(
        """
        from entry_script_helper import handler
        handler._MOST_POSTPONED = 3
        broken = True
        class Mine(EntryScriptHelper):
            def get_log_dir(self):
                if broken: raise OSError(5, "mine")
                return os.path.abspath("logs")
        log = Mine().config("x")
        for number in range(5):
            log.info("%d", number)
        broken = False
        log.info("last")
        """,
        stderr=None,
    )
    assert workplace.records() == ["0", "1", "2", "2 records were dropped here: too many waited", "last"]


def test_unformattable_record(workplace):
    """A record that not even our formatter can write is written as far as can be said."""
    workplace.run(
        CONFIGURED,
        """
        class Mapping(dict):
            def items(self): raise ValueError
        log.handle(logging.makeLogRecord({"name": "x", "levelno": 20, "msg": "a", "_entry_script_helper_fields": Mapping(a=1)}))
        """,
    )
    assert workplace.records() == ["a (this record could not be formatted)"]


@pytest.mark.parametrize("end", ["log.info('last')", "pass", "log.handlers[0].flush()"])
def test_deleted_in_a_burst(workplace, end):
    """Records of a burst that went to a file deleted a moment before are in the new file, each once and in order."""
    workplace.run(
        CONFIGURED,
        f"""
        for number in range(2000):
            log.info("before %d", number)
        os.remove(path)
        for number in range(20):
            log.info("after %d", number)
        {end}
        """,
    )
    after = [message for message in workplace.records() if message.startswith("after")]
    assert after == [f"after {number}" for number in range(20)]


def test_all_descriptors_closed(workplace):
    """A daemon that closes every descriptor there can be loses no record."""
    workplace.run(CONFIGURED, "log.info('a'); os.closerange(3, 5000); log.info('b'); log.info('c')")
    assert workplace.records() == ["a", "b", "c"]
