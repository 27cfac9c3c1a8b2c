"""A job's own file as options of a run: a pipeline of v2 with a parallel step, or a saved ParallelRunConfig of v1.

Read with PyYAML's safe loader, which makes plain values only. What lies in the cloud can't be had here: where a value
is needed that names something there, the error says which one to give on the command line instead.

Sources: Azure Machine Learning, "CLI (v2) parallel job YAML schema", "CLI (v2) pipeline job YAML schema" and
"CLI (v2) mltable YAML schema"; `ParallelRunConfig.save_to_yaml` of azureml-pipeline-steps 1.62 for the keys of v1.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shlex

from entry_script_helper.errors import MissingExtraError, UsageError
from entry_script_helper.simulator import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

_EXPRESSION = r"\$\{\{\s*([^{}]*?)\s*\}\}"
_OPTIONAL = r"\$\[\[(.*?)\]\]"
_ELSEWHERE = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+:(?!\\)")
"""What starts like a URL or a name in a workspace (``azureml:data:1``): it is not on this machine."""

_TABLES = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_READERS = {"read_delimited": "csv", "read_parquet": "parquet", "read_json_lines": "jsonl"}
_PARTITION = "extract_columns_from_partition_format"


@dataclasses.dataclass(frozen=True)
class Job:
    """What a job's file says."""

    options: dict[str, Any]
    """Options by their names, read; ``script`` and ``environment_variables`` among them."""
    arguments: tuple[str, ...]
    """The script's own."""
    directories: tuple[str, ...]
    """Directories that the script's arguments name as outputs: it may expect to find them made."""


class _Mapping(dict):  # type: ignore[type-arg]
    """A mapping that knows the line of each of its keys, counted from 1, and the file that it is from."""

    file = ""
    lines: dict[Any, int]


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
    root = _read(path)
    if "parallel_run_config" in root:
        if step is not None:
            raise UsageError(f"--step {step}: {path} is a config of v1, which has no steps: leave --step out")
        return _of_v1(_mapping(root, "parallel_run_config"))
    if root.get("type") == "parallel":
        return _Step("the component", [root], _Mapping(), given, working_dir).job()
    if not isinstance(root.get("jobs"), dict):
        raise UsageError(
            f"{path}: this is neither a pipeline with `jobs`, nor a parallel component, nor a saved ParallelRunConfig: "
            "give the YAML of one of these"
        )
    name, layers = _chosen(root, step)
    return _Step(f"the step {name}", layers, root, given, working_dir).job()


# ---- YAML


