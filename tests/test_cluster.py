"""A run on a Dask cluster: what holds on one machine holds there too, whatever joins, leaves, dies or is cut off."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from cluster import Cluster, free_port, kill_all
from engine import Engine, errors, is_gone, wait_until

from entry_script_helper import UsageError
from entry_script_helper.simulator import simulate

pytest.importorskip("distributed")

pytestmark = pytest.mark.cluster

NODES = ("10.0.1.1", "10.0.1.2")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster of two nodes, as their variables have it, with three threads in all."""
    found = Cluster(tmp_path_factory.mktemp("cluster"), f"tcp://127.0.0.1:{free_port()}").start()
    try:
        for number, node in enumerate(NODES):
            found.worker(f"worker{number}", threads=2 - number, variables={"AZ_BATCHAI_WORKER_IP": node})
        found.wait_for_workers(2)
        yield found
    finally:
        found.close()


@pytest.fixture
def own(tmp_path_factory):
    """A cluster that a test may harm: without workers yet."""
    found = Cluster(tmp_path_factory.mktemp("own"), f"tcp://127.0.0.1:{free_port()}").start()
    yield found
    found.close()


class OnCluster(Engine):
    """An engine whose runs are on a cluster."""

    scheduler = ""

    def settings(self, **options):
        return super().settings(**{"scheduler": self.scheduler, "processes": -1, **options})

    def user_logs(self):
        return {
            (file.parent.name, file.name): file.read_text(errors="replace")
            for file in sorted((self.path / "logs" / "user").glob("*/*.txt"))
        }


@pytest.fixture
def engine(tmp_path, cluster):
    engine = OnCluster(tmp_path)
    engine.scheduler = cluster.address
    return engine


@pytest.fixture
def free_engine(tmp_path, own):
    engine = OnCluster(tmp_path)
    engine.scheduler = own.address
    return engine


LOGGING = """
import multiprocessing, os, time
from entry_script_helper import config
def init():
    config().info("init in %s", multiprocessing.current_process().name)
def run(mini_batch):
    print("printed")
    time.sleep(0.01)
    return [os.path.basename(path) for path in mini_batch]
def shutdown():
    config().info("shutdown")
"""


def test_rows_and_logs(engine, cluster):
    """Each mini-batch's rows are in the result file once; each node's logs are in its folder; nothing else is left."""
    names = engine.inputs(100)
    engine.script(LOGGING)
    result = engine.run(resource_monitor_interval=1)
    assert sorted(engine.rows) == names
    assert (result["items"], result["succeeded"], result["failed"], result["processes"]) == (100, 100, 0, 3)
    left = {file.name for file in engine.path.iterdir()} - {"__pycache__"}
    assert left == {"driver.py", "in", "logs", "rows.txt", "score.py"}
    logs = engine.user_logs()
    assert sorted(node for node, _ in logs) == ["10.0.1.1", "10.0.1.1", "10.0.1.2"]
    assert sorted(name for _, name in logs) == ["Process-1.txt", "Process-2.txt", "Process-3.txt"]
    for (_, name), text in logs.items():
        assert text.count(f"|init()|init in {name[:-4]}\n") == text.count("|shutdown()|shutdown\n") == 1
    picked = "".join(file.read_text() for file in (engine.path / "logs" / "worker").glob("*/*.txt"))
    assert picked.count("|completed mini_batch=") == 100
    assert "ip=10.0.1.2" in picked
    for node, processes in (("10.0.1.1", 2), ("10.0.1.2", 1)):
        assert "printed\n" in (engine.path / "logs" / f"70_driver_log_{node}.txt").read_text()
        measured = sorted(file.name for file in (engine.path / "logs" / "performance" / node).iterdir())
        assert [name.rpartition("_")[0] for name in measured] == [
            *[f"process_resource_monitor_{node}"] * processes,
            "sys_resource_monitor",
        ]
    assert "Dask's dashboard: http://" in engine.said
    assert "warning" not in engine.said
    wait_until(lambda: not cluster.children())


