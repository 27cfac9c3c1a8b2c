"""What a file of a log tree is, told by its path, in every era."""

from __future__ import annotations

import re

import pytest
import test_docs
import trees
from hypothesis import given
from hypothesis import strategies as st

from entry_script_helper.logtree import complaints, layouts
from entry_script_helper.logtree.files import archives, roots, tables
from entry_script_helper.logtree.layouts import Place
from entry_script_helper.naming import LONGEST, safe_component

NODE = "10.0.0.4"

PLACES = {
    # the article, 2019
    "logs/overview.txt": Place(layouts.OVERVIEW),
    "logs/master.txt": Place(layouts.MASTER),
    "logs/worker/10.0.0.4/Process-1.txt": Place(layouts.WORKER, NODE, "Process-1"),
    "logs/performance/10.0.0.4/process_resource_monitor_10.0.0.4_4711.csv": Place(
        layouts.PROCESS_RESOURCES, NODE, "", 4711
    ),
    "logs/performance/10.0.0.4/sys_resource_monitor_10.0.0.4.csv": Place(layouts.NODE_RESOURCES, NODE),
    "logs/user/10.0.0.4/Process-1.txt": Place(layouts.USER, NODE, "Process-1"),
    # ours
    "logs/70_driver_log.txt": Place(layouts.PRINTED),
    "logs/user/10.0.0.4/Process-1.jsonl": Place(layouts.USER, NODE, "Process-1"),
    "logs/user/10.0.0.4/Process-1.4711.txt": Place(layouts.USER, NODE, "Process-1", 4711),
    "logs/user/10.0.0.4/Process-1.4711.2.jsonl": Place(layouts.USER, NODE, "Process-1", 4711),
    "logs/user/10.0.0.4/Process-1.4711.error.json": Place(layouts.ERROR, NODE, "Process-1", 4711),
    "logs/user/10.0.0.4/Process-1.4711.3.error.json": Place(layouts.ERROR, NODE, "Process-1", 4711),
    "logs/user/10.0.0.4/Process-1.stacks.txt": Place(layouts.STACKS, NODE, "Process-1"),
    "logs/user/10.0.0.4/Process-1.4711.stacks.txt": Place(layouts.STACKS, NODE, "Process-1", 4711),
    # ours, cut by time in their names
    "logs/user/10.0.0.4/Process-1.20260131.txt": Place(layouts.USER, NODE, "Process-1"),
    "logs/user/10.0.0.4/Process-1.2026013123.txt": Place(layouts.USER, NODE, "Process-1"),
    "logs/user/10.0.0.4/Process-1.20260131.2.jsonl": Place(layouts.USER, NODE, "Process-1"),
    "logs/user/10.0.0.4/Process-1.4711.2026013123.12.txt": Place(layouts.USER, NODE, "Process-1", 4711),
    "logs/user/10.0.0.4/Process-1.4711.2.20260131.0003.jsonl": Place(layouts.USER, NODE, "Process-1", 4711),
    "logs/user/10.0.0.4/Process-1.20260131.0002.stacks.txt": Place(layouts.STACKS, NODE, "Process-1"),
    "logs/user/10.0.0.4/Process-1.2026013123.4711.error.json": Place(layouts.ERROR, NODE, "Process-1", 4711),
    "logs/user/10.0.0.4/Process-1.20260131.0002.4711.error.json": Place(layouts.ERROR, NODE, "Process-1", 4711),
    "logs/user/10.0.0.4/Process-1.4711.20260131.0002.4711.error.json": Place(layouts.ERROR, NODE, "Process-1", 4711),
    "logs/worker/10.0.0.4/Process-1.4711.txt": Place(layouts.WORKER, NODE, "Process-1", 4711),
    "logs/user/10.0.0.4/my.worker.txt": Place(layouts.USER, NODE, "my.worker"),
    # 2020
    "logs/overview.2020-04-13.txt": Place(layouts.OVERVIEW),
    "logs/sys/master.txt": Place(layouts.MASTER),
    "logs/sys/warning.txt": Place(layouts.MASTER),
    "logs/sys/error.txt": Place(layouts.ERROR),
    "logs/sys/worker/10.0.0.4/Process-1.txt": Place(layouts.WORKER, NODE, "Process-1"),
    "logs/sys/worker/10.0.0.4/Process-1.task.csv": Place(layouts.TRIES, NODE, "Process-1"),
    "logs/user/error.txt": Place(layouts.ERROR),
    "logs/user/error/10.0.0.4/Process-1.txt": Place(layouts.ERROR, NODE, "Process-1"),
    "logs/user/10.0.0.4/Process-1.stdout.txt": Place(layouts.PRINTED, NODE, "Process-1"),
    # from 2020-09 on
    "logs/job_progress_overview.txt": Place(layouts.OVERVIEW),
    "logs/job_progress_overview.2023022811.txt": Place(layouts.OVERVIEW),
    "logs/job_result.txt": Place(layouts.OVERVIEW),
    "logs/job_error.20230228.txt": Place(layouts.ERROR),
    "logs/sys/master_role.txt": Place(layouts.MASTER),
    "logs/sys/node/0/process000.txt": Place(layouts.WORKER, "0", "process000"),
    "logs/sys/error/0/process000.txt": Place(layouts.ERROR, "0", "process000"),
    "logs/sys/job_report/processed_mini-batches.csv": Place(layouts.TRIES),
    "logs/sys/job_report/process_summary.csv": Place(layouts.TABLE),
    "logs/sys/perf/0/node_resource_usage.csv": Place(layouts.NODE_RESOURCES, "0"),
    "logs/user/stdout/0/process000.stdout.txt": Place(layouts.PRINTED, "0", "process000"),
    "logs/user/stderr/0/process000.stderr.txt": Place(layouts.PRINTED, "0", "process000"),
    "logs/user/entry_script_log/0/process000.log.txt": Place(layouts.USER, "0", "process000"),
    "user_logs/std_log.txt": Place(layouts.PRINTED),
    "user_logs/std_log_process_01.txt": Place(layouts.PRINTED),
    "azureml-logs/70_driver_log.txt": Place(layouts.PRINTED),
    "azureml-logs/55_azureml-execution-tvmps_1.txt": Place(layouts.PRINTED),
    # alone
    "70_driver_log_0.txt": Place(layouts.PRINTED),
    "Process-2.4711.error.json": Place(layouts.ERROR, "", "Process-2", 4711),
    "a/b/processed_mini-batches.csv": Place(layouts.TRIES),
    "Process-2.txt": Place(layouts.OTHER),
    # no logs
    "logs/azureml/executionlogs.txt": Place(layouts.OTHER),
    "logs/user/10.0.0.4/plot.PNG": Place(layouts.DATA),
    "logs/user/10.0.0.4/Process-1.4711.error.json.tmp": Place(layouts.DATA),
    "": Place(layouts.OTHER),
    "logs/user/10.0.0.4/": Place(layouts.OTHER),
}


