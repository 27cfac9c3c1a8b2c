"""One scoring project, here and in Azure ML: run by the command, built and validated as a job of v2 and of v1.

Those of the group `cloud` need the SDKs, of which `pip install '.[test-cloud]'` has all (v1's up to Python 3.11). They
run in processes of their own, in which nothing can be connected to; the only mocks are of Azure itself.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import trees
import yaml

import entry_script_helper
from entry_script_helper import logtree

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "docs" / "examples" / "azureml"
ROWS = ["attic.txt\t0.25", "cellar.txt\t2.00", "greenhouse.txt\t2.50", "hall.txt\t0.25", "porch.txt\t0.75"]
ADDRESS = "10.0.0.4"

# A path over which Azure could be reached is closed: what is said to work offline does.
OFFLINE = """
import json, socket, sys, unittest.mock

def refuse(*arguments, **keywords):
    raise OSError("no network in this test")

socket.socket.connect = socket.getaddrinfo = refuse
sys.path.insert(0, "azureml")
"""


@pytest.fixture
def project(tmp_path, workplace):
    """The example's folder, in a place of its own."""
    shutil.copytree(EXAMPLE, tmp_path / "azureml")
    return workplace


def installed(package, least):
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return tuple(int(number) for number in version.split(".")[:2]) >= least


def needs(package, *least):
    wanted = f"{package} {'.'.join(map(str, least))} or later"
    skipped = pytest.mark.skipif(
        not installed(package, least),
        reason=f"{wanted} is not installed: pip install '.[test-cloud]', Python 3.9 to 3.11",
    )
    return lambda test: pytest.mark.cloud(skipped(test))


needs_v2 = needs("azure-ai-ml", 1, 20)
needs_v1 = needs("azureml-pipeline-steps", 1, 60)


