"""A parallel step of a v2 pipeline, or a parallel component, as options of a run.

Source: Azure Machine Learning, "CLI (v2) parallel job YAML schema".
"""

from __future__ import annotations

import dataclasses
import os
import re
import shlex

from entry_script_helper.errors import UsageError
from entry_script_helper.simulator import mltable, options, yamlfile
from entry_script_helper.simulator.yamlfile import YamlMapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_EXPRESSION = r"\$\{\{\s*([^{}]*?)\s*\}\}"
_OPTIONAL = r"\$\[\[(.*?)\]\]"


@dataclasses.dataclass(frozen=True)
class Job:
    """What a job's file says."""

    options: dict[str, Any]
    """Options by their names, read; ``script`` and ``environment_variables`` among them."""
    arguments: tuple[str, ...]
    """The script's own."""
    directories: tuple[str, ...]
    """Directories that the script's arguments name as outputs: it may expect to find them made."""


_OF_V2 = {
    "mini_batch_size": "mini_batch_size",
    "mini_batch_error_threshold": "mini_batch_error_threshold",
    "error_threshold": "error_threshold",
    "max_concurrency_per_instance": "processes",
    "logging_level": "logging_level",
    "partition_keys": "partition_keys",
}

_PATHS = {"uri_folder", "uri_file", "mltable", "custom_model", "mlflow_model", "triton_model"}
"""Types of inputs whose value is a path."""

_FILES_IN_V2 = 1
"""v2's own default of mini_batch_size; v1's is 10."""


