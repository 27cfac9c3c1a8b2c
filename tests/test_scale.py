"""The page on scale: its figures are those that were measured, and still are."""

from __future__ import annotations

import collections
import json
import sys
from pathlib import Path

import pytest

from entry_script_helper import logtree

ROOT = Path(__file__).parent.parent


@pytest.fixture
def scale(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    kept = {"scale", "scalepage", "scaletree", "tables"}
    import scale

    yield scale
    for name in kept:
        sys.modules.pop(name, None)


def kept():
    return json.loads((ROOT / "benchmarks" / "scale.json").read_text(encoding="utf-8"))


def test_the_page_is_computed(scale):
    """docs/explanation/scale.md is what its arithmetic makes of the figures that were kept, to the letter."""
    page = (ROOT / "docs" / "explanation" / "scale.md").read_text(encoding="utf-8")
    assert page == scale.scalepage.page(kept())


def test_the_bytes_of_records_are_still_those(scale, tmp_path):
    """A run of the simulator leaves lines as long as those that the page counts with, within a tenth."""
    constants = kept()["constants"]
    for form, as_json in (("text", "0"), ("json", "1")):
        (tmp_path / form).mkdir()
        found = scale.user_bytes(str(tmp_path / form), as_json)
        assert found == {kind: pytest.approx(constants[f"{kind}_{form}"], rel=0.1) for kind in found}
    found = scale.tree_bytes(str(tmp_path / "text"))
    assert found == {kind: pytest.approx(constants[kind], rel=0.1) for kind in found}


def test_the_instructions_are_those_of_the_page_on_performance(scale):
    """What a record costs is said once, on the page on performance: this one repeats it."""
    constants = kept()["constants"]
    assert scale.instructions().items() <= constants.items()


def test_the_arithmetic_is_that_of_a_run(scale, tmp_path):
    """What the page would say of a small run is what that run leaves: records, bytes within a tenth, files."""
    scale.user_bytes(str(tmp_path), "0")
    logs = tmp_path / "logs"
    run = scale.scalepage.Run(kept()["constants"], mini_batches=10, nodes=1, per_node=1)
    run.failures, run.tries = 2, 11  # the one mini-batch that fails does so twice
    cost = run.cost(scale.scalepage.SETTINGS[0])
    files = list(logs.glob("user/*/*.txt"))
    text = b"".join(file.read_bytes() for file in files)
    assert cost.records == sum(1 for line in text.splitlines() if not line.startswith(b"\t"))
    assert cost.size == pytest.approx(len(text), rel=0.1)
    lines, _ = run.tree_bytes(0)
    workers = b"".join(file.read_bytes() for file in logs.glob("worker/*/*.txt"))
    assert lines == pytest.approx(len(workers), rel=0.15)
    of_kinds = collections.Counter(path.relative_to(logs).parts[0] for path in logs.rglob("*.*") if path.is_file())
    assert [of_kinds["worker"], of_kinds["performance"]] == list(run.files().values())[1:3]
    assert len(files) == next(iter(run.files().values()))
    assert sum(of_kinds[name] for name in ("overview.txt", "master.txt", "70_driver_log.txt")) == 3


def test_a_process_that_logs_nothing_has_a_file_too(workplace):
    """Files are counted in processes, not in records: with a level that nothing reaches a file is made, and is empty."""
    workplace.run("config('score', level='WARNING').info('not told')")
    assert workplace.files() == {"MainProcess.txt": ""}


def test_the_tree_is_one_that_the_reader_knows(scale, tmp_path):
    """The tree of the benchmark has the files of the page, and the reader takes each of its lines for a record."""
    wanted = {"nodes": 3, "processes": 2, "mini_batches": 60}
    scale.scaletree.FAILS_EACH = 30
    tree = scale.scaletree.make(str(tmp_path), **wanted)
    run = scale.scalepage.Run(kept()["constants"], mini_batches=60, nodes=3, per_node=2)
    assert tree.files == sum(run.files().values()) == sum(1 for path in tmp_path.rglob("*") if path.is_file())
    assert tree.size == sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    records = list(logtree.read(str(tmp_path)))
    assert len(records) == tree.records
    assert all(record.time and record.level and record.process for record in records)
    failed = [
        record for record in records if record.message.startswith("run() of mini-batch") and record.level == "ERROR"
    ]
    assert len(failed) == 2 * scale.scaletree.TRIES
    assert all("ValueError: no reading in" in record.message for record in failed)