def test_failures(engine):
    """A mini-batch that fails is tried again, elsewhere too, and has failed for its last reason."""
    names = engine.inputs(12)
    engine.script("""
        import os
        def run(mini_batch, context):
            if context.minibatch_index == 4 or (context.minibatch_index == 7 and not context.retry_count):
                raise ValueError(f"try {context.retry_count}")
            return [os.path.basename(path) for path in mini_batch]
    """)
    result = engine.run(73)
    assert errors(result) == ["ValueError: try 2"]
    assert 'score.py", line 5, in run' in result["failures"][0]["traceback"]
    assert sorted(engine.rows) == [name for name in names if name != "f0004"]
    assert (result["retries"], result["failed_mini_batches"]) == (3, 1)
    engine.script("")
    result = engine.run(resume=True)
    assert (sorted(engine.rows), result["resumed_mini_batches"]) == (names, 11)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("exit code 3", "os._exit(3)"),
        ("killed by signal 9 (Killed)", "os.kill(os.getpid(), signal.SIGKILL)"),
        ("killed by signal 11 (Segmentation fault)", "ctypes.string_at(0)"),
    ],
)
def test_death(engine, reason, code):
    """A process that dies harms the mini-batch that it was at, and neither another nor the Dask worker."""
    names = engine.inputs(40)
    engine.script(f"""
        import ctypes, os, signal
        def run(mini_batch):
            if mini_batch[0].endswith("20"):
                {code}
            return [os.path.basename(path) for path in mini_batch]
    """)
    result = engine.run(73)
    assert errors(result)[0].startswith(f"the worker process died: {reason}")
    assert sorted(engine.rows) == [name for name in names if name != "f0020"]
    assert (result["deaths"], result["retries"], result["failed_mini_batches"]) == (3, 2, 1)
    if "signal 11" in reason:
        assert any("Fatal Python error: Segmentation fault" in text for text in engine.user_logs().values())


@pytest.mark.parametrize("hang", ["time.sleep(1000)", "ctypes.PyDLL(None).pause()"])
def test_hang(engine, hang):
    """A call that does not end in its time is stopped on its node, and its stacks are in its log."""
    names = engine.inputs(9)
    engine.script(f"""
        import ctypes, os, time
        def hang():
            {hang}
        def run(mini_batch):
            if mini_batch[0].endswith("2"):
                hang()
            return [os.path.basename(path) for path in mini_batch]
    """)
    result = engine.run(71, run_invocation_timeout=1, run_max_try=2)
    assert errors(result)[0].startswith("run() did not end within 1 s (run_invocation_timeout); the stacks")
    log = errors(result)[0].rpartition(" are in ")[2]
    assert 'score.py", line 4 in hang' in pathlib.Path(log).read_text()
    assert sorted(engine.rows) == [name for name in names if name != "f0002"]
    assert result["timeouts"] == 2


def test_forked_child_that_holds_the_pipe(engine):
    """A process whose forked child lives on is known to be dead all the same, and the child is gone as well."""
    engine.inputs(1)
    engine.script(f"""
        import os, time
        def run(mini_batch):
            child = os.fork()
            if not child:
                time.sleep(1000)
            with open({str(engine.path / "child")!r}, "w") as file:
                file.write(str(child))
            os._exit(1)
    """)
    engine.run(74, run_max_try=1)
    wait_until(lambda: is_gone(int((engine.path / "child").read_text())))


