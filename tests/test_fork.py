"""Promise 2: one live process, one file; no fork can hang a child or double a line."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

CONFIGURED = """
import multiprocessing
helper = EntryScriptHelper()
log = helper.config("x")
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("child_configures", [True, False])
def test_children(workplace, method, child_configures):
    """A child writes to its own file, each line once, whether or not it calls config()."""
    workplace.run(
        f"""
        import multiprocessing
        class Mine(EntryScriptHelper):
            pass
        def child(number):
            if {child_configures}:
                Mine().config("x")
            logging.getLogger("x").info("child %d", number)
        if __name__ == "__main__":
            log = Mine().config("x")
            log.info("parent")
            context = multiprocessing.get_context("{method}")
            children = [context.Process(target=child, args=(n,), name=f"Child-{{n}}") for n in range(3)]
            for process in children: process.start()
            for process in children: process.join()
            log.info("parent again")
        """
    )
    assert sorted(workplace.files()) == ["Child-0.txt", "Child-1.txt", "Child-2.txt", "MainProcess.txt"]
    for number in range(3):
        assert workplace.records(f"Child-{number}.txt") == [f"child {number}"]
    assert workplace.records() == ["parent", "parent again"]


def test_spawned_child_inherits_what_was_chosen(workplace):
    """A spawned child and its own child log with the level, format and directory of their ancestor."""
    workplace.run(
        """
        import multiprocessing
        def child(deeper):
            os.chdir("/")
            logging.getLogger("x").debug("here")
            if deeper:
                process = multiprocessing.get_context("spawn").Process(target=child, args=(False,), name="Grandchild")
                process.start(); process.join()
        if __name__ == "__main__":
            EntryScriptHelper().config("x", "DEBUG", json=True)
            process = multiprocessing.get_context("spawn").Process(target=child, args=(True,), name="Child")
            process.start(); process.join()
        """
    )
    assert [record["event"] for record in workplace.objects("Child.jsonl")] == ["here"]
    assert [record["process_name"] for record in workplace.objects("Grandchild.jsonl")] == ["Grandchild"]


def test_helper_that_cannot_be_pickled(workplace):
    """A helper that can't be pickled, or not be read back, keeps no child from starting."""
    workplace.run(
        """
        import multiprocessing, threading
        class Mine(EntryScriptHelper):
            def __init__(self): self.lock = threading.Lock()
        class Unreadable(EntryScriptHelper):
            def __setstate__(self, state): raise ValueError("unreadable")
        def child():
            logging.getLogger("x").info("child")
        if __name__ == "__main__":
            Mine().config("x")
            Unreadable().config("y")
            process = multiprocessing.get_context("spawn").Process(target=child, name="Child")
            process.start(); process.join()
            assert process.exitcode == 0
        """,
        stderr=None,
    )
    assert workplace.records("Child.txt") == ["child"]
    assert workplace.said == "entry_script_helper: a logger was not inherited: unreadable\n"


def test_pool_with_renewed_workers(workplace):
    """Workers of a pool that are renewed after each task lose, double and share no line."""
    workplace.run(
        """
        import multiprocessing
        def task(number):
            config("x").info("task %d", number)
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(3, maxtasksperchild=1) as pool:
                pool.map(task, range(12), chunksize=1)
        """
    )
    found = [message for name in workplace.files() for message in workplace.records(name)]
    assert sorted(found) == sorted(f"task {number}" for number in range(12))
    assert len(workplace.files()) == 12


def test_raw_fork(workplace):
    """A child of os.fork() writes beside its parent's file, by its process id; after its parent's end too."""
    printed = workplace.run(
        CONFIGURED,
        """
        log.info("parent")
        child = os.fork()
        log.info("both")
        if child:
            os.waitpid(child, 0)
            print(child)
        else:
            print(helper.get_log_file_path(), flush=True)
            os._exit(0)
        """,
    )
    path, child = printed.split()
    assert os.path.basename(path) == f"MainProcess.{child}.txt"
    assert workplace.records() == ["parent", "both"]
    assert workplace.records(f"MainProcess.{child}.txt") == ["both"]


def test_fork_while_threads_log(workplace):
    """No fork hangs a child whatever the parent's threads hold at that moment, and no line is lost or doubled."""
    workplace.run(
        CONFIGURED,
        """
        import threading, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 advises against what is tested here
        going = True
        counts = [0] * 4
        def chat(index):
            while going:
                log.info("thread %d %d %s", index, counts[index], "x" * 300)
                counts[index] += 1
        threads = [threading.Thread(target=chat, args=(index,)) for index in range(4)]
        for thread in threads: thread.start()
        for number in range(60):
            child = os.fork()
            if child == 0:
                log.info("child %d", number)
                config("x").info("child %d again", number)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        going = False
        for thread in threads: thread.join()
        print(*counts)
        """,
    )
    children = [
        message for name in workplace.files() if name != "MainProcess.txt" for message in workplace.records(name)
    ]
    assert sorted(children) == sorted(text for n in range(60) for text in (f"child {n}", f"child {n} again"))
    parent = [tuple(map(int, message.split()[1:3])) for message in workplace.records()]
    assert len(parent) == len(set(parent))
    for index in range(4):
        numbers = [number for thread, number in parent if thread == index]
        assert numbers == list(range(len(numbers)))