def _read(path: str) -> _Mapping:
    try:
        import yaml  # noqa: PLC0415 - for a job's file alone
    except ImportError as error:
        raise MissingExtraError("pyyaml", "simulator", "--job") from error

    class Loader(yaml.SafeLoader):
        """PyYAML's safe loader, whose mappings know their lines."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> _Mapping:  # noqa: ARG002, FBT001, FBT002 - PyYAML's
            self.flatten_mapping(node)
            found = _Mapping(super().construct_mapping(node, deep=True))
            found.file = path
            found.lines = {self.construct_object(key, deep=True): key.start_mark.line + 1 for key, _ in node.value}
            return found

    def construct(loader: Loader, node: yaml.MappingNode) -> _Mapping:
        return loader.construct_mapping(node)

    Loader.add_constructor("tag:yaml.org,2002:map", construct)
    try:
        with open(path, "rb") as file:
            root = yaml.load(file, Loader)  # noqa: S506 - a child of SafeLoader
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}; give the path of a job's YAML") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else path
        problem = getattr(error, "problem", None) or type(error).__name__
        raise UsageError(f"{where}: this is no YAML: {problem}; mend the file") from error
    if not isinstance(root, _Mapping):
        raise UsageError(f"{path}: there is no mapping at its top: give the YAML of a job")
    return root


def _fail(mapping: _Mapping, key: object, text: str) -> NoReturn:
    line = getattr(mapping, "lines", {}).get(key)
    raise UsageError(f"{mapping.file}:{line}: {text}" if line else f"{mapping.file}: {text}")


def _mapping(parent: _Mapping, key: str) -> _Mapping:
    """Return the mapping under a key; one that is left out is empty."""
    value = parent.get(key)
    if value is None:
        empty = _Mapping()
        empty.file, empty.lines = parent.file, {}
        return empty
    if not isinstance(value, _Mapping):
        _fail(parent, key, f"{key} is {_shown(value)}: give a mapping")
    return value


def _shown(value: object) -> str:
    return "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else str(value)


def _option(parent: _Mapping, key: str, name: str) -> Any:  # noqa: ANN401 - as options.read
    """Return the value of an option; its error names the line."""
    line = parent.lines.get(key)
    return options.read(name, parent[key], f"{parent.file}:{line}: {key}")


def _beside(file: str, path: str) -> str:
    """Return a path that is relative to the file that it stands in."""
    return os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(file)), re.sub("^file:", "", path)))


def _variables(*layers: _Mapping) -> dict[str, Any]:
    """Return the option ``environment_variables`` of mappings, of which the first is the strongest."""
    found = {
        str(name): str(value)
        for layer in reversed(layers)
        for name, value in _mapping(layer, "environment_variables").items()
    }
    return {"environment_variables": found} if found else {}


# ---- v1

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


def _of_v1(config: _Mapping) -> Job:
    found = {name: _option(config, name, name) for name in _OF_V1 if config.get(name) is not None}
    if config.get("process_count_per_node") is not None:
        found["processes"] = _option(config, "process_count_per_node", "processes")
    script = config.get("entry_script")
    if not isinstance(script, str):
        _fail(config, "entry_script", "entry_script is missing: name the Python file that defines run()")
    folder = config.get("source_directory") or ""
    # The SDK wrote what it was given: a path that was relative to where the config was made, often not to the file.
    path = os.path.join(str(folder), script)
    beside = _beside(config.file, path)
    found["script"] = beside if os.path.exists(beside) else os.path.abspath(path)
    return Job({**found, **_variables(config)}, (), ())


# ---- v2


def _chosen(root: _Mapping, wanted: str | None) -> tuple[str, list[_Mapping]]:
    """Return the step that is meant: its name, and the mappings that say what it is, the strongest first."""
    steps = {}
    jobs = _mapping(root, "jobs")
    for name in jobs:
        step = _mapping(jobs, name)
        if step.get("type", "parallel") == "parallel":
            steps[name] = step
    if wanted is not None:
        if wanted not in jobs:
            raise UsageError(f"--step {wanted}: {root.file} has no such step: give one of {', '.join(map(str, jobs))}")
        if wanted not in steps:
            _fail(jobs, wanted, f"the step {wanted} is of type {jobs[wanted].get('type')}: give --step a parallel one")
        return wanted, _layers(steps[wanted])
    found = {
        name: layers for name, layers in ((name, _layers(step)) for name, step in steps.items()) if _is_parallel(layers)
    }
    if not found:
        raise UsageError(f"{root.file}: none of its steps is of type parallel: give a pipeline that has one")
    if len(found) > 1:
        raise UsageError(f"{root.file} has several parallel steps: give --step one of {', '.join(map(str, found))}")
    return next(iter(found.items()))


def _is_parallel(layers: list[_Mapping]) -> bool:
    return any(layer.get("type") == "parallel" for layer in layers)


def _layers(step: _Mapping) -> list[_Mapping]:
    """Return the step and the component that it refers to, if there is one."""
    component = step.get("component")
    if component is None:
        return [step]
    if isinstance(component, _Mapping):
        return [step, component]
    if not isinstance(component, str) or _ELSEWHERE.match(component):
        if step.get("type") != "parallel":
            return [step]
        _fail(
            step,
            "component",
            f"the component {_shown(component)} is not on this machine: give its own YAML as --job, or its path here",
        )
    return [step, _read(_beside(step.file, component))]


_OF_V2 = {
    "mini_batch_size": "mini_batch_size",
    "mini_batch_error_threshold": "mini_batch_error_threshold",
    "error_threshold": "error_threshold",
    "max_concurrency_per_instance": "processes",
    "logging_level": "logging_level",
    "partition_keys": "partition_keys",
}


_FILES_IN_V2 = 1
"""v2's own default of mini_batch_size; v1's is 10."""


class _Step:
    """One parallel step.

    Args:
        what: What it is called in errors.
        layers: The mappings that say what it is, the strongest first.
        pipeline: The whole file's.
        given: As in `load`.
        working_dir: As in `load`.
    """

    def __init__(
        self, what: str, layers: list[_Mapping], pipeline: _Mapping, given: Mapping[str, Any], working_dir: str
    ) -> None:
        self._what = what
        self._layers = layers
        self._pipeline = pipeline
        self._given = given
        self._outputs = os.path.join(working_dir, "outputs")
        self._directories: list[str] = []
        declared = {str(name) for layer in layers for name in _mapping(layer, "inputs")}
        self._bound, self._data = _bindings(given.get("input", ()), declared)

    def job(self) -> Job:
        """Return what the step says."""
        found: dict[str, Any] = {}
        for key, name in _OF_V2.items():
            layer = self._layer(key)
            if layer is not None:
                found[name] = _option(layer, key, name)
        found.update(self._retries())
        task_layer = self._layer("task")
        if task_layer is None:
            raise UsageError(f"{self._layers[0].file}: {self._what} has no task: give one with code and entry_script")
        task = _mapping(task_layer, "task")
        found["script"] = self._script(task)
        predefined, arguments = self._arguments(task)
        found.update(options.canonical(predefined))
        found.update(self._output(task))
        found.update(self._input())
        if "input_format" not in {**found, **self._given} and "partition_keys" not in found:
            found.setdefault("mini_batch_size", _FILES_IN_V2)
        found.update(_variables(*self._layers))
        return Job(found, tuple(arguments), tuple(self._directories))

    def _layer(self, key: str) -> _Mapping | None:
        return next((layer for layer in self._layers if layer.get(key) is not None), None)

    def _retries(self) -> dict[str, Any]:
        found = {}
        for layer in reversed(self._layers):
            retries = _mapping(layer, "retry_settings")
            for key, name in (("max_retries", options.MAX_RETRIES), ("timeout", "run_invocation_timeout")):
                if retries.get(key) is not None:
                    found[name] = _option(retries, key, name)
        return options.canonical(found)

    def _script(self, task: _Mapping) -> str:
        script = task.get("entry_script")
        if not isinstance(script, str):
            _fail(task, "entry_script", "the task's entry_script is missing: name the Python file that defines run()")
        code = str(task.get("code") or ".")
        if _ELSEWHERE.match(code):
            _fail(task, "code", f"the code {code} is not on this machine: give the path of its folder")
        return _beside(_beside(task.file, os.path.join(code, "file")), script)

    def _arguments(self, task: _Mapping) -> tuple[dict[str, Any], list[str]]:
        given = task.get("program_arguments")
        if given is None:
            return {}, []
        line = f"{task.file}:{task.lines['program_arguments']}: program_arguments"
        text = re.sub(_OPTIONAL, lambda match: self._optional(match.group(1)), str(given))
        # Split first: a path with spaces that an expression stands for is one argument. Expressions may hold spaces.
        text = re.sub(_EXPRESSION, lambda match: "${{" + match.group(1).replace(" ", "") + "}}", text)
        try:
            pieces = shlex.split(text)
        except ValueError as error:
            raise UsageError(f"{line}: {error}: close the quotation") from error
        resolved = [self._resolved(piece, task, "program_arguments") for piece in pieces]
        return options.split(resolved, line)

    def _optional(self, part: str) -> str:
        """Return a part of the arguments that is there only where its inputs have values."""
        names = [name for name in re.findall(_EXPRESSION, part) if name.startswith("inputs.")]
        return part if all(self._value(name.partition(".")[2]) is not None for name in names) else ""

    def _resolved(self, text: str, where: _Mapping, key: str) -> str:
        """Return text with its expressions replaced."""

        def replace(match: re.Match[str]) -> str:
            kind, _, name = match.group(1).partition(".")
            if kind == "outputs":
                path = os.path.join(self._outputs, name)
                if path not in self._directories:
                    self._directories.append(path)
                return path
            value = self._value(name) if kind == "inputs" else None
            if value is None:
                remedy = f"give it by --input {name}=VALUE" if kind == "inputs" else "put its value in its place"
                _fail(where, key, f"{match.group()} has no value on this machine: {remedy}")
            return value

        return re.sub(_EXPRESSION, replace, text)

    def _value(self, name: str) -> str | None:
        """Return the value of one of the step's inputs: a literal or a local path, or None where it has neither."""
        if name in self._bound:
            return self._bound[name]
        source = self._source(name)
        if source is None:
            return None
        inputs, value = source
        if not isinstance(value, _Mapping):
            return str(value)
        path = value.get("path")
        if isinstance(path, str) and not _ELSEWHERE.match(path):
            return _beside(inputs.file, path)
        default = value.get("default")
        return None if default is None or path is not None else str(default)

    def _source(self, name: str) -> tuple[_Mapping, Any] | None:
        """Return where an input's value is from: the mapping that it stands in, and the value."""
        for layer in self._layers:
            inputs = _mapping(layer, "inputs")
            value = inputs.get(name)
            expression = re.fullmatch(_EXPRESSION, value.strip()) if isinstance(value, str) else None
            if expression:
                kind, _, parent = expression.group(1).rpartition("inputs.")
                inputs = _mapping(self._pipeline, "inputs")
                value = inputs.get(parent) if kind in {"", "parent."} else None
                if value is None:
                    return None  # another step's output
            elif isinstance(value, str) and _ELSEWHERE.match(value):
                return None
            if value is not None:
                return inputs, value
        return None

    def _output(self, task: _Mapping) -> dict[str, Any]:
        """Return what becomes of the rows: v2 keeps them where ``append_row_to`` names a place."""
        target = task.get("append_row_to")
        if target is None:
            return {"output_action": "summary_only"}
        name = re.sub(_EXPRESSION, "", str(target)).strip("/ ")
        if not name:
            return {"output_action": "append_row"}
        return {"output_action": "append_row", "append_row_file_name": os.path.basename(name)}

    def _input(self) -> dict[str, Any]:
        """Return the data that is cut into mini-batches, and of which format it is."""
        layer = self._layer("input_data")
        expression = re.fullmatch(_EXPRESSION, str(layer["input_data"]).strip()) if layer is not None else None
        if layer is None or expression is None:
            if self._data:
                return {"input": self._data}
            where = layer if layer is not None else self._layers[0]
            _fail(
                where, "input_data", "input_data names none of the inputs: write ${{inputs.NAME}}, or give --input PATH"
            )
        name = expression.group(1).rpartition("inputs.")[2]
        found = self._data or self._local(layer, name)
        if not self._is_a_table(name) or "input_format" in self._given:
            return {"input": found}
        if len(found) == 1 and os.path.isfile(os.path.join(found[0], "MLTable")):
            return _of_mltable(os.path.join(found[0], "MLTable"))
        table = _guessed(found)
        if table is None:
            _fail(layer, "input_data", f"the input {name} is a table: give --input-format csv, parquet or jsonl")
        return {"input": found, "input_format": table}

    def _local(self, layer: _Mapping, name: str) -> tuple[str, ...]:
        path = self._value(name)
        if path is None:
            _fail(layer, "input_data", f"the input {name} is not on this machine: give its data by --input PATH")
        return (path,)

    def _is_a_table(self, name: str) -> bool:
        declared = [_mapping(layer, "inputs").get(name) for layer in self._layers]
        source = self._source(name)
        declared.append(source[1] if source else None)
        return any(isinstance(value, dict) and value.get("type") == "mltable" for value in declared)