@pytest.mark.parametrize(
    ("code", "exit_code", "error"),
    [
        ("def init():\n    raise RuntimeError('no model')\n", 72, "RuntimeError: no model"),
        ("import os\ndef init():\n    os._exit(4)\n", 72, "the worker process died: exit code 4"),
        ("def shutdown():\n    1 / 0\n", 73, "ZeroDivisionError: division by zero"),
        ("def run(mini_batch):\n    return None\n", 74, "TypeError: run() returned None, but it must return a list"),
    ],
)
def test_exit_codes(engine, code, exit_code, error):
    """The exit codes are those of a run on one machine."""
    engine.inputs(6)
    engine.script(code)
    result = engine.run(exit_code, run_max_try=2)
    assert errors(result)[0].startswith(error)


def test_threshold(engine):
    """A run stops where the failures are beyond the threshold."""
    engine.inputs(50)
    engine.script("def run(mini_batch):\n    raise KeyError\n")
    result = engine.run(74, allowed_failed_count=2, run_max_try=1)
    assert result["stopped"].endswith("more than the allowed_failed_count of 2")


def test_no_entry_script(engine):
    """A script without run() is bad input, as on one machine."""
    engine.inputs(1)
    (engine.path / "score.py").write_text("")
    assert "has no function run()" in engine.run(2)["error"]


def test_processes_per_node(engine):
    """With --processes there are at most so many on each node."""
    names = engine.inputs(20)
    engine.script("import time\ndef init():\n    time.sleep(0.5)\n")
    assert engine.run(processes=1)["processes"] == 2
    assert sorted(engine.rows) == names


def test_tables(engine):
    """Tables go to the nodes as DataFrames."""
    pytest.importorskip("pandas")
    (engine.path / "in" / "a.csv").write_text("a,b\n" + "1,2\n" * 30)
    engine.script("def run(mini_batch):\n    return (mini_batch['a'] + mini_batch['b']).tolist()\n")
    result = engine.run(input_format="csv", mini_batch_size=20)
    assert (result["succeeded"], set(engine.rows)) == (30, {"3"})


def test_interrupt(engine, cluster):
    """Ctrl-C stops the run, no process is left on a node, and --resume goes on."""
    names = engine.inputs(60)
    engine.script("""
        import os, time
        def run(mini_batch):
            time.sleep(0.1)
            return [os.path.basename(path) for path in mini_batch]
    """)
    process = engine.launch()
    wait_until(lambda: engine.part.exists() and sum(f.stat().st_size for f in engine.part.glob("*.rows")) > 30)
    process.send_signal(signal.SIGINT)
    result = engine.end(process)
    assert result["exit_code"] == 130
    assert "--resume goes on with the others" in result["error"]
    wait_until(lambda: not cluster.children())
    result = engine.run(resume=True)
    assert sorted(engine.rows) == names
    assert result["resumed_mini_batches"] > 0


SLOW = """
import os, time
def run(mini_batch):
    time.sleep(0.1)
    return [os.path.basename(path) for path in mini_batch]
"""


def has_begun(engine):
    return engine.part.exists() and sum(file.stat().st_size for file in engine.part.glob("*.rows")) > 20


def test_killed_processes(free_engine, own):
    """Killed: one of our processes, then a Dask worker, which its nanny replaces; every item ends once."""
    names = free_engine.inputs(100)
    free_engine.script(SLOW)
    own.worker("a")
    own.worker("b")
    own.wait_for_workers(2)
    process = free_engine.launch()
    wait_until(lambda: has_begun(free_engine))
    os.kill(own.children()[0], signal.SIGKILL)
    old = own.dask_workers()
    os.kill(old[0], signal.SIGKILL)
    wait_until(lambda: len(set(own.dask_workers()) - set(old)) == 1)
    result = free_engine.end(process)
    assert (result["exit_code"], result["failed"]) == (0, 0), (result, free_engine.said)
    assert sorted(free_engine.rows) == names
    assert "Process-1 started" in (free_engine.path / "logs" / "master.txt").read_text()


def held(path):
    """Return a script whose run() waits until there is a file, so that a run goes on as long as a test needs it."""
    return f"""
import os, time
def run(mini_batch):
    while not os.path.exists({str(path)!r}):
        time.sleep(0.05)
    return [os.path.basename(path) for path in mini_batch]
"""