def run(workplace, *arguments):
    """Run the command in the workplace; return the rows, in their order, and what it printed."""
    place = workplace.path / "out"
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AZ", "ENTRY_SCRIPT_"))}
    done = subprocess.run(
        [sys.executable, "-m", "entry_script_helper", "run", *map(str, arguments), "--working-dir", str(place)],
        cwd=workplace.path,
        env={**environ, "AZ_BATCHAI_WORKER_IP": ADDRESS, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return sorted((place / "parallel_run_step.txt").read_text().splitlines()), done.stdout


def test_the_project_runs_here_by_its_job(project):
    """The job's own file runs here as it stands: the model, the sizes and the limits are the file's."""
    rows, printed = run(project, "--job", "azureml/pipeline.yml")
    assert rows == ROWS
    assert printed.startswith("succeeded: 5 of 5 items, 3 of 3 mini-batches, 0 failed, 2 processes, ")
    logs = "".join(path.read_text() for path in (project.path / "out/logs/user" / ADDRESS).glob("*.txt"))
    assert f"|init()|node: {ADDRESS} (AZ_BATCHAI_WORKER_IP is set)\n" in logs
    assert "|run()|run() ended after " in logs


def test_the_project_runs_here_by_its_script(project):
    """The script runs here without the job's file too, with the arguments that the job would pass."""
    rows, _ = run(project, "azureml/src/score.py", "--input", "azureml/data", "--model", project.path / "azureml/model")
    assert rows == ROWS


def test_every_environment_pins_the_helper():
    """Each of the project's environments pins this very version, in the form that a wheel's name or an index knows."""
    pin = f"entry-script-helper=={entry_script_helper.__version__}"
    requirements = (EXAMPLE / "environment" / "requirements.txt").read_text()
    assert pin in requirements.splitlines()
    assert f"# ./entry_script_helper-{entry_script_helper.__version__}-py3-none-any.whl\n" in requirements
    conda = yaml.safe_load((EXAMPLE / "environment" / "conda.yml").read_text())
    assert set(conda["dependencies"][-1]["pip"]) == {
        line for line in requirements.splitlines() if not line.startswith("#")
    }
    text = (EXAMPLE / "environment" / "Dockerfile").read_text()
    assert re.findall(r"^(?:WORKDIR|COPY|RUN).*", text, re.MULTILINE) == [
        "WORKDIR /environment",
        "COPY . .",
        "RUN pip install --no-cache-dir -r requirements.txt",
    ]


def test_logs_that_come_back_are_read(tmp_path):
    """What azure-ai-ml downloads, the service's files and ours in a folder `artifacts`, is read as one run."""
    trees.today(tmp_path / "downloaded" / "artifacts")
    ours = tmp_path / "downloaded" / "artifacts" / "logs" / "user" / ADDRESS / "process000.txt"
    ours.parent.mkdir(parents=True, exist_ok=True)
    ours.write_text(f"2026-01-31 10:00:00,123|score|INFO|4711|140239471236928|init()|node: {ADDRESS}\n")
    found = list(logtree.read(str(tmp_path / "downloaded")))
    (record,) = [record for record in found if record.message == f"node: {ADDRESS}"]
    assert (record.process_name, record.node, record.function) == ("process000", ADDRESS, "init")
    assert len({record.path for record in found}) > 5


PLATFORMS = {
    "batch-ai": {
        "AZ_BATCHAI_INPUT_AZUREML": "/mnt/share",
        "AZ_BATCHAI_JOB_TEMP": "/mnt/job01",
        "AZ_BATCHAI_WORKER_IP": ADDRESS,
        "AZUREML_RUN_ID": "run_1",
    },
    "common-runtime": {
        "AZUREML_CR_EXECUTION_WORKING_DIR_PATH": "/mnt/azureml/cr/j/0a/exe/wd",
        "AZUREML_CR_NODE_RANK": "0",
        "AZUREML_CR_COMPUTE_CONTEXT": '{"cluster_name": "cpu-cluster"}',
        "AZ_BATCHAI_JOB_WORK_DIR": "/mnt/other",
        "AZUREML_RUN_ID": "run_1",
    },
    "kubernetes": {
        "AZUREML_CR_EXECUTION_WORKING_DIR_PATH": "/mnt/azureml/cr/j/0a/exe/wd",
        "AML_JOB_ID": "job_1",
        "AZUREML_RUN_ID": "run_1",
    },
    "compute-instance": {"APPSETTING_WEBSITE_SITE_NAME": "AMLComputeInstance", "CI_WORKSPACE": "/config"},
    "amlcompute": {"APPSETTING_WEBSITE_SITE_NAME": "AMLCompute", "AZUREML_RUN_ID": "run_1"},
    "azureml": {"AZUREML_RUN_ID": "run_1"},
    "local": {},
}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_where_explains_each_platform(platform, tmp_path):
    """`where` says on each platform what docs/explanation/environment-variables.md says of it."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AZ", "ENTRY_SCRIPT_"))}
    done = subprocess.run(
        [sys.executable, "-m", "entry_script_helper", "where", "--json"],
        cwd=tmp_path,
        env={**environ, **PLATFORMS[platform], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    said = json.loads(done.stdout)
    page = (ROOT / "docs" / "explanation" / "environment-variables.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| `{platform}` \|(.*)\|$", page, re.MULTILINE)
    _, working_dir, node = (cell.strip() for cell in row.split("|"))
    paths = {"the current directory": str(tmp_path), "`<AZ_BATCHAI_INPUT_AZUREML>/<run id>`": "/mnt/share/run_1"}
    common = PLATFORMS["common-runtime"]["AZUREML_CR_EXECUTION_WORKING_DIR_PATH"]
    expected = {**paths, "`AZUREML_CR_EXECUTION_WORKING_DIR_PATH`": common}[working_dir]
    assert (said["platform"]["value"], said["working_dir"]["value"]) == (platform, expected)
    assert (said["node"]["why"] == "AZ_BATCHAI_WORKER_IP is set") == (node == "`AZ_BATCHAI_WORKER_IP`")
    decides = said["platform"]["why"].split()[0]
    assert decides in PLATFORMS[platform] or platform == "local"


CLIENT = """
from azure.ai.ml import MLClient, load_component, load_job

class NoCredential:
    def get_token(self, *scopes, **keywords):
        raise RuntimeError("a token was asked for")

client = MLClient(NoCredential(), "subscription", "group", "workspace")

def said(job):
    result = client.jobs.validate(job)
    return json.dumps([result.passed, result.error_messages])
"""


@needs_v2
def test_v2_job_file_is_valid(project):
    """The SDK reads pipeline.yml, finds nothing wrong, and makes the request that would submit it, without a network."""
    printed = project.run(
        OFFLINE,
        CLIENT,
        """
        job = load_job("azureml/pipeline.yml")
        print(said(job))
        request = job._to_rest_object().properties
        print(json.dumps([request.job_type, request.jobs["score"], request.inputs["readings"].uri], default=str))
        """,
        stderr=None,
    )
    result, request = map(json.loads, printed.splitlines())
    assert result == [True, {}]
    kind, step, readings = request
    assert (kind, step["type"], step["resources"], step["mini_batch_size"]) == (
        "Pipeline",
        "parallel",
        {"instance_count": 2},
        2,
    )
    assert step["retry_settings"] == {"max_retries": 2, "timeout": 60}
    assert step["task"]["program_arguments"] == "--model ${{inputs.model}}"
    assert Path(step["task"]["code"], step["task"]["entry_script"]).samefile(project.path / "azureml/src/score.py")
    assert Path(step["task"]["environment"]["build"]["path"]).samefile(project.path / "azureml/environment")
    assert readings.rstrip("/").endswith("/data")


@needs_v2
def test_v2_validation_can_fail(project):
    """What is wrong in the job's file is found on this machine: the validation of the tests is one."""
    text = (EXAMPLE / "pipeline.yml").read_text()
    mistakes = {
        "task": ("    task:\n      type: run_function", "    tasks:\n      type: run_function"),
        "max_retries": ("max_retries: 2", "max_retries: twice"),
        "paralel": ("type: parallel", "type: paralel"),
        "error_threshold": ("error_threshold: 0\n    mini", "error_threshold: none\n    mini"),
        "instance_count": ("instance_count: 2", "instance_count: {}"),
        "compute": ("  default_compute: azureml:cpu-cluster", "  default_datastore: azureml:store"),
    }
    for place, (before, after) in mistakes.items():
        assert before in text
        (project.path / "azureml" / f"{place}.yml").write_text(text.replace(before, after))
    printed = project.run(
        OFFLINE,
        CLIENT,
        f"""
        for place in {list(mistakes)}:
            try:
                print(said(load_job(f"azureml/{{place}}.yml")))
            except Exception as error:
                print(json.dumps([False, str(error)]))
        """,
        stderr=None,
    )
    for place, line in zip(mistakes, printed.splitlines()):
        passed, messages = json.loads(line)
        assert (passed, place in json.dumps(messages)) == (False, True), (place, messages)
    assert len(printed.splitlines()) == len(mistakes)


@needs_v2
def test_v2_validation_has_limits(project):
    """What only the service can know passes the validation here: the guide says so of these."""
    text = (EXAMPLE / "pipeline.yml").read_text()
    (project.path / "azureml" / "environment" / "Dockerfile").write_text("FROM no-such-image\n")
    for before, after in [("${{inputs.readings}}", "${{inputs.nothing}}"), ("azureml:cpu-cluster", "azureml:none")]:
        assert before in text
        text = text.replace(before, after)
    (project.path / "azureml" / "pipeline.yml").write_text(text)
    printed = project.run(OFFLINE, CLIENT, "print(said(load_job('azureml/pipeline.yml')))", stderr=None)
    assert json.loads(printed) == [True, {}]


@needs_v2
def test_v2_python_builds_the_same_job(project):
    """pipeline_v2.py builds the job of pipeline.yml: the two requests differ in where they say they come from."""
    printed = project.run(
        OFFLINE,
        CLIENT,
        """
        import pipeline_v2

        def plain(job):
            found = job._to_rest_object().properties.as_dict()
            component = found["jobs"]["score"].pop("componentId")._to_dict()
            found["jobs"]["score"].pop("_source"), found["settings"].pop("_source")
            for key in ("name", "version"):
                component.pop(key, None)
            return json.loads(json.dumps([found, component], default=str))

        built, read = pipeline_v2.build(), load_job("azureml/pipeline.yml")
        print(said(built))
        print(json.dumps([plain(built), plain(read)]))
        """,
        stderr=None,
    )
    result, (built, read) = map(json.loads, printed.splitlines())
    assert result == [True, {}]
    folder = str(project.path / "azureml")
    for request, component in (built, read):
        assert set(request["jobs"]) == {"score"}
        for given in request["inputs"].values():
            given["uri"] = os.path.normpath(os.path.join(folder, given["uri"]))
        component["task"]["code"] = os.path.normpath(os.path.join(folder, component["task"]["code"]))
    assert built == read


@needs_v2
def test_v2_component_is_valid_and_runs_here(project):
    """The parallel component of the step passes its schema as a file of its own, and runs here as one."""
    project.run(
        OFFLINE,
        CLIENT,
        """
        import yaml

        component = load_job("azureml/pipeline.yml").jobs["score"].component._to_dict()
        component["name"] = "score"
        with open("azureml/component.yml", "w") as file:
            yaml.safe_dump(json.loads(json.dumps(component)), file)
        loaded = load_component("azureml/component.yml")
        assert loaded.type == "parallel", loaded
        result = loaded._validate()
        assert result.passed, result
        """,
        stderr=None,
    )
    inputs = ("--input", "readings=azureml/data", "--input", "model=azureml/model")
    rows, _ = run(project, "--job", "azureml/component.yml", *inputs)
    assert rows == ROWS


@needs_v2
def test_v2_job_that_the_sdk_wrote_runs_here(project):
    """A job that was built in Python and dumped runs here from that file, where its data are given."""
    project.run(OFFLINE, CLIENT, "import pipeline_v2; pipeline_v2.build().dump('dumped.yml')", stderr=None)
    inputs = ("--input", "readings=azureml/data", "--input", "model=azureml/model")
    rows, printed = run(project, "--job", "dumped.yml", *inputs)
    assert rows == ROWS
    assert "3 of 3 mini-batches, 0 failed, 2 processes" in printed


@needs_v2
def test_v2_submission_calls_what_the_sdk_has(project):
    """pipeline_v2.py submits, waits and downloads with calls that the SDK has; Azure itself is a mock."""
    project.run(
        OFFLINE,
        """
        import pipeline_v2
        from azure.ai.ml.operations import JobOperations

        jobs = unittest.mock.create_autospec(JobOperations, instance=True)
        jobs.create_or_update.return_value.name = "parent"
        step = unittest.mock.Mock()
        step.name = "step_1"
        jobs.list.return_value = [step]
        with unittest.mock.patch.object(pipeline_v2.MLClient, "from_config", autospec=True) as from_config:
            from_config.return_value.jobs = jobs
            pipeline_v2.main()
        jobs.stream.assert_called_once_with("parent")
        jobs.list.assert_called_once_with(parent_job_name="parent")
        jobs.download.assert_called_once_with("step_1", download_path="downloaded/step_1", all=True)
        """,
        stderr=None,
    )


# A workspace whose answers are all known, as the file that azureml-core keeps of them.
WORKSPACE = """
import os
os.makedirs(".azureml", exist_ok=True)
os.environ["HOME"] = os.getcwd()
scope = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
names = ("api history artifacts metric dataset datastore modelmanagement experimentation assets project pipelines "
         "hyperdrive environment studio").split()
with open(".azureml/.discovery", "w") as file:
    services = {"default": {name: f"https://azure.invalid/{name}" for name in names}}
    json.dump({scope: services, f"{scope}/id": services}, file)

from azureml.core import Workspace
from azureml.core.authentication import AbstractAuthentication
from azureml.data.abstract_dataset import AbstractDataset
from azureml.data.azure_storage_datastore import AzureBlobDatastore
from azureml.pipeline.core import Pipeline
from azureml._vendor.azure_cli_core.cloud import AZURE_PUBLIC_CLOUD

class NoCredential(AbstractAuthentication):
    def get_authentication_header(self):
        return {}
    def _get_arm_end_point(self):
        return "https://azure.invalid"
    def _get_cloud_type(self):
        return AZURE_PUBLIC_CLOUD

workspace = Workspace("s", "g", "w", auth=NoCredential(), _location="x", _disable_service_check=True, _workspace_id="id")
datastore = AzureBlobDatastore(workspace, "workspaceblobstore", "container", "account")
import pipeline_v1
"""


@needs_v1
def test_v1_step_is_valid(project):
    """The ParallelRunStep and its pipeline are built and found valid without a network, from the same script."""
    printed = project.run(
        OFFLINE,
        WORKSPACE,
        """
        import functools
        # Azure itself: where a dataset is registered, and where a graph is sent to.
        AbstractDataset._ensure_saved = lambda self, workspace: "saved"
        pipeline_v1.Pipeline = functools.partial(
            Pipeline, _workflow_provider=unittest.mock.MagicMock(), _service_endpoint="https://azure.invalid"
        )
        pipeline = pipeline_v1.build(workspace, datastore)
        nodes = {node.name: node for node in pipeline.graph.nodes}
        step = nodes["score"]
        print(json.dumps([pipeline.validate(), sorted(nodes), step.get_param("BatchInferencingMetaData").value]))
        """,
        stderr=None,
    )
    problems, nodes, described = json.loads(printed.splitlines()[-1])
    assert (problems, nodes) == ([], ["model", "readings", "score"])
    found = json.loads(described)
    assert {name: found[name] for name in ("EntryScript", "NodeCount", "ProcessCountPerNode", "MiniBatchSize")} == {
        "EntryScript": "score.py",
        "NodeCount": 2,
        "ProcessCountPerNode": 2,
        "MiniBatchSize": 2,
    }
    assert (found["RunMaxTry"], found["RunInvocationTimeout"], found["ErrorThreshold"]) == (3, 60, 0)


@needs_v1
def test_v1_arguments_run_here(project):
    """The arguments that the step passes to the service's driver run the script here as they are."""
    printed = project.run(
        OFFLINE,
        WORKSPACE,
        """
        captured = []
        pipeline_v1.Pipeline = lambda workspace, steps, default_datastore: captured.extend(steps)
        pipeline_v1.build(workspace, datastore)
        (step,) = captured
        print(json.dumps([str(argument) for argument in step._arguments]))
        """,
        stderr=None,
    )
    arguments = json.loads(printed.splitlines()[-1])
    places = {
        "DatasetConsumptionConfig:model": str(project.path / "azureml/model"),
        "DatasetOutputConfig:rows": str(project.path / "out/parallel_run_step.txt"),
    }
    given = [places.get(argument, argument) for argument in arguments]
    assert set(places) <= set(arguments)
    rows, shown = run(project, "azureml/src/score.py", "--input", "azureml/data", *given)
    assert rows == ROWS
    assert "3 of 3 mini-batches, 0 failed, 2 processes" in shown


@needs_v1
def test_v1_config_runs_here(project):
    """The ParallelRunConfig, saved as the SDK saves it, runs here, and its environment pins the helper."""
    printed = project.run(
        OFFLINE,
        """
        import pipeline_v1

        config = pipeline_v1.configure()
        config.save_to_yaml("config.yml")
        print(config.environment.python.conda_dependencies.serialize_to_string())
        """,
        stderr=None,
    )
    assert f"- entry-script-helper=={entry_script_helper.__version__}\n" in printed
    rows, _ = run(project, "--job", "config.yml", "--input", "azureml/data", "--model", project.path / "azureml/model")
    assert rows == ROWS


@needs_v1
def test_v1_validation_can_fail(project):
    """What is wrong in the step is refused on this machine: the validation of the tests is one."""
    printed = project.run(
        OFFLINE,
        WORKSPACE,
        """
        mistakes = [
            {"error_threshold": -2},
            {"mini_batch_size": "many"},
            {"output_action": "append"},
            {"entry_script": "gone.py"},
            {"run_max_try": 0},
            {},
        ]
        pipeline_v1.Pipeline = lambda *arguments, **keywords: None
        config = pipeline_v1.ParallelRunConfig
        for mistake in mistakes:
            pipeline_v1.ParallelRunConfig = lambda **given: config(**{**given, **mistake})
            try:
                pipeline_v1.build(workspace, datastore)
                print("taken")
            except Exception as error:
                print("refused")
        """,
        stderr=None,
    )
    assert printed.splitlines()[-6:] == ["refused"] * 5 + ["taken"]


@needs_v1
def test_v1_submission_calls_what_the_sdk_has(project):
    """pipeline_v1.py uploads, submits, waits and downloads with calls that the SDK has; Azure itself is a mock."""
    project.run(
        OFFLINE,
        """
        import pipeline_v1
        from azureml.core import Run
        from azureml.data.dataset_factory import FileDatasetFactory
        from azureml.pipeline.core import PipelineRun, StepRun

        step = unittest.mock.create_autospec(StepRun, instance=True)
        step.id = "step_1"
        run = unittest.mock.create_autospec(PipelineRun, instance=True)
        run.get_steps.return_value = [step]
        workspace = unittest.mock.create_autospec(pipeline_v1.Workspace)
        upload = unittest.mock.create_autospec(FileDatasetFactory.upload_directory)
        pipeline_v1.build = unittest.mock.create_autospec(pipeline_v1.build)
        with unittest.mock.patch.multiple(
            pipeline_v1, Workspace=workspace, Experiment=unittest.mock.create_autospec(pipeline_v1.Experiment)
        ), unittest.mock.patch.object(pipeline_v1.Dataset.File, "upload_directory", upload):
            pipeline_v1.Experiment.return_value.submit.return_value = run
            pipeline_v1.main()
        assert upload.call_count == 2
        step.download_files.assert_called_once_with(prefix="logs", output_directory="downloaded/step_1")
        """,
        stderr=None,
    )