def test_what_waits_stays_with_the_parent(workplace):
    """Records that wait while a fork happens are written by the parent alone."""
    workplace.run(
        CONFIGURED,
        """
        os.rename("logs", "away"); open("logs", "w").close()
        log.info("waits")
        os.remove("logs")
        child = os.fork()
        log.info("child" if child == 0 else "parent")
        if child == 0: os._exit(0)
        os.waitpid(child, 0)
        """,
        stderr=None,
    )
    found = [message for name in workplace.files() for message in workplace.records(name)]
    assert sorted(found) == ["child", "parent", "waits"]


def test_records_that_find_no_path_stay_with_the_parent(workplace):
    """Records that wait for a path while a fork happens are written by the parent alone."""
    workplace.run(
        """
        broken = True
        class Mine(EntryScriptHelper):
            def get_working_dir(self):
                if broken: raise OSError("mine")
                return os.getcwd()
        log = Mine().config("x")
        log.info("waits")
        child = os.fork()
        broken = False
        log.info("child" if child == 0 else "parent")
        if child == 0: os._exit(0)
        os.waitpid(child, 0)
        """,
        stderr=None,
    )
    found = [message for name in workplace.files() for message in workplace.records(name)]
    assert sorted(found) == ["child", "parent", "waits"]


def test_processes_of_one_name(workplace):
    """Processes that are all MainProcess and alive at once never share a file; a successor takes the free one."""
    code = "config('x').info('a %d', os.getpid()); print('ready', flush=True); sys.stdin.read()"
    processes = [workplace.start(code, stdin=subprocess.PIPE) for _ in range(5)]
    for process in processes:
        process.stdout.readline()
    assert len(workplace.files()) == 5
    for process in processes:
        process.communicate()
    for text in workplace.files().values():
        assert text.count("\n") == 1
    workplace.run("config('x').info('successor')")
    assert "successor" in workplace.files()["MainProcess.txt"]
    assert len(workplace.files()) == 5


def test_predecessor_holds_through_its_child(workplace):
    """A forked child that never logs does not keep its dead parent's file from a successor."""
    process = workplace.start(
        CONFIGURED,
        """
        log.info("parent")
        if os.fork():
            os._exit(0)
        os.close(0); os.close(1); os.close(2)
        import time; time.sleep(30)
        """,
    )
    process.communicate()
    workplace.run("config('x').info('successor')")
    assert workplace.records() == ["parent", "successor"]


def test_agents(workplace):
    """The cloud's agents, all MainProcess, write by their agent's name."""
    process = workplace.start("sys.argv.append('{\"agent_name\": \"process007\"}'); config('x').info('a')")
    process.communicate()
    assert workplace.records("process007.txt") == ["a"]


@pytest.mark.parametrize(
    "name",
    ["../../escape", "/etc/passwd", "a/b", "", ".", "..", "x" * 300, "処理", "nul\\0", "new\\nline", "a.1", "con|:*?"],
)
def test_hostile_process_names(workplace, name):
    """Whatever a process is called, its file is in its node's folder."""
    workplace.run(
        f"""
        import multiprocessing
        multiprocessing.current_process().name = "{name}"
        config("x").info("a")
        """
    )
    (file,) = workplace.files()
    assert workplace.records(file) == ["a"]
    assert [path.name for path in workplace.path.rglob("*.txt")] == [file]


def test_nodes_of_one_mount(workplace):
    """Nodes that share one mount write to different folders."""
    for node in ("10.0.0.5", "10.0.0.6"):
        workplace.run("config('x').info('a')", env={"AZ_BATCHAI_WORKER_IP": node})
    assert sorted(path.name for path in (workplace.path / "logs/user").iterdir()) == ["10.0.0.5", "10.0.0.6"]


@pytest.mark.skipif(shutil.which("unshare") is None or os.geteuid() != 0, reason="needs a name space of its own")
def test_nodes_without_a_network(workplace):
    """A node without any network has its host's name."""
    workplace.run("config('x')")
    script = next(workplace.path.glob("script_*.py"))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AZ")}
    import sys

    subprocess.run(["unshare", "-n", sys.executable, str(script)], cwd=workplace.path, env=environ, check=True)
    assert (workplace.path / "logs/user" / os.uname().nodename / "MainProcess.txt").exists()


def test_changed_process_name(workplace):
    """config() after the process was renamed goes to the file of the new name."""
    workplace.run(
        CONFIGURED,
        """
        log.info("old")
        multiprocessing.current_process().name = "New"
        config("x").info("new")
        """,
    )
    assert workplace.records() == ["old"]
    assert workplace.records("New.txt") == ["new"]


def test_overridden_path_is_obeyed(workplace):
    """A path that a subclass chose is used as it is, by several processes too, in whole lines."""
    workplace.run(
        """
        class Mine(EntryScriptHelper):
            def get_log_file_path(self):
                return "mine.log"
        log = Mine().config("x")
        children = []
        for number in range(3):
            child = os.fork()
            if child == 0:
                for record in range(200):
                    log.info("%d %s", number, "x" * 1000)
                os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        """
    )
    from conftest import messages

    found = messages((workplace.path / "mine.log").read_text())
    assert len(found) == 600
    assert {len(message) for message in found} == {1002}