def test_joining_and_leaving(free_engine, own):
    """A Dask worker that joins takes part, and one that leaves is not missed; without any, the run waits."""
    names = free_engine.inputs(30)
    free_engine.script(held(free_engine.path / "go"))
    process = free_engine.launch()
    waits = f"no Dask worker is there at {own.address}"
    wait_until(lambda: any(waits in file.read_text() for file in (free_engine.path / "logs").glob("*.txt")))
    first = own.worker("a")
    wait_until(lambda: len(own.children()) == 1)
    own.worker("b", threads=2)
    wait_until(lambda: len(own.children()) == 3)
    first.terminate()
    wait_until(lambda: len(own.children()) == 2)
    (free_engine.path / "go").touch()
    result = free_engine.end(process)
    assert sorted(free_engine.rows) == names
    assert result["processes"] == 3
    assert waits in free_engine.said


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory with a script and input, for runs from this very process."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "score.py").write_text("def run(mini_batch):\n    return mini_batch\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("a")
    return tmp_path


def test_simulate(here, cluster):
    """simulate() takes a scheduler, and leaves no thread and no level of a logger behind."""
    before = set(threading.enumerate())
    result = simulate("score.py", "in", scheduler=cluster.address)
    assert (result.succeeded, result.processes) == (1, 3)
    assert result.rows() == [str(here / "in" / "a")]
    wait_until(lambda: not [t for t in set(threading.enumerate()) - before if "look-after" in t.name])


def test_no_scheduler(here, monkeypatch):
    """Where no scheduler answers, one line says so."""
    from entry_script_helper.simulator.cluster import connection

    monkeypatch.setattr(connection, "_CONNECT", 0.5)
    with pytest.raises(UsageError, match=r"no Dask scheduler answers at tcp://127.0.0.1:1: .*; see that it runs there"):
        simulate("score.py", "in", scheduler="tcp://127.0.0.1:1")
    assert sorted(os.listdir(here)) == ["in", "score.py"]


def test_no_worker(here, own, monkeypatch, capsys):
    """Where there is no worker the run says so, waits a while, and then says what to do."""
    from entry_script_helper.simulator.cluster import crew

    monkeypatch.setattr(crew, "PATIENCE", 0.7)
    with pytest.raises(UsageError, match=r"no Dask worker was there .* for 0.7 s: start some \(dask worker tcp://"):
        simulate("score.py", "in", scheduler=own.address, quiet=False)
    assert f"no Dask worker is there at {own.address}: waiting up to 0.7 s" in capsys.readouterr().err


POISON = """
import os, signal, time
def run(mini_batch):
    if mini_batch[0].endswith("7"):
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(1000)
    return [os.path.basename(path) for path in mini_batch]
"""


def test_mini_batch_that_ends_its_dask_worker(free_engine, own):
    """A mini-batch at which the Dask worker itself died has a try less, and the others of its chunk have all."""
    names = free_engine.inputs(20)
    free_engine.script(POISON)
    own.worker("a")
    own.worker("b")
    own.wait_for_workers(2)
    result = free_engine.run(73, run_max_try=2)
    assert errors(result)[0].startswith("the worker process died: its Dask worker tcp://127.0.0.1:")
    assert sorted(free_engine.rows) == [name for name in names if name not in ("f0007", "f0017")]
    assert (result["failed_mini_batches"], result["deaths"], result["retries"]) == (2, 4, 2)


def test_init_that_ends_its_dask_worker(free_engine, own):
    """Where Dask workers come and go without end, and nothing is scored, the run stops."""
    free_engine.inputs(3)
    free_engine.script("import os, time\ndef init():\n    os.kill(os.getppid(), 9)\n    time.sleep(1000)\n")
    own.worker("a")
    own.wait_for_workers(1)
    result = free_engine.run(74, run_max_try=1)
    assert result["stopped"] == "2 processes in a row were lost before they had scored any"
    assert errors(result)[0].startswith("the worker process was lost: its Dask worker tcp://127.0.0.1:")