@pytest.mark.parametrize("path", PLACES)
def test_a_file_is_known_by_its_path(path):
    """What a file is, and of which node and process, is told by its path, of whatever era."""
    assert layouts.place(path) == PLACES[path]


@pytest.mark.parametrize(
    ("tree", "era"),
    [
        ("article", layouts.ARTICLE),
        ("year_2020", layouts.YEAR_2020),
        ("today", layouts.TODAY),
        ("azureml_user", layouts.TODAY),
        ("std_logs", layouts.TODAY),
    ],
)
def test_the_era_is_told_by_looking(tree, era, tmp_path):
    """Each era's tree is known as that era's, and every file of it is known."""
    paths = trees.listed(trees.ERAS[tree](tmp_path))
    assert layouts.era(paths) == era
    unknown = [path for path in paths if layouts.place(path).kind == layouts.OTHER]
    assert unknown == [name for name in unknown if name.endswith("_demo_stdout.txt")]


@pytest.mark.parametrize("as_json", [False, True])
def test_our_trees_are_known(as_json, tmp_path):
    """Every file that a run of ours leaves is known, with its node and process."""
    trees.ours(tmp_path, json=as_json)
    paths = [path for path in trees.listed(tmp_path) if path.startswith("logs/")]
    assert layouts.era(paths) == layouts.OURS
    places = {path: layouts.place(path) for path in paths}
    assert layouts.OTHER not in {place.kind for place in places.values()}
    for path, place in places.items():
        if path.startswith(("logs/user/", "logs/worker/")):
            assert (place.node, place.process_name) in {(NODE, "Process-1"), (NODE, "Process-2")}, path
        if path.endswith(".error.json"):
            assert place.process


