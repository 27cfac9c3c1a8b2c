"""An MLTable file, and what else tells of which format a table is (Azure ML, "CLI (v2) mltable YAML schema")."""

from __future__ import annotations

import os

from entry_script_helper.simulator import options, yamlfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from entry_script_helper.simulator.yamlfile import YamlMapping

FILE = "MLTable"
"""The name that such a file has in its directory."""

_TABLES = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_READERS = {"read_delimited": "csv", "read_parquet": "parquet", "read_json_lines": "jsonl"}
_PARTITION = "extract_columns_from_partition_format"


def read(path: str) -> dict[str, Any]:
    """Return the options that an MLTable file stands for: its paths, their format, and columns in the paths."""
    table = yamlfile.read(path)
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
            yamlfile.fail(
                table, "transformations", f"{name} is not done here: give the data itself by --input and --input-format"
            )
    if "input_format" not in found:
        yamlfile.fail(
            table, "transformations", "none of them reads a format: add read_delimited, read_parquet or read_json_lines"
        )
    return found


def _paths_of(table: YamlMapping) -> list[str]:
    paths = table.get("paths")
    entries = [entry for entry in paths if isinstance(entry, dict)] if isinstance(paths, list) else []
    found = [str(path) for entry in entries for path in entry.values()]
    if not found or any(yamlfile.ELSEWHERE.match(path) for path in found):
        yamlfile.fail(table, "paths", "its paths are not on this machine: give the data by --input and --input-format")
    return [yamlfile.beside(table.file, path) for path in found]


def _transformation(given: object) -> tuple[str, Mapping[str, Any]]:
    """Return a transformation's name and details: it is written as a name, or as a mapping of one key."""
    if not isinstance(given, dict) or not given:
        return str(given), {}
    name, details = next(iter(given.items()))
    if name == _PARTITION and isinstance(details, str):
        details = {"partition_format": details}
    return str(name), details if isinstance(details, dict) else {}


def guessed(paths: Sequence[str]) -> str | None:
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