def in_thread(path, address, script=SLOW, **options):
    """Begin a run of its own in this process; return its thread, and the list that its result comes to."""
    (path / "score.py").write_text(script)
    for number in range(60):
        (path / "in" / f"f{number:02}").write_text("")
    results = []
    options = {"scheduler": address, "mini_batch_size": 1, "resource_monitor_interval": 0, **options}
    thread = threading.Thread(target=lambda: results.append(simulate("score.py", "in", **options)), daemon=True)
    thread.start()
    journals = path / "parallel_run_step.txt.part"
    wait_until(lambda: sum(file.stat().st_size for file in journals.glob("*.rows")) > 20 or script != SLOW)
    return thread, results


def test_nobody_left(here, own, monkeypatch):
    """Where all workers are gone for too long the run stops, and goes on without a cluster."""
    from entry_script_helper.simulator.cluster import crew

    monkeypatch.setattr(crew, "PATIENCE", 1.0)
    worker = own.worker()
    own.wait_for_workers(1)
    thread, results = in_thread(here, own.address)
    kill_all(worker)
    thread.join(60)
    (result,) = results
    assert result.stopped == f"no Dask worker was there at {own.address} for 1 s"
    assert result.exit_code == 73
    again = simulate("score.py", "in", mini_batch_size=1, processes=2, resume=True)
    assert again.resumed_mini_batches == result.succeeded_mini_batches
    assert (again.succeeded, len(set(again.rows()))) == (61, 61)


def test_scheduler_restarted(here, own, monkeypatch):
    """A scheduler that is killed and comes back, however late, costs no item, and no mini-batch a try."""
    from entry_script_helper.simulator.cluster import connection

    monkeypatch.setattr(connection, "_CONNECT", 0.5)  # the client gives up before the scheduler is back
    own.worker("a", supervised=True)
    own.worker("b", supervised=True)
    own.wait_for_workers(2)
    thread, results = in_thread(here, own.address, run_max_try=1)
    kill_all(own.scheduler)
    (own.path / "scheduler.log").unlink()
    time.sleep(2)
    monkeypatch.setattr(connection, "_CONNECT", 10.0)
    own.start()
    thread.join(100)
    (result,) = results
    assert (result.exit_code, result.retries, len(set(result.rows())), len(result.rows())) == (0, 0, 61, 61)


@pytest.fixture
def elsewhere(tmp_path_factory):
    """Return the variables for Dask workers that have this package otherwise: code that is run as they start."""

    def variables(code, name="sitecustomize"):
        directory = tmp_path_factory.mktemp("elsewhere")
        (directory / f"{name}.py").write_text(code)
        return {"PYTHONPATH": os.pathsep.join([str(directory), *sys.path])}

    return variables


def test_worker_without_the_package(here, own, elsewhere):
    """A Dask worker that lacks this package is bad input: one line says which, and what to install. It lives on."""
    own.worker(variables=elsewhere("raise ImportError('none here')", "entry_script_helper"))
    own.wait_for_workers(1)
    with pytest.raises(UsageError) as caught:
        simulate("score.py", "in", scheduler=own.address)
    assert str(caught.value).startswith(f"the Dask worker {own.address.rpartition(':')[0]}:")
    assert "can't take part: " in str(caught.value)
    assert "install entry-script-helper " in str(caught.value)
    assert len(own.dask_workers()) == 1


OTHER = "import entry_script_helper\nentry_script_helper.__version__ = '0.0.1'\n"


def test_worker_of_another_version(here, own, elsewhere):
    """A Dask worker with another version of this package is bad input."""
    own.worker(variables=elsewhere(OTHER))
    own.wait_for_workers(1)
    with pytest.raises(UsageError, match=r"has entry-script-helper 0.0.1, and this is .*: install the same on both"):
        simulate("score.py", "in", scheduler=own.address)


