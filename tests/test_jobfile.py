"""A job's own file as options of a run: what it says, and one clear line where it can't be run here."""

from __future__ import annotations

import copy
import datetime as dt
import functools
import operator
import os
import sys
import textwrap

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from entry_script_helper.errors import MissingExtraError, UsageError
from entry_script_helper.simulator import jobfile

PIPELINE = """\
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
display_name: iris
inputs:
  pipeline_data:
    type: uri_folder
    path: ./data
  threshold: 0.5
outputs:
  scored:
    mode: rw_mount
settings:
  default_compute: azureml:cpu-cluster
jobs:
  prepare:
    type: command
    command: echo
    outputs:
      prepared:
        type: uri_folder
  score:
    type: parallel
    mini_batch_size: "7"
    mini_batch_error_threshold: 5
    max_concurrency_per_instance: 2
    partition_keys: [store, brand]
    logging_level: "DEBUG"
    retry_settings:
      max_retries: 2
      timeout: 120
    resources:
      instance_count: 2
    inputs:
      data: ${{parent.inputs.pipeline_data}}
      model:
        type: uri_folder
        path: ./my model
      threshold: ${{ parent.inputs.threshold }}
      mode: fast
      earlier: ${{parent.jobs.prepare.outputs.prepared}}
      remote:
        type: uri_folder
        path: azureml:model:1
      asset: azureml:data:1
    outputs:
      rows: ${{parent.outputs.scored}}
    input_data: ${{inputs.data}}
    environment_variables:
      COLOUR: red
      NUMBER: 7
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      environment: azureml:env:1
      program_arguments: >-
        --model ${{inputs.model}}
        --threshold ${{ inputs.threshold }}
        --allowed_failed_percent 30
        --error_threshold=5
        --task_overhead_timeout 1200
        --copy_logs_to_parent True
        --resource_monitor_interval 20
        --text "two words"
        --timeout 9
        --out ${{outputs.rows}}
        --again ${{outputs.rows}}
        $[[--mode ${{inputs.mode}}]] $[[--absent ${{inputs.absent}}]]
      append_row_to: ${{outputs.rows}}/all.csv
"""


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Write a job's file, and others beside it, and return what it says."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "repo").mkdir()

    def load(text, step=None, files=(), **given):
        for name, content in dict(files).items():
            path = tmp_path / "repo" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(content))
        (tmp_path / "repo" / "job.yml").write_text(textwrap.dedent(text), encoding="utf-8")
        monkeypatch.chdir(tmp_path / "elsewhere")
        monkeypatch.chdir(tmp_path)
        return jobfile.load("repo/job.yml", step, given, "/work")

    return load


def test_pipeline(job, tmp_path):
    """A parallel step's fields, arguments and inputs become the options that they are in the service."""
    found = job(PIPELINE)
    repo = str(tmp_path / "repo")
    assert found.options == {
        "mini_batch_size": 7,
        "mini_batch_error_threshold": 5,
        "processes": 2,
        "logging_level": "DEBUG",
        "partition_keys": ("store", "brand"),
        "run_max_try": 3,
        "run_invocation_timeout": 120,
        "script": f"{repo}/src/score.py",
        "allowed_failed_percent": 30,
        "error_threshold": 5,
        "resource_monitor_interval": 20,
        "output_action": "append_row",
        "append_row_file_name": "all.csv",
        "input": (f"{repo}/data",),
        "environment_variables": {"COLOUR": "red", "NUMBER": "7"},
    }
    assert found.arguments == (
        *("--model", f"{repo}/my model", "--threshold", "0.5", "--text", "two words", "--timeout", "9"),
        *("--out", "/work/outputs/rows", "--again", "/work/outputs/rows", "--mode", "fast"),
    )
    assert found.directories == ("/work/outputs/rows",)


def test_input_that_refers_by_its_path(job, tmp_path):
    """An input may refer to the pipeline's, or to another step's output, by its path: the SDK writes jobs so."""
    text = PIPELINE.replace(
        "data: ${{parent.inputs.pipeline_data}}",
        "data: {type: uri_folder, path: '${{parent.inputs.pipeline_data}}'}",
    ).replace("earlier: ${{parent.jobs", "earlier:\n        path: ${{parent.jobs")
    found = job(text)
    assert found.options["input"] == (str(tmp_path / "repo" / "data"),)
    with pytest.raises(UsageError, match=r"\$\{\{inputs.earlier\}\} has no value on this machine: give it by --input"):
        job(text.replace("--mode ${{inputs.mode}}", "--mode ${{inputs.earlier}} ").replace("$[[", "").replace("]]", ""))
    table = text.replace("path: ./data", "path: ./data\n    default: 1").replace(
        "data: {type: uri_folder, path", "data: {type: mltable, path"
    )
    with pytest.raises(UsageError, match="the input data is a table: give --input-format"):
        job(table)


