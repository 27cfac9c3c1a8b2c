"""The same scoring as a ParallelRunStep of the SDK v1 (azureml-pipeline-steps). Run it to submit it and wait for it."""

from pathlib import Path

from azureml.core import Dataset, Environment, Experiment, Workspace
from azureml.data import OutputFileDatasetConfig
from azureml.pipeline.core import Pipeline
from azureml.pipeline.steps import ParallelRunConfig, ParallelRunStep

FOLDER = Path(__file__).parent


def configure():
    """Return what the step runs, with the sizes and limits of pipeline.yml. Two retries there are three tries here."""
    return ParallelRunConfig(
        environment=Environment.from_conda_specification("scoring", str(FOLDER / "environment" / "conda.yml")),
        source_directory=str(FOLDER / "src"),
        entry_script="score.py",
        mini_batch_size="2",
        error_threshold=0,
        allowed_failed_count=0,
        output_action="append_row",
        compute_target="cpu-cluster",
        node_count=2,
        process_count_per_node=2,
        run_invocation_timeout=60,
        run_max_try=3,
        logging_level="INFO",
    )


def build(workspace, datastore):
    """Return the pipeline, whose data are in two folders of a datastore."""
    readings = Dataset.File.from_files((datastore, "scoring/data"), validate=False).as_named_input("readings")
    model = Dataset.File.from_files((datastore, "scoring/model"), validate=False).as_named_input("model").as_mount()
    step = ParallelRunStep(
        name="score",
        parallel_run_config=configure(),
        inputs=[readings],
        side_inputs=[model],
        output=OutputFileDatasetConfig(name="rows", destination=(datastore, "scoring/rows")),
        arguments=["--model", model],
        allow_reuse=False,
    )
    return Pipeline(workspace, steps=[step], default_datastore=datastore)


def main():
    """Upload the data, submit the pipeline to the workspace of config.json, wait for it, and fetch its logs."""
    workspace = Workspace.from_config()
    datastore = workspace.get_default_datastore()
    for name in ("data", "model"):
        Dataset.File.upload_directory(str(FOLDER / name), target=(datastore, f"scoring/{name}"), overwrite=True)
    run = Experiment(workspace, "scoring").submit(build(workspace, datastore))
    run.wait_for_completion(raise_on_error=False)
    for step in run.get_steps():
        step.download_files(prefix="logs", output_directory=f"downloaded/{step.id}")


if __name__ == "__main__":
    main()
