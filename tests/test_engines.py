"""The helper alone in the workers of other engines: one file a worker process, each record once, with its context.

Each engine is skipped where it is not installed; with --no-skips, that is a failure.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HOW_TO = (Path(__file__).parent.parent / "docs" / "how-to" / "other-engines.md").read_text(encoding="utf-8")
EXAMPLES = {
    source.partition("\n")[0][len("# on_") : -len(".py")]: source
    for source in re.findall(r"^```python\n(# on_\w+\.py\n.*?)^```", HOW_TO, re.DOTALL | re.MULTILINE)
}
PACKAGES = {"dask": "distributed", "spark": "pyspark"}
ITEMS = 40

# A network with nothing but loopback: engines listen where they like.
OWN_NETWORK = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]

pytestmark = pytest.mark.engines


@functools.lru_cache
def own_network():
    """Return what a command starts with to have a network of its own; nothing where that is not allowed."""
    try:
        done = subprocess.run([*OWN_NETWORK, "true"], capture_output=True, timeout=60, check=False)
    except FileNotFoundError:
        return []
    return OWN_NETWORK if done.returncode == 0 else []


def need(engine):
    """Skip the test if an engine can't be had."""
    package = PACKAGES.get(engine, engine)
    missing = (
        None if importlib.util.find_spec(package) else f"{package} is not installed (the extra `test-engines` has it)"
    )
    if engine == "spark" and not missing and not shutil.which("java"):
        missing = "Spark needs Java, and there is no `java` on the path"
    if engine == "ray" and not missing and not own_network():
        missing = "Ray listens on all addresses, and a network namespace of its own is not allowed here"
    if missing:
        pytest.skip(missing)


def start(source, directory):
    script = directory / "script.py"
    script.write_text(source, encoding="utf-8")
    environ = {
        **os.environ,
        "AZ_BATCHAI_WORKER_IP": "10.0.0.4",
        "HOME": str(directory),  # where engines leave files
        "RAY_USAGE_STATS_ENABLED": "0",
        "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # so that its processes start soon
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
    return subprocess.Popen(
        [*own_network(), sys.executable, str(script)],
        cwd=directory,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that nothing that an engine starts outlives the test
    )


def run(source, directory):
    """Run a script and return what it printed."""
    process = start(source, directory)
    try:
        printed = process.communicate(timeout=300)[0]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, printed[-5000:]
    return printed


def logs(directory):
    """Return the records of each file; every line must be whole."""
    found = {}
    for file in directory.glob("logs/user/10.0.0.4/*.jsonl"):
        text = file.read_text(encoding="utf-8")
        assert text == "" or text.endswith("\n")
        found[file.name] = [json.loads(line) for line in text.splitlines()]
    return found


def check(found, items=range(ITEMS)):
    """Each task's two records are there once, with their context, and each file is one process's."""
    for name, records in found.items():
        processes = {record["process"] for record in records}
        assert len(processes) == 1, name
        (process,) = processes
        assert name == f"{records[0]['process_name']}.jsonl" or f".{process}." in name
    records = [record for records in found.values() for record in records]
    assert len({record["process"] for record in records}) == len(found)
    assert sorted((record["event"], record["item"]) for record in records) == sorted(
        (event, item) for event in ("begun", "scored") for item in items
    )
    assert all(record["result"] == record["item"] ** 2 for record in records if record["event"] == "scored")
    begun = {record["item"]: record["thread"] for record in records if record["event"] == "begun"}
    assert all(begun[record["item"]] == record["thread"] for record in records)


@pytest.mark.parametrize("engine", EXAMPLES)
def test_example(tmp_path, engine):
    """The how-to's example: each worker process has its own file, and each task's records are in one, once."""
    need(engine)
    printed = run(EXAMPLES[engine], tmp_path)
    assert re.search(rf"^{sum(item * item for item in range(ITEMS))}$", printed, re.MULTILINE)
    found = logs(tmp_path)
    check(found)
    assert 1 <= len(found) <= 4


def test_every_engine_has_an_example():
    """The how-to has an example for each engine."""
    assert list(EXAMPLES) == ["dask", "joblib", "loky", "multiprocessing", "spark", "ray"]


def test_spark_cluster(tmp_path):
    """On a cluster of Spark's with two workers, whose executors start in directories of their own, it is the same."""
    need("spark")
    run(EXAMPLES["spark"].replace("local[2]", "local-cluster[2,1,1024]"), tmp_path)
    found = logs(tmp_path)
    check(found)
    assert len(found) == 2


def test_dask_worker_killed(tmp_path):
    """What a Dask worker had logged when it was killed is in its file; the one in its place has a file too."""
    need("dask")
    source = EXAMPLES["dask"].replace(
        "    return item * item\n",
        "    if item == 7 and not os.path.exists(FOLDER + '/killed'):\n"
        "        open(FOLDER + '/killed', 'w').close()\n"
        "        os.kill(os.getpid(), 9)\n"
        "    return item * item\n",
    )
    run(source, tmp_path)
    found = logs(tmp_path)
    records = [record for records in found.values() for record in records]
    events = {(record["event"], record["item"]) for record in records}
    assert events == {(event, item) for event in ("begun", "scored") for item in range(ITEMS)}
    # Item 7 was scored twice, and what else was on the killed worker perhaps.
    assert sum(record["item"] == 7 for record in records) == 4
    assert len({record["process"] for record in records}) >= 2


@pytest.mark.parametrize(
    ("backend", "name"),
    [("loky", "LokyProcess-"), ("multiprocessing", "ForkPoolWorker-"), ("threading", "MainProcess")],
)
def test_joblib_backends(tmp_path, backend, name):
    """With each of joblib's backends, files have the workers' names, and the parent's own records are in its own."""
    need("joblib")
    source = EXAMPLES["joblib"].replace("n_jobs=2", f"n_jobs=2, backend={backend!r}")
    source = source.replace(
        "    print(", '    EntryScriptHelper(FOLDER).config("score", json=True).info("parent")\n    print('
    )
    run(source, tmp_path)
    found = logs(tmp_path)
    parent = [record for record in found["MainProcess.jsonl"] if record["event"] == "parent"]
    assert len(parent) == 1
    found["MainProcess.jsonl"].remove(parent[0])
    found = {name: records for name, records in found.items() if records}
    check(found)
    assert all(file.startswith(name) for file in found)


@pytest.mark.parametrize("engine", ["dask", "joblib", "loky", "multiprocessing"])
def test_configured_as_the_parent(tmp_path, engine):
    """Where workers are multiprocessing's, they are configured as their parent was, without a call in the task."""
    need(engine)
    source = EXAMPLES[engine].replace(
        '    logger = EntryScriptHelper(FOLDER).config("score", json=True)\n',
        '    logger = logging.getLogger("score")\n',
    )
    source = source.replace(
        'if __name__ == "__main__":\n',
        'if __name__ == "__main__":\n    EntryScriptHelper(FOLDER).config("score", json=True, when="day")\n',
    ).replace("import os\n", "import logging\nimport multiprocessing\nimport os\n", 1)
    run(source, tmp_path)
    found = logs(tmp_path)
    assert all(re.search(r"\.\d{8}\.jsonl$", name) for name in found)
    check({re.sub(r"\.\d{8}\.jsonl$", ".jsonl", name): records for name, records in found.items() if records})