def test_inputs_of_the_command_line(job):
    """--input gives the data, or with NAME= any of the job's inputs; what it gives need not be in the file."""
    text = PIPELINE.replace("${{inputs.data}}", "${{inputs.remote}}").replace(
        "--mode ${{inputs.mode}}", "${{inputs.earlier}}"
    )
    found = job(text, input=("here/*.txt", "there", "earlier=/e e", "unknown=x"))
    assert found.options["input"] == ("here/*.txt", "there", "unknown=x")
    assert found.arguments[-1] == "/e e"
    assert job(text, input=("remote=/r",)).options["input"] == ("/r",)


def test_path_of_the_command_line_is_absolute(job, tmp_path):
    """A path that --input gives to one of the job's inputs is absolute for the script, which runs elsewhere."""
    found = job(PIPELINE, input=("model=my model", "threshold=./7", "data=there"))
    assert found.arguments[:4] == ("--model", str(tmp_path / "my model"), "--threshold", "./7")
    assert found.options["input"] == (str(tmp_path / "there"),)


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (
            "${{inputs.data}}",
            "${{inputs.remote}}",
            "the input remote is not on this machine: give its data by --input PATH",
        ),
        (
            "${{inputs.data}}",
            "${{inputs.earlier}}",
            "the input earlier is not on this machine: give its data by --input",
        ),
        (
            "${{inputs.data}}",
            "data",
            "input_data names none of the inputs: write ${{inputs.NAME}}, or give --input PATH",
        ),
        (
            "--threshold ${{ inputs.threshold }}",
            "--threshold ${{ inputs.asset }}",
            "${{inputs.asset}} has no value on this machine: give it by --input asset=VALUE",
        ),
        (
            "--threshold ${{ inputs.threshold }}",
            "--threshold ${{ inputs.remote }}",
            "${{inputs.remote}} has no value on this machine: give it by --input remote=VALUE",
        ),
        (
            "${{ inputs.threshold }}",
            "${{ name }}",
            "${{name}} has no value on this machine: put its value in its place",
        ),
        ('"two words"', '"two words', "program_arguments: No closing quotation: close the quotation"),
        (
            "--error_threshold=5",
            "--error_threshold -7",
            "program_arguments: --error_threshold is -7: give a whole number",
        ),
        (
            "--resource_monitor_interval 20",
            "--append_row_file_name a/b",
            "--append_row_file_name is a/b: give a file's name",
        ),
        (
            'mini_batch_size: "7"',
            "mini_batch_size: many",
            "job.yml:23: mini_batch_size is many: give a number of files",
        ),
        ("max_retries: 2", "max_retries: -1", "job.yml:29: max_retries is -1: give a whole number, 0 or more"),
        ("timeout: 120", "timeout: soon", "job.yml:30: timeout is soon: give seconds, more than 0"),
        (
            "      max_retries: 2\n      timeout: 120",
            "      - 1",
            "job.yml:28: retry_settings is a list: give a mapping",
        ),
        ("entry_script: score.py", "entry_script: [1]", "the task's entry_script is missing: name the Python file"),
        (
            "code: ./src",
            "code: azureml:src:1",
            "the code azureml:src:1 is not on this machine: give the path of its folder",
        ),
        ("    task:\n", "    job:\n", "the step score has no task: give one with code and entry_script"),
        ("score:\n    type: parallel", "score:\n    type: sweep", "none of its steps is of type parallel"),
        ("jobs:\n", "steps:\n", "this is neither a pipeline with `jobs`, nor a parallel component, nor a saved"),
        ("type: pipeline", "type: [pipeline", "repo/job.yml:3: this is no YAML: "),
        ("type: pipeline", "type: !!python/name:os.system", "repo/job.yml:2: this is no YAML: could not determine"),
        ("  prepare:\n", "  - prepare:\n", "this is no YAML"),
    ],
)
def test_clear_lines(job, before, after, text):
    """What can't be run is one line that names the file, mostly the line in it, and what to give."""
    assert before in PIPELINE
    with pytest.raises(UsageError) as caught:
        job(PIPELINE.replace(before, after))
    assert text in str(caught.value)
    assert "repo/job.yml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_file_that_is_no_job(job):
    """A missing file, one without a mapping, and one nested without end are one line each."""
    with pytest.raises(UsageError, match=r"gone\.yml can't be read: No such file or directory; give the path of a job"):
        jobfile.load("gone.yml", None, {}, "/")
    with pytest.raises(UsageError, match=r"repo/job\.yml: there is no mapping at its top: give the YAML of a job"):
        job("just text")
    with pytest.raises(UsageError, match=r"repo/job\.yml: this is no YAML: RecursionError; mend the file"):
        job("[" * 5000)
    with pytest.raises(UsageError, match=r"repo/job\.yml: this is no YAML: "):
        job("a: \x01")