def test_unfit_worker_that_joins_late(here, own, elsewhere):
    """A Dask worker that can't take part and joins a run that goes on is not used."""
    own.worker("a")
    own.wait_for_workers(1)
    thread, results = in_thread(here, own.address, held(here / "go"))
    wait_until(own.children)
    own.worker("b", variables=elsewhere(OTHER))
    wait_until(lambda: "|warning: the Dask worker tcp://" in (here / "logs" / "master.txt").read_text())
    (here / "go").touch()
    thread.join(100)
    (result,) = results
    assert (result.exit_code, result.succeeded, result.processes) == (0, 61, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheduler": "10.0.0.4:8786"}, "scheduler is 10.0.0.4:8786: give the scheduler's address, such as tcp://"),
        ({"scheduler": "tcp://a:1", "processes": 0}, "scheduler has the script run elsewhere: leave pdb and"),
        ({"scheduler": "tcp://a:1", "pdb": True}, "scheduler has the script run elsewhere"),
        ({"scheduler": "tcp://a:1", "tls_cert": "score.py"}, "tls_cert is for a tls:// scheduler: give scheduler tls"),
        ({"tls_key": "score.py"}, "tls_key is for a tls:// scheduler"),
        ({"scheduler": "tls://a:1", "tls_key": "none"}, "tls_key is none: give the path of a file that exists"),
    ],
)
def test_bad_options(here, options, message):
    """What can't be meant is one line."""
    with pytest.raises(UsageError) as caught:
        simulate("score.py", "in", **options)
    assert message in str(caught.value)


def test_without_distributed(here):
    """Where distributed is not installed, one line says which extra brings it."""
    code = """
import sys
sys.modules["distributed"] = None
from entry_script_helper.cli import main
sys.exit(main(["run", "score.py", "--input", "in", "--scheduler", "tcp://127.0.0.1:1"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "entry-script-helper: error: --scheduler needs distributed, which can't be imported: "
        "pip install 'entry-script-helper[dask]' (or distributed alone)\n"
    )


# ---- TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority, and a certificate for 127.0.0.1 that it signed."""
    path = tmp_path_factory.mktemp("tls")
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates, and is not here")
    (path / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost")
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -keyout other.key -out stranger.pem -subj /CN=stranger -days 2",
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 2",
        "req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=localhost",
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem -days 2 -extfile names",
    ):
        subprocess.run(["openssl", *command.split()], cwd=path, check=True, capture_output=True, timeout=60)
    return path


def test_tls(here, certificates, tmp_path_factory, capsys):
    """With TLS both sides show certificates, and there is no warning; without, the scheduler is not reached."""
    files = {name: str(certificates / f"{name}.pem") for name in ("ca", "cert", "key", "stranger")}
    options = [f"--tls-ca-file={files['ca']}", f"--tls-cert={files['cert']}", f"--tls-key={files['key']}"]
    place = tmp_path_factory.mktemp("own")
    cluster = Cluster(place, f"tls://127.0.0.1:{free_port()}", options=options)
    own = {"tls_ca_file": files["ca"], "tls_cert": files["cert"], "tls_key": files["key"]}
    try:
        cluster.start()
        cluster.worker()
        result = simulate("score.py", "in", scheduler=cluster.address, **own, quiet=False)
        assert result.succeeded == 1
        assert "encrypted" not in capsys.readouterr().err
        for wrong in ({}, {**own, "tls_ca_file": files["stranger"]}):
            with pytest.raises(UsageError) as caught:
                simulate("score.py", "in", scheduler=cluster.address, **wrong)
            assert "both trust each other: --tls-ca-file, --tls-cert and --tls-key, or Dask's own" in str(caught.value)
    finally:
        cluster.close()
