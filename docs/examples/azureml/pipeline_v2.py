"""The job of pipeline.yml, built with the SDK v2 (azure-ai-ml). Run it to submit the job and wait for it."""

from pathlib import Path

from azure.ai.ml import Input, MLClient, Output, dsl
from azure.ai.ml.entities import BuildContext, Environment
from azure.ai.ml.parallel import RunFunction, parallel_run_function
from azure.identity import DefaultAzureCredential

FOLDER = Path(__file__).parent

score = parallel_run_function(
    name="score",
    inputs={"readings": Input(type="uri_folder"), "model": Input(type="uri_folder")},
    outputs={"rows": Output(type="uri_file", mode="rw_mount")},
    input_data="${{inputs.readings}}",
    mini_batch_size="2",
    instance_count=2,
    max_concurrency_per_instance=2,
    retry_settings={"max_retries": 2, "timeout": 60},
    error_threshold=0,
    mini_batch_error_threshold=0,
    logging_level="INFO",
    task=RunFunction(
        code=str(FOLDER / "src"),
        entry_script="score.py",
        environment=Environment(build=BuildContext(path=str(FOLDER / "environment"))),
        program_arguments="--model ${{inputs.model}}",
        append_row_to="${{outputs.rows}}",
    ),
)


@dsl.pipeline(display_name="scoring", default_compute="cpu-cluster")
def scoring(readings, model):
    """Score the readings."""
    step = score(readings=readings, model=model)
    return {"rows": step.outputs.rows}


def build():
    """Return the job, with its data on this machine: submitting it uploads them."""
    return scoring(
        readings=Input(type="uri_folder", path=str(FOLDER / "data")),
        model=Input(type="uri_folder", path=str(FOLDER / "model")),
    )


def main():
    """Submit the job to the workspace of config.json, wait for it, and fetch its logs."""
    client = MLClient.from_config(DefaultAzureCredential())
    job = client.jobs.create_or_update(build(), experiment_name="scoring")
    client.jobs.stream(job.name)
    for step in client.jobs.list(parent_job_name=job.name):
        client.jobs.download(step.name, download_path=f"downloaded/{step.name}", all=True)


if __name__ == "__main__":
    main()