TWO_STEPS = """\
jobs:
  one: {type: parallel, task: {entry_script: one.py}, inputs: {d: x}, input_data: "${{inputs.d}}"}
  two: {type: parallel, task: {entry_script: two.py}, inputs: {d: y}, input_data: "${{inputs.d}}"}
  three: {type: command}
"""


def test_steps(job):
    """--step chooses among several parallel steps, and must name one."""
    assert job(TWO_STEPS, "two").options["script"].endswith("/repo/two.py")
    assert job(TWO_STEPS, "two").options["input"] == ("y",)
    with pytest.raises(UsageError, match=r"job\.yml has several parallel steps: give --step one of one, two"):
        job(TWO_STEPS)
    with pytest.raises(UsageError, match=r"--step four: repo/job\.yml has no such step: give one of one, two, three"):
        job(TWO_STEPS, "four")
    with pytest.raises(UsageError, match=r"job\.yml:4: the step three is of type command: give --step a parallel one"):
        job(TWO_STEPS, "three")


COMPONENT = """\
type: parallel
name: scoring
inputs:
  data:
    type: uri_folder
  factor:
    type: number
    default: 3
  bias:
    type: number
    optional: true
outputs:
  rows:
    type: uri_file
input_data: ${{inputs.data}}
mini_batch_size: 2
max_concurrency_per_instance: 4
retry_settings:
  max_retries: 5
  timeout: 9
environment_variables:
  A: 1
  B: 2
task:
  type: run_function
  code: ../src
  entry_script: score.py
  program_arguments: --factor ${{inputs.factor}} $[[--bias ${{inputs.bias}}]]
  append_row_to: ${{outputs.rows}}
"""

STEP = """\
type: pipeline
jobs:
  score:
    type: parallel
    component: {reference}
    mini_batch_size: 3
    retry_settings:
      timeout: 8
    environment_variables:
      B: 3
    inputs:
      data:
        type: uri_folder
        path: ./data
      bias: -1
"""


@pytest.mark.parametrize("reference", ["./parts/score.yml", "file:./parts/score.yml", "file:parts/score.yml"])
def test_component(job, tmp_path, reference):
    """A step takes from its component's file what it doesn't say itself; paths start at the file they stand in."""
    found = job(STEP.replace("{reference}", reference), files={"parts/score.yml": COMPONENT})
    repo = str(tmp_path / "repo")
    assert found.options == {
        "mini_batch_size": 3,
        "processes": 4,
        "run_max_try": 6,
        "run_invocation_timeout": 8,
        "script": f"{repo}/src/score.py",
        "output_action": "append_row",
        "input": (f"{repo}/data",),
        "environment_variables": {"A": "1", "B": "3"},
    }
    assert found.arguments == ("--factor", "3", "--bias", "-1")


def test_step_without_a_type(job):
    """A step that leaves its type to the component is found too, and steps of other kinds are passed over."""
    text = STEP.replace("    type: parallel\n", "").replace("{reference}", "./parts/score.yml")
    text += "  other:\n    component: azureml:other:1\n"
    assert job(text, files={"parts/score.yml": COMPONENT}).options["mini_batch_size"] == 3


def test_inline_component(job, tmp_path):
    """A component can stand in the step itself."""
    indented = "\n" + textwrap.indent(COMPONENT.replace("../src", "src"), " " * 6).rstrip()
    found = job(STEP.replace(" {reference}", indented))
    assert found.options["script"] == str(tmp_path / "repo" / "src" / "score.py")


def test_default_size(job):
    """Without a size v2 takes files one by one, unlike v1; tables and keys have their own ways."""
    text = COMPONENT.replace("mini_batch_size: 2\n", "")
    assert job(text, input=("/d",)).options["mini_batch_size"] == 1
    assert "mini_batch_size" not in job(text, input=("/d",), input_format="csv").options
    assert "mini_batch_size" not in job(text + "partition_keys: [a]\n", input=("/d",)).options


