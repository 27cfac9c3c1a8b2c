"""A job's own file as options of a run: a pipeline of v2 with a parallel step, or a saved ParallelRunConfig of v1.

What lies in the cloud can't be had here: where a value is needed that names something there, the error says which one
to give on the command line instead.

Sources: Azure Machine Learning, "CLI (v2) pipeline job YAML schema"; `ParallelRunConfig.save_to_yaml` of
azureml-pipeline-steps 1.62 for the keys of v1.
"""

from __future__ import annotations

import os

from entry_script_helper.errors import UsageError
from entry_script_helper.simulator import yamlfile
from entry_script_helper.simulator.jobstep import Job, Step, variables_of
from entry_script_helper.simulator.yamlfile import YamlMapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def load(path: str, step: str | None, given: Mapping[str, Any], working_dir: str) -> Job:
    """Return what a job's file says.

    Args:
        path: The file.
        step: The name of the pipeline's step; None for its only parallel one.
        given: The options of the command line, which win: what they say is not asked of the file. ``input`` may
            hold values for the job's inputs, as ``NAME=VALUE``.
        working_dir: Where the job's outputs go, in a directory ``outputs``.

    Raises:
        UsageError: The file can't be read or run: the text names it, the line and the remedy.
        MissingExtraError: PyYAML is not installed.
    """
    root = yamlfile.read(path)
    if "parallel_run_config" in root:
        if step is not None:
            raise UsageError(f"--step {step}: {path} is a config of v1, which has no steps: leave --step out")
        return _of_v1(yamlfile.mapping(root, "parallel_run_config"))
    if root.get("type") == "parallel":
        return Step("the component", [root], YamlMapping(), given, working_dir).job()
    if not isinstance(root.get("jobs"), dict):
        raise UsageError(
            f"{path}: this is neither a pipeline with `jobs`, nor a parallel component, nor a saved ParallelRunConfig: "
            "give the YAML of one of these"
        )
    name, layers = _chosen(root, step)
    return Step(f"the step {name}", layers, root, given, working_dir).job()


_OF_V1 = (
    "mini_batch_size",
    "partition_keys",
    "error_threshold",
    "allowed_failed_count",
    "allowed_failed_percent",
    "output_action",
    "logging_level",
    "run_invocation_timeout",
    "run_max_try",
    "append_row_file_name",
)


def _of_v1(config: YamlMapping) -> Job:
    found = {name: yamlfile.option(config, name, name) for name in _OF_V1 if config.get(name) is not None}
    if config.get("process_count_per_node") is not None:
        found["processes"] = yamlfile.option(config, "process_count_per_node", "processes")
    script = config.get("entry_script")
    if not isinstance(script, str):
        yamlfile.fail(config, "entry_script", "entry_script is missing: name the Python file that defines run()")
    folder = config.get("source_directory") or ""
    # The SDK wrote what it was given: a path that was relative to where the config was made, often not to the file.
    path = os.path.join(str(folder), script)
    beside = yamlfile.beside(config.file, path)
    found["script"] = beside if os.path.exists(beside) else os.path.abspath(path)
    return Job({**found, **variables_of(config)}, (), ())


def _chosen(root: YamlMapping, wanted: str | None) -> tuple[str, list[YamlMapping]]:
    """Return the step that is meant: its name, and the mappings that say what it is, the strongest first."""
    steps = {}
    jobs = yamlfile.mapping(root, "jobs")
    for name in jobs:
        step = yamlfile.mapping(jobs, name)
        if step.get("type", "parallel") == "parallel":
            steps[name] = step
    if wanted is not None:
        if wanted not in jobs:
            raise UsageError(f"--step {wanted}: {root.file} has no such step: give one of {', '.join(map(str, jobs))}")
        if wanted not in steps:
            yamlfile.fail(
                jobs, wanted, f"the step {wanted} is of type {jobs[wanted].get('type')}: give --step a parallel one"
            )
        return wanted, _layers(steps[wanted])
    found = {
        name: layers for name, layers in ((name, _layers(step)) for name, step in steps.items()) if _is_parallel(layers)
    }
    if not found:
        raise UsageError(f"{root.file}: none of its steps is of type parallel: give a pipeline that has one")
    if len(found) > 1:
        raise UsageError(f"{root.file} has several parallel steps: give --step one of {', '.join(map(str, found))}")
    return next(iter(found.items()))


def _is_parallel(layers: list[YamlMapping]) -> bool:
    return any(layer.get("type") == "parallel" for layer in layers)


def _layers(step: YamlMapping) -> list[YamlMapping]:
    """Return the step and the component that it refers to, if there is one."""
    component = step.get("component")
    if component is None:
        return [step]
    if isinstance(component, YamlMapping):
        return [step, component]
    if not isinstance(component, str) or yamlfile.ELSEWHERE.match(component):
        if step.get("type") != "parallel":
            return [step]
        yamlfile.fail(
            step,
            "component",
            f"the component {yamlfile.shown(component)} is not on this machine: "
            "give its own YAML as --job, or its path here",
        )
    return [step, yamlfile.read(yamlfile.beside(step.file, component))]
