"""YAML as plain values whose mappings know their lines, so that an error can name the place.

Read with PyYAML's safe loader, which makes nothing but plain values.
"""

from __future__ import annotations

import os
import re

from entry_script_helper.errors import MissingExtraError, UsageError
from entry_script_helper.simulator import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

ELSEWHERE = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+:(?!\\)")
"""What starts like a URL or a name in a workspace (``azureml:data:1``): it is not on this machine."""


class YamlMapping(dict):  # type: ignore[type-arg]
    """A mapping that knows the line of each of its keys, counted from 1, and the file that it is from."""

    file = ""
    lines: dict[Any, int]


def read(path: str) -> YamlMapping:
    """Return the mapping that a file holds.

    Raises:
        UsageError: It can't be read, is no YAML, or holds no mapping: the text names the file and the line.
        MissingExtraError: PyYAML is not installed.
    """
    try:
        import yaml  # noqa: PLC0415 - for a job's file alone
    except ImportError as error:
        raise MissingExtraError("pyyaml", "simulator", "--job") from error

    class Loader(yaml.SafeLoader):
        """PyYAML's safe loader, whose mappings know their lines."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> YamlMapping:  # noqa: ARG002, FBT001, FBT002 - PyYAML's
            self.flatten_mapping(node)
            found = YamlMapping(super().construct_mapping(node, deep=True))
            found.file = path
            found.lines = {self.construct_object(key, deep=True): key.start_mark.line + 1 for key, _ in node.value}
            return found

    def construct(loader: Loader, node: yaml.MappingNode) -> YamlMapping:
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
    if not isinstance(root, YamlMapping):
        raise UsageError(f"{path}: there is no mapping at its top: give the YAML of a job")
    return root


def fail(mapping: YamlMapping, key: object, text: str) -> NoReturn:
    """Raise a `UsageError` that names the file, and the line of a key where that is known."""
    line = getattr(mapping, "lines", {}).get(key)
    raise UsageError(f"{mapping.file}:{line}: {text}" if line else f"{mapping.file}: {text}")


def mapping(parent: YamlMapping, key: str) -> YamlMapping:
    """Return the mapping under a key; one that is left out is empty."""
    value = parent.get(key)
    if value is None:
        empty = YamlMapping()
        empty.file, empty.lines = parent.file, {}
        return empty
    if not isinstance(value, YamlMapping):
        fail(parent, key, f"{key} is {shown(value)}: give a mapping")
    return value


def shown(value: object) -> str:
    """Return what an error says of a value: containers have no place in a line."""
    return "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else str(value)


def option(parent: YamlMapping, key: str, name: str) -> Any:  # noqa: ANN401 - as options.read
    """Return the value of an option; its error names the line."""
    line = parent.lines.get(key)
    return options.read(name, parent[key], f"{parent.file}:{line}: {key}")


def beside(file: str, path: str) -> str:
    """Return a path that is relative to the file that it stands in."""
    return os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(file)), re.sub("^file:", "", path)))