class Step:
    """One parallel step.

    Args:
        what: What it is called in errors.
        layers: The mappings that say what it is, the strongest first.
        pipeline: The whole file's.
        given: As in `jobfile.load`.
        working_dir: As in `jobfile.load`.
    """

    def __init__(
        self, what: str, layers: list[YamlMapping], pipeline: YamlMapping, given: Mapping[str, Any], working_dir: str
    ) -> None:
        self._what = what
        self._layers = layers
        self._pipeline = pipeline
        self._given = given
        self._outputs = os.path.join(working_dir, "outputs")
        self._directories: list[str] = []
        declared = {str(name) for layer in layers for name in yamlfile.mapping(layer, "inputs")}
        self._bound, self._data = _bindings(given.get("input", ()), declared)

    def job(self) -> Job:
        """Return what the step says."""
        found: dict[str, Any] = {}
        for key, name in _OF_V2.items():
            layer = self._layer(key)
            if layer is not None:
                found[name] = yamlfile.option(layer, key, name)
        found.update(self._retries())
        task_layer = self._layer("task")
        if task_layer is None:
            raise UsageError(f"{self._layers[0].file}: {self._what} has no task: give one with code and entry_script")
        task = yamlfile.mapping(task_layer, "task")
        found["script"] = self._script(task)
        predefined, arguments = self._arguments(task)
        found.update(options.canonical(predefined))
        found.update(self._output(task))
        found.update(self._input())
        if "input_format" not in {**found, **self._given} and "partition_keys" not in found:
            found.setdefault("mini_batch_size", _FILES_IN_V2)
        found.update(variables_of(*self._layers))
        return Job(found, tuple(arguments), tuple(self._directories))

    def _layer(self, key: str) -> YamlMapping | None:
        return next((layer for layer in self._layers if layer.get(key) is not None), None)

    def _retries(self) -> dict[str, Any]:
        found = {}
        for layer in reversed(self._layers):
            retries = yamlfile.mapping(layer, "retry_settings")
            for key, name in (("max_retries", options.MAX_RETRIES), ("timeout", "run_invocation_timeout")):
                if retries.get(key) is not None:
                    found[name] = yamlfile.option(retries, key, name)
        return options.canonical(found)

    def _script(self, task: YamlMapping) -> str:
        script = task.get("entry_script")
        if not isinstance(script, str):
            yamlfile.fail(
                task, "entry_script", "the task's entry_script is missing: name the Python file that defines run()"
            )
        code = str(task.get("code") or ".")
        if yamlfile.ELSEWHERE.match(code):
            yamlfile.fail(task, "code", f"the code {code} is not on this machine: give the path of its folder")
        return yamlfile.beside(yamlfile.beside(task.file, os.path.join(code, "file")), script)

    def _arguments(self, task: YamlMapping) -> tuple[dict[str, Any], list[str]]:
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

    def _resolved(self, text: str, where: YamlMapping, key: str) -> str:
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
                yamlfile.fail(where, key, f"{match.group()} has no value on this machine: {remedy}")
            return value

        return re.sub(_EXPRESSION, replace, text)

    def _value(self, name: str) -> str | None:
        """Return the value of one of the step's inputs: a literal or a local path, or None where it has neither."""
        if name in self._bound:
            # The script runs in a directory of its own, as in the service, where a path is absolute too.
            return os.path.abspath(self._bound[name]) if self._types(name) & _PATHS else self._bound[name]
        source = self._source(name)
        if source is None:
            return None
        inputs, value = source
        if not isinstance(value, YamlMapping):
            return str(value)
        path = value.get("path")
        if isinstance(path, str) and not yamlfile.ELSEWHERE.match(path):
            return yamlfile.beside(inputs.file, path)
        default = value.get("default")
        return None if default is None or path is not None else str(default)

    def _source(self, name: str) -> tuple[YamlMapping, Any] | None:
        """Return where an input's value is from: the mapping that it stands in, and the value."""
        for layer in self._layers:
            inputs = yamlfile.mapping(layer, "inputs")
            value = inputs.get(name)
            text = value.get("path") if isinstance(value, YamlMapping) else value
            expression = re.fullmatch(_EXPRESSION, text.strip()) if isinstance(text, str) else None
            if expression:
                kind, _, parent = expression.group(1).rpartition("inputs.")
                inputs = yamlfile.mapping(self._pipeline, "inputs")
                value = inputs.get(parent) if kind in {"", "parent."} else None
                if value is None:
                    return None  # another step's output
            elif isinstance(value, str) and yamlfile.ELSEWHERE.match(value):
                return None
            if value is not None:
                return inputs, value
        return None

    def _output(self, task: YamlMapping) -> dict[str, Any]:
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
            yamlfile.fail(
                where, "input_data", "input_data names none of the inputs: write ${{inputs.NAME}}, or give --input PATH"
            )
        name = expression.group(1).rpartition("inputs.")[2]
        found = self._data or self._local(layer, name)
        if "mltable" not in self._types(name) or "input_format" in self._given:
            return {"input": found}
        if len(found) == 1 and os.path.isfile(os.path.join(found[0], mltable.FILE)):
            return mltable.read(os.path.join(found[0], mltable.FILE))
        table = mltable.guessed(found)
        if table is None:
            yamlfile.fail(
                layer, "input_data", f"the input {name} is a table: give --input-format csv, parquet or jsonl"
            )
        return {"input": found, "input_format": table}

    def _local(self, layer: YamlMapping, name: str) -> tuple[str, ...]:
        path = self._value(name)
        if path is None:
            yamlfile.fail(
                layer, "input_data", f"the input {name} is not on this machine: give its data by --input PATH"
            )
        return (path,)

    def _types(self, name: str) -> set[str]:
        """Return the types that an input is said to have, wherever that is said."""
        declared = [yamlfile.mapping(layer, "inputs").get(name) for layer in self._layers]
        source = self._source(name)
        declared.append(source[1] if source else None)
        return {str(value.get("type")) for value in declared if isinstance(value, dict)}


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


def variables_of(*layers: YamlMapping) -> dict[str, Any]:
    """Return the option ``environment_variables`` of mappings, of which the first is the strongest."""
    found = {
        str(name): str(value)
        for layer in reversed(layers)
        for name, value in yamlfile.mapping(layer, "environment_variables").items()
    }
    return {"environment_variables": found} if found else {}