def test_component_in_the_workspace(job):
    """A component that is in a workspace is one line that says what to give."""
    with pytest.raises(
        UsageError, match=r"job\.yml:5: the component azureml:scoring:1 is not on this machine: give its"
    ):
        job(STEP.replace("{reference}", "azureml:scoring:1"))


def test_component_alone(job, tmp_path):
    """A component's own file is a job too, whose inputs the command line gives."""
    found = job(COMPONENT, input=("data=/d", "factor=4"))
    assert found.options["input"] == ("/d",)
    assert found.arguments == ("--factor", "4")
    with pytest.raises(
        UsageError, match=r"job\.yml:15: the input data is not on this machine: give its data by --input"
    ):
        job(COMPONENT)


def test_no_rows_are_kept_without_append_row_to(job):
    """A task without append_row_to counts only, as v2 does."""
    text = COMPONENT.replace("  append_row_to: ${{outputs.rows}}\n", "")
    assert job(text, input=("/d",)).options["output_action"] == "summary_only"


# As azureml-pipeline-steps 1.62 saves it, the environment shortened.
V1 = """\
parallel_run_config:
  mini_batch_size:
  partition_keys:
  - store
  - brand
  error_threshold: 10
  output_action: append_row
  logging_level: DEBUG
  compute_target_name: cpu-cluster
  node_count: 2
  process_count_per_node: 2
  entry_script: score.py
  source_directory: src
  description: d
  run_invocation_timeout: 120
  run_max_try: 2
  append_row_file_name: rows.txt
  environment:
    name: batch-env
    environmentVariables:
      EXAMPLE_ENV_VAR: EXAMPLE_VALUE
  environment_variables:
    A: '1'
"""


def test_v1(job, tmp_path):
    """A saved ParallelRunConfig becomes the options that it stands for."""
    found = job(V1, files={"src/score.py": ""})
    assert found == jobfile.Job(
        {
            "partition_keys": ("store", "brand"),
            "error_threshold": 10,
            "output_action": "append_row",
            "logging_level": "DEBUG",
            "processes": 2,
            "script": str(tmp_path / "repo" / "src" / "score.py"),
            "run_invocation_timeout": 120,
            "run_max_try": 2,
            "append_row_file_name": "rows.txt",
            "environment_variables": {"A": "1"},
        },
        (),
        (),
    )


def test_v1_with_little(job, tmp_path):
    """What a saved config leaves empty is not asked for; its folder may be relative to the current directory."""
    text = "parallel_run_config:\n  mini_batch_size: 1MB\n  process_count_per_node:\n  entry_script: a/score.py\n"
    found = job(text)
    assert found.options == {"mini_batch_size": "1mb", "script": str(tmp_path / "a" / "score.py")}
    assert os.path.isabs(found.options["script"])


def test_v1_clear_lines(job):
    """A saved config without a script, with a bad value, or with a step, is one clear line."""
    with pytest.raises(UsageError, match=r"repo/job\.yml: entry_script is missing: name the Python file"):
        job("parallel_run_config:\n  node_count: 2\n")
    with pytest.raises(UsageError, match=r"job\.yml:16: run_max_try is 0: give a whole number, 1 to 1000"):
        job(V1.replace("run_max_try: 2", "run_max_try: 0"))
    with pytest.raises(
        UsageError, match=r"--step x: repo/job\.yml is a config of v1, which has no steps: leave --step"
    ):
        job(V1, "x")


TABLE = COMPONENT.replace("data:\n    type: uri_folder", "data:\n    type: mltable").replace(
    "mini_batch_size: 2", "mini_batch_size: 100 kb"
)

MLTABLE = """\
paths:
  - file: ./one.txt
  - pattern: ./more/*.txt
transformations:
  - read_delimited:
      delimiter: ';'
      encoding: utf8
  - extract_columns_from_partition_format:
      partition_format: '/{store}/*'
"""


def test_mltable(job, tmp_path):
    """An input of type mltable is a table, whose paths and format its MLTable file says."""
    found = job(TABLE, files={"t/MLTable": MLTABLE}, input=("data=repo/t",))
    assert found.options["input"] == tuple(
        os.path.relpath(tmp_path / "repo" / "t" / name, "/") and str(tmp_path / "repo" / "t" / name)
        for name in ("one.txt", "more/*.txt")
    )
    assert found.options["input_format"] == "csv"
    assert found.options["delimiter"] == ";"
    assert found.options["partition_format"] == "/{store}/*"
    assert found.options["mini_batch_size"] == "100kb"


