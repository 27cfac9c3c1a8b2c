"""A run over several hosts, each with an address of its own: killed, cut off, and brought back."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from cluster import Hosts, kill_all
from engine import wait_until
from test_cluster import POISON, SLOW, OnCluster, has_begun

pytest.importorskip("distributed")

pytestmark = pytest.mark.hosts


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """A scheduler and three nodes. A test that harms one brings it back."""
    found = Hosts(tmp_path_factory.mktemp("hosts"))
    try:
        found.start()
        for number in range(3):
            found.node(number)
        found.wait_for_workers(3)
        yield found
    finally:
        found.close()


@pytest.fixture
def engine(tmp_path, hosts):
    engine = OnCluster(tmp_path)
    engine.scheduler = hosts.address
    engine.prefix = tuple(hosts.inside("head"))
    return engine


def test_hosts(hosts):
    """The hosts of these tests are network namespaces; where these are not allowed, this says so."""
    if hosts.refusal:
        pytest.skip(f"{hosts.refusal}; processes on loopback stand in for hosts")


def test_logs_of_each_node(engine, hosts):
    """Each node's files are in the folder of its address; a scheduler without TLS has one warning."""
    names = engine.inputs(60)
    engine.script(SLOW + "\nfrom entry_script_helper import config\ndef init():\n    config().info('init')\n")
    result = engine.run(resource_monitor_interval=1)
    assert sorted(engine.rows) == names
    assert result["processes"] == 3
    assert sorted(engine.user_logs()) == [(node, f"Process-{number}.txt") for node, number in _places(engine)]
    for node, number in _places(engine):
        assert (engine.path / "logs" / "worker" / node / f"Process-{number}.txt").exists()
        assert (engine.path / "logs" / "performance" / node / f"sys_resource_monitor_{node}.csv").exists()
    assert {node for node, _ in _places(engine)} == set(hosts.nodes)
    assert engine.said.count("is not encrypted, and whoever reaches it can run code") == (not hosts.refusal)


def _places(engine):
    """Return the nodes and their processes' numbers, as master.txt has them."""
    lines = (engine.path / "logs" / "master.txt").read_text().splitlines()
    words = [line.split("|")[3].split() for line in lines if "started: process id" in line]
    return sorted((word[-1], int(word[0].split("-")[1])) for word in words)


def _ends_once(engine, process, names):
    result = engine.end(process)
    assert (result["exit_code"], result["failed"]) == (0, 0), (result, engine.said)
    assert sorted(engine.rows) == names
    return result


def test_killed_worker(engine, hosts):
    """A Dask worker that is killed is replaced by its nanny, and every item ends once."""
    names = engine.inputs(150)
    engine.script(SLOW)
    process = engine.launch()
    wait_until(lambda: has_begun(engine))
    (old,) = hosts.dask_workers("node1")
    os.kill(old, signal.SIGKILL)
    _ends_once(engine, process, names)
    assert (
        f"its Dask worker tcp://{hosts.nodes[1] if not hosts.refusal else '127.0.0.1'}:"
        in (engine.path / "logs" / "master.txt").read_text()
    )


def test_killed_node(engine, hosts):
    """A node that is gone with all its processes is not missed, and one that comes back takes part."""
    names = engine.inputs(150)
    engine.script(SLOW)
    process = engine.launch()
    wait_until(lambda: has_begun(engine))
    kill_all(hosts.processes["node2"])
    wait_until(lambda: "is gone" in (engine.path / "logs" / "master.txt").read_text())
    hosts.node(2)
    _ends_once(engine, process, names)