def _bindings(given: Sequence[str], declared: set[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Part what ``--input`` gave: values for inputs of the job, and the paths of the data."""
    bound, data = {}, []
    for text in given:
        name, equals, value = text.partition("=")
        if equals and name in declared:
            bound[name] = value
        else:
            data.append(text)
    return bound, tuple(data)


# ---- MLTable


def _of_mltable(path: str) -> dict[str, Any]:
    """Return the options that an MLTable file stands for: its paths, their format, and columns in the paths."""
    table = _read(path)
    found: dict[str, Any] = {"input": tuple(_paths_of(table))}
    transformations = table.get("transformations") or []
    for transformation in transformations if isinstance(transformations, list) else [transformations]:
        name, details = _transformation(transformation)
        if name in _READERS:
            found["input_format"] = _READERS[name]
            if details.get("delimiter"):
                found["delimiter"] = options.read("delimiter", details["delimiter"], f"{path}: delimiter")
        elif name == _PARTITION:
            found["partition_format"] = str(details.get("partition_format", ""))
        else:
            _fail(
                table, "transformations", f"{name} is not done here: give the data itself by --input and --input-format"
            )
    if "input_format" not in found:
        _fail(
            table, "transformations", "none of them reads a format: add read_delimited, read_parquet or read_json_lines"
        )
    return found


def _paths_of(table: _Mapping) -> list[str]:
    paths = table.get("paths")
    entries = [entry for entry in paths if isinstance(entry, dict)] if isinstance(paths, list) else []
    found = [str(path) for entry in entries for path in entry.values()]
    if not found or any(_ELSEWHERE.match(path) for path in found):
        _fail(table, "paths", "its paths are not on this machine: give the data by --input and --input-format")
    return [_beside(table.file, path) for path in found]


def _transformation(given: object) -> tuple[str, Mapping[str, Any]]:
    """Return a transformation's name and details: it is written as a name, or as a mapping of one key."""
    if not isinstance(given, dict) or not given:
        return str(given), {}
    name, details = next(iter(given.items()))
    if name == _PARTITION and isinstance(details, str):
        details = {"partition_format": details}
    return str(name), details if isinstance(details, dict) else {}


def _guessed(paths: Sequence[str]) -> str | None:
    """Return the format that the names of the data's files tell."""
    for path in paths:
        names = [path]
        if os.path.isdir(path):
            names = [name for _, _, files in sorted(os.walk(path)) for name in sorted(files)]
        for name in names:
            table = _TABLES.get(os.path.splitext(name)[1].lower())
            if table:
                return table
    return None