@pytest.mark.parametrize(("reader", "expected"), [("read_parquet", "parquet"), ("read_json_lines:", "jsonl")])
def test_mltable_written_shortly(job, reader, expected):
    """A transformation without details may be a name alone."""
    text = (
        f"paths:\n- folder: .\ntransformations:\n- {reader}\n- {{extract_columns_from_partition_format: '{{a}}/*'}}\n"
    )
    found = job(TABLE, files={"t/MLTable": text}, input=("data=repo/t",))
    assert (found.options["input_format"], found.options["partition_format"]) == (expected, "{a}/*")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("paths:\n- file: azureml://x\n", "MLTable:1: its paths are not on this machine: give the data by --input and"),
        ("paths: x\ntransformations: 3\n", "MLTable:1: its paths are not on this machine"),
        ("paths:\n- file: a\ntransformations: 3\n", "MLTable:3: 3 is not done here: give the data itself"),
        ("transformations: []\n", "MLTable: its paths are not on this machine"),
        (
            "paths:\n- file: a\n",
            "MLTable: none of them reads a format: add read_delimited, read_parquet or read_json_lines",
        ),
        (
            "paths:\n- file: a\ntransformations:\n- filter: x\n",
            "MLTable:3: filter is not done here: give the data itself",
        ),
        (
            "paths:\n- file: a\ntransformations:\n- read_delimited: {delimiter: ab}\n",
            "delimiter is ab: give one character",
        ),
    ],
)
def test_mltable_clear_lines(job, text, line):
    """What an MLTable file asks for and can't be done here is one clear line."""
    with pytest.raises(UsageError) as caught:
        job(TABLE, files={"t/MLTable": text}, input=("data=repo/t",))
    assert line in str(caught.value)


def test_table_without_mltable(job):
    """The format of a table without an MLTable file is told by its files' names, or by the command line."""
    files = {"t/x/b.txt": "", "t/x/a.parquet": "", "u/a.txt": ""}
    assert job(TABLE, files=files, input=("data=repo/t",)).options["input_format"] == "parquet"
    assert job(TABLE, input=("repo/u/a.txt", "x.csv")).options["input_format"] == "csv"
    assert "input_format" not in job(TABLE, input=("data=repo/u",), input_format="csv").options
    with pytest.raises(UsageError, match=r"job\.yml:15: the input data is a table: give --input-format csv, parquet"):
        job(TABLE, input=("data=repo/u",))


def test_without_input_data(job):
    """A step without input_data runs on what --input gives."""
    text = COMPONENT.replace("input_data: ${{inputs.data}}\n", "")
    assert job(text, input=("/d",)).options["input"] == ("/d",)
    with pytest.raises(UsageError, match=r"repo/job\.yml: input_data names none of the inputs"):
        job(text)


def test_without_pyyaml(job, monkeypatch):
    """Without PyYAML the error names the extra that brings it."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingExtraError, match=r"--job needs pyyaml.*entry-script-helper\[simulator\]"):
        job(PIPELINE)


VALUES = (
    *(None, [], {}, 1, -1, 1.5, True, "", "x", "a:b", "\0", "'", {"a": 1}, {1: 2}, float("nan"), dt.date(2020, 1, 1)),
    *(
        "${{inputs.data}}",
        "${{inputs.}}",
        "${{}}",
        "$[[",
        "${{inputs.data",
        "..",
        [1, [2]],
        b"\xff",
        {"type": "mltable"},
    ),
)


def places(tree, place=()):
    """Yield the place of each value in a tree of YAML."""
    yield place
    if isinstance(tree, (dict, list)):
        for key in tree if isinstance(tree, dict) else range(len(tree)):
            yield from places(tree[key], (*place, key))


@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_law_of_jobs(data, tmp_path, monkeypatch):
    """Whatever stands in a job's file, it is read, or refused by one line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "MLTable").write_text(MLTABLE)
    tree = yaml.safe_load(data.draw(st.sampled_from([PIPELINE, COMPONENT, V1, TABLE])))
    for _ in range(data.draw(st.integers(1, 3))):
        *above, key = data.draw(st.sampled_from([place for place in places(tree) if place]))
        around = functools.reduce(operator.getitem, above, tree)
        around[key] = copy.deepcopy(data.draw(st.sampled_from(VALUES)))
    (tmp_path / "job.yml").write_text(yaml.safe_dump(tree))
    given_inputs = data.draw(st.sampled_from([{}, {"input": (".",)}, {"input": ("data=.", "model=m")}]))
    try:
        found = jobfile.load("job.yml", data.draw(st.sampled_from([None, "score"])), given_inputs, str(tmp_path))
    except UsageError as error:
        assert "\n" not in str(error)  # noqa: PT017 - it may be raised
    else:
        assert isinstance(found.options["script"], str)