def test_an_era_that_no_name_tells():
    """Names that are the same in all eras, and none, tell no era; with the later service's, today's counts."""
    assert layouts.era([]) == layouts.ANY
    assert layouts.era(["logs/user/10.0.0.4/Process-1.txt", "notes.txt"]) == layouts.ANY
    assert layouts.era(["logs/user/0/p.jsonl", "logs/job_result.txt", "logs/sys/master.txt"]) == layouts.TODAY


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_names_are_decoded(name):
    """A process's and a node's name come back as they were before they became a part of a path."""
    component = safe_component(name)
    assert layouts.decoded(component) == name
    assert layouts.place(f"logs/user/{component}/{component}.1.error.json").node == name


def test_names_that_are_no_encoding():
    """What is no encoding comes back as it is; of a name that was cut, what is left of it, with its digest."""
    assert layouts.decoded("100%") == "100%"
    assert layouts.decoded("%FF") == "%FF"
    assert layouts.decoded("%ED%B2%80") == "\udc80"
    cut = safe_component("ä" * LONGEST)
    assert layouts.decoded(cut).startswith("ääää")
    assert layouts.decoded(cut).endswith(cut[-34:])
    assert layouts.decoded(safe_component("a%~b")) == "a%~b"


def test_a_name_cannot_take_long():
    """A name made to be slow to compare is not: 16,000 characters are told as quickly as sixteen."""
    for name in ("1." * 8000, "logs/user/" * 1600, "logs/user/n/" + ".20260131" * 2000, "%" * 16_000):
        assert layouts.place(f"{name}.x").kind == layouts.OTHER


REFERENCE = "docs/reference/log-trees-of-all-eras.md"


def test_the_reference_is_the_codes():
    """docs/reference/log-trees-of-all-eras.md has the code's names of files, kinds, eras and limits."""
    eras = {"any": layouts.ANY, "ours": layouts.OURS}
    listed = [(test_docs.code(path), kind, eras.get(era, era)) for path, kind, era in test_docs.rows(REFERENCE, 3)]
    assert listed == list(map(tuple, layouts.LAYOUTS))
    text = re.sub(r"\s+", " ", test_docs.text_of(REFERENCE))
    kinds = {
        value
        for name, value in vars(layouts).items()
        if name.isupper() and isinstance(value, str) and name not in ("ANY", "ARTICLE", "YEAR_2020", "TODAY", "OURS")
    }
    table = test_docs.text_of(REFERENCE).partition("| kind | what it is |\n|---|---|\n")[2].partition("\n\n")[0]
    assert kinds == {line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()}
    assert all(f"`{name}/`" in text for name in roots.LOG_FOLDERS)
    assert ", ".join(f"`{ending}`" for ending in roots.LOG_ENDINGS) in text
    assert f"up to {roots.DEEPEST} folders deep" in text
    assert f"more than {tables.LONGEST_LINE:,} characters" in text
    assert complaints.MOST_LINES == 10
    assert "ten for one kind of trouble" in text
    assert f"at most {archives.MOST_OF_A_FILE >> 20} MB, or {archives.MOST_TIMES} times its packed size" in text
    assert f"at most {archives.MOST_OF_AN_ARCHIVE >> 30} GB, or {archives.MOST_TIMES} times its size" in text
    assert f"for {archives.MOST_STREAMS:,} of them at most" in text