def test_cut_link(engine, hosts):
    """A node that can't be reached, and goes on, doubles nothing: not while it is away, nor when it is back."""
    if hosts.refusal:
        pytest.skip(f"{hosts.refusal}: there is no link to cut")
    names = engine.inputs(40)
    marks = engine.path / "marks"
    marks.mkdir()
    engine.script(f"""
        import os, time
        def run(mini_batch):
            name = os.path.basename(mini_batch[0])
            mark = os.path.join({str(marks)!r}, name)
            if name == "f0002" and not os.path.exists(mark):
                open(mark, "w").close()
                while not os.path.exists(mark + ".go"):
                    time.sleep(0.05)
                open(mark + ".late", "w").close()
            time.sleep(0.1)
            return [name]
    """)
    process = engine.launch()
    mark = marks / "f0002"
    wait_until(mark.exists)
    number = _node_at(engine, hosts, 2)
    hosts.link(number, "down")
    try:
        wait_until(lambda: "is gone" in (engine.path / "logs" / "master.txt").read_text())
        (marks / "f0002.go").touch()
        wait_until((marks / "f0002.late").exists)  # the node that was given up has scored it as well
    finally:
        hosts.link(number, "up")
    result = _ends_once(engine, process, names)
    assert result["retries"] == 1


def _node_at(engine, hosts, index):
    """Return the number of the node that a mini-batch was picked up on."""
    for number, node in enumerate(hosts.nodes):
        for file in (engine.path / "logs" / "worker" / node).glob("*.txt"):
            if f"|picked mini_batch={index} " in file.read_text():
                return number
    raise AssertionError(index)


def test_restarted_scheduler(engine, hosts):
    """A scheduler that comes back finds the run waiting for it, and the nodes that come with it."""
    names = engine.inputs(100)
    engine.script(SLOW)
    process = engine.launch(run_max_try=1)
    wait_until(lambda: has_begun(engine))
    kill_all(hosts.scheduler)
    (hosts.path / "scheduler.log").unlink()
    hosts.start()
    assert _ends_once(engine, process, names)["retries"] == 0


@pytest.fixture
def stranger(hosts, engine):
    """Put a node in the place of one that does not see the directory of a test, but (in part) its input."""

    def put(seen=None):
        kept = hosts.path / "kept"
        kept.mkdir(exist_ok=True)
        hide = f"mount -t tmpfs tmpfs {engine.path}"
        if seen is not None:
            hide = f"mount --bind {seen} {kept} && {hide} && mkdir -p {seen} && mount --bind {kept} {seen}"
        kill_all(hosts.processes["node0"])
        hosts.node(0, prefix=["unshare", "--mount", "sh", "-c", f'{hide} && exec "$@"', "sh"])

    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True, timeout=60, check=False)
    if probe.returncode:
        pytest.skip("mount namespaces are not allowed here")
    yield put
    kill_all(hosts.processes["node0"])
    hosts.node(0)


def test_nothing_shared(engine, hosts, stranger):
    """A node that sees the input alone is sent the script's folder, and its logs come back with the rows.

    Mini-batches at which a Dask worker died are found, though nothing but the connection tells of them.
    """
    names = engine.inputs(30)
    engine.script("import helping\n" + POISON + "\ndef init():\n    print('printed')\n")
    (engine.path / "helping.py").write_text("")
    kill_all(hosts.processes["node1"])
    kill_all(hosts.processes["node2"])
    stranger(engine.path / "in")
    result = engine.run(73, resource_monitor_interval=1, run_max_try=1)
    lost = {"f0007", "f0017", "f0027"}
    assert sorted(engine.rows) == [name for name in names if name not in lost]
    assert (result["failed_mini_batches"], result["retries"]) == (3, 0)
    assert {node for node, _ in _places(engine)} == {hosts.nodes[0]}
    text = (engine.path / "logs" / "worker" / hosts.nodes[0] / "Process-1.txt").read_text()
    assert text.count(" status=died ") == 3
    assert "printed\n" in (engine.path / "logs" / f"70_driver_log_{hosts.nodes[0]}.txt").read_text()
    hosts.node(1)
    hosts.node(2)


def test_input_that_a_node_does_not_see(engine, hosts, stranger):
    """Where a node does not see the input, one line says which file and which node."""
    engine.inputs(1)
    engine.script("")
    stranger()
    error = ""
    for _ in range(20):  # until that node has joined
        error = engine.end(engine.launch()).get("error", "")
        if error:
            break
    assert error.startswith(
        f"the input file {engine.path}/in/f0000 does not exist on {hosts.nodes[0]} (the Dask worker"
    )
    assert not engine.part.exists()
