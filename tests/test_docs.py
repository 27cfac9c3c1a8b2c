"""README and docs: every example runs, every list is the code's, every link leads somewhere."""

from __future__ import annotations

import doctest
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.evaluators.doctest import DocTestEvaluator
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.abstract.doctest import DocTestStringParser
from sybil.parsers.markdown import CodeBlockParser

import entry_script_helper
from entry_script_helper import environment, errors, formatting, guard, machine, redaction, testing
from entry_script_helper.simulator.logs import lines, masterlog, monitor, workerlog

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
DOCUMENTS = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

# What installs, fetches or needs a cloud is for the reader to run.
NOT_RUN = re.compile(r"git |az |\.venv/|.*-m venv")
COMMAND = f"'{sys.executable}' -m entry_script_helper"
PROGRAMS = {"entry-script-helper": COMMAND, "python": f"'{sys.executable}'", "pytest": f"'{sys.executable}' -m pytest"}


def identify(path):
    return str(path.relative_to(ROOT))


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def rows(name, columns):
    """Return the rows of the first table with that many columns: the cells' texts, without the heading."""
    table = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text_of(name).splitlines() if line.startswith("|")]
    table = [[cell.strip().replace("\\|", "|") for cell in row] for row in table if len(row) == columns]
    return table[2:]


def code(cell):
    """Return what stands in backticks, one or two."""
    return re.fullmatch(r"(`+) ?(.*?) ?\1", cell).group(2)


def evaluate_python(example):
    """Save a block that starts with a comment that is a file's name; run any other."""
    source = str(example.parsed)
    name = re.match(r"# ([\w/]+\.py)\n", source)
    if name:
        file = Path(name.group(1))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
    else:
        PythonEvaluator()(example)


def evaluate_console(example):
    """Run the commands behind ``$``, one after the other, and compare what they print where the block shows it."""
    for part in re.split(r"^\$ ", str(example.parsed), flags=re.MULTILINE)[1:]:
        command, _, expected = re.sub(r"\\\n\s*", "", part).partition("\n")
        if NOT_RUN.match(command):
            continue
        printed = run_command(command, Path.cwd())
        if expected.strip():
            assert doctest.OutputChecker().check_output(expected, printed, FLAGS), f"$ {command}\n{printed}"


def run_command(command, directory):
    for program, replacement in PROGRAMS.items():
        command = re.sub(rf"(^|&& |\| ){program}(?= )", lambda match, by=replacement: match.group(1) + by, command)
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command,
        shell=True,
        cwd=directory,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"$ {command}\n{done.stdout}"
    return done.stdout


def parse_python(document):
    for region in CodeBlockParser("python", evaluate_python)(document):
        if str(region.parsed).startswith(">>>"):
            for shown in DocTestStringParser(DocTestEvaluator(FLAGS))(region.parsed, document.path):
                shown.adjust(region, region.parsed)
                yield shown
        else:
            yield region


@pytest.mark.parametrize("document", DOCUMENTS, ids=identify)
def test_every_example_runs(document, tmp_path, monkeypatch):
    """What README and docs show can be run as it stands, in order, and does what they say."""
    sybil = Sybil([parse_python, CodeBlockParser("console", evaluate_console)])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    if (DOCS / "examples").is_dir():
        shutil.copytree(DOCS / "examples", tmp_path / "docs" / "examples")
    modules = set(sys.modules)
    with testing.isolated(tmp_path):
        monkeypatch.delenv(environment.WORKING_DIR)
        machine.remember_first_directory(str(tmp_path))
        for example in sybil.parse(document).examples():
            example.evaluate()
        monkeypatch.setenv(environment.WORKING_DIR, str(tmp_path))
    machine.remember_first_directory(None)
    for name in set(sys.modules) - modules:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def test_the_command_of_the_readme_scores_the_example(tmp_path):
    """README's first command, without its installation, scores the example data: nothing fails."""
    shutil.copytree(DOCS / "examples", tmp_path / "docs" / "examples")
    (command,) = re.findall(r"\.venv/bin/(entry-script-helper run .*)", text_of("README.md"))
    run_command(command, tmp_path)
    assert list((tmp_path / "logs" / "user").glob("*/*.txt"))


def test_the_two_commands_are_one_line_each():
    """A newcomer needs two lines: one sets up and runs the example, one sets up and runs the tests."""
    first, second = [line for line in text_of("README.md").splitlines() if "-m venv" in line]
    assert first.startswith("$ python -m venv .venv && .venv/bin/pip install '.[simulator]' && ")
    assert second.startswith("$ python -m venv .venv && .venv/bin/pip install --upgrade pip && ")
    assert second.endswith(".venv/bin/pip install '.[all,test]' && .venv/bin/python -m pytest")


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "CHANGELOG.md"], ids=identify)
def test_every_link_leads_to_a_file(document):
    """A relative link in README or docs leads to a file or directory that exists."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (document.parent / link).exists()] == []


def test_every_page_can_be_reached_from_the_index():
    """docs/index.md links to every other page."""
    links = set(re.findall(r"\]\(([^)\s#]+\.md)\)", text_of("docs/index.md")))
    assert links == {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")} - {"index.md"}


def test_the_listed_patterns_are_the_codes():
    """The documented patterns of secrets are the code's, in its order, and each one's example is right."""
    table = rows("docs/reference/secrets.md", columns=3)
    assert list(dict.fromkeys(name for name, _, _ in table)) == list(redaction.PATTERNS)
    redactor = redaction.Redactor()
    for name, before, after in table:
        assert redactor(code(before)) == code(after) != code(before), name
        assert re.search(redaction.PATTERNS[name], code(before)), name


def test_every_public_name_is_in_the_reference():
    """docs/reference/helper.md has a section for every public name, errors.md for every error."""
    reference = text_of("docs/reference/helper.md")
    listed = [code(cells[0]) for cells in rows("docs/reference/errors.md", columns=4)]
    raised = [name for name, value in vars(errors).items() if isinstance(value, type)]
    assert listed == raised
    for name in set(entry_script_helper.__all__) - set(raised):
        assert re.search(rf"^## .*`{name}\b", reference, re.MULTILINE), name
    for name in vars(entry_script_helper.EntryScriptHelper):
        if not name.startswith("_"):
            assert f"`{name}" in reference, name


def test_every_option_is_in_the_reference(tmp_path):
    """docs/reference/command-line.md names every command and every option that --help lists."""
    reference = text_of("docs/reference/command-line.md")
    commands = re.findall(r"^    (\w+) ", run_command("entry-script-helper --help", tmp_path), re.MULTILINE)
    assert commands
    for command in ("", *commands):
        shown = run_command(f"entry-script-helper {command} --help", tmp_path)
        assert f"## `entry-script-helper {command}" in reference
        for option in set(re.findall(r"^  .*?(--[\w-]+)", shown, re.MULTILINE)):
            assert option in reference, f"{command} {option}"


def test_every_variable_is_explained():
    """Every variable that says where a process is has a row in docs/explanation/environment-variables.md."""
    explained = text_of("docs/explanation/environment-variables.md")
    for name, value in vars(environment).items():
        if name.isupper() and isinstance(value, str) and not name.startswith("_"):
            assert f"| `{value}` |" in explained, value


def test_every_key_of_json_is_in_the_reference():
    """docs/reference/files-and-formats.md lists our keys of a JSON line."""
    listed = {code(cells[0]) for cells in rows("docs/reference/files-and-formats.md", columns=3)}
    assert listed >= formatting.KEYS
    assert formatting.TEXT_FORMAT in text_of("docs/reference/files-and-formats.md")


def test_the_log_tree_is_the_documented_one():
    """docs/reference/log-tree.md has the code's line format, fields and columns, in the code's order."""
    text = text_of("docs/reference/log-tree.md")
    assert f"\n{lines.FORMAT}\n" in text
    for message in (workerlog.PICKED, workerlog.COMPLETED):
        example = message % tuple(
            {"mini_batch": 7, "try": 1, "ip": "10.0.0.4", "pid": 4711, "status": "succeeded", "total": 10}.get(
                name,
                {"succeeded": 9, "start1": 1769853600.5, "end1": 1769853601.75, "start2": 0.25, "end2": 0.5}.get(name),
            )
            for name in re.findall(r"(\w+)=", message)
        )
        assert f"\n{example}\n" in text
    found = dict.fromkeys(re.findall(r"(\w+)=", workerlog.PICKED + workerlog.COMPLETED))
    assert set(listed(text, "field of a worker's line")) == {*found, "error"}
    assert tuple(listed(text, "column of `sys_resource_monitor_<ip>.csv`")) == monitor.NODE_COLUMNS
    assert tuple(listed(text, "column of `process_resource_monitor_<ip>_<pid>.csv`")) == monitor.PROCESS_COLUMNS
    assert f"After {masterlog.MOST_EVENTS:,} of them" in text


def listed(text, heading):
    """Return the first cells of the table with a heading, without backticks."""
    table = text.partition(f"\n| {heading} |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)


def test_every_key_of_the_error_file_is_in_the_reference(tmp_path):
    """docs/reference/files-and-formats.md lists the keys of an error file, and no others."""

    class Context:
        minibatch_index = retry_count = 0

    @guard
    def run(mini_batch, context):
        raise ValueError

    with testing.isolated(tmp_path):
        with pytest.raises(ValueError):
            run([], Context())
        (file,) = tmp_path.glob("logs/user/*/*.error.json")
    found = json.loads(file.read_text())
    assert list(found) == ["count", "first", "last"]
    assert sorted(listed(text_of("docs/reference/files-and-formats.md"), "key of an error")) == sorted(found["first"])


def test_every_dependency_has_its_reason():
    """docs/explanation/dependencies.md names every package that pyproject.toml asks for."""
    project = tomllib.loads(text_of("pyproject.toml"))
    asked = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    for group in [
        *project["project"]["optional-dependencies"].values(),
        *project.get("dependency-groups", {}).values(),
    ]:
        asked += [requirement for requirement in group if isinstance(requirement, str)]
    names = {re.match(r"[\w-]+", requirement).group() for requirement in asked} - {"entry-script-helper"}
    reasons = {code(cells[0]) for cells in rows("docs/explanation/dependencies.md", columns=4)}
    assert names == reasons


def test_every_promise_names_tests_that_exist():
    """docs/explanation/promises.md names, for each promise, files of tests that are there."""
    promises = rows("docs/explanation/promises.md", columns=3)
    assert [number for number, _, _ in promises] == [str(number) for number in range(1, len(promises) + 1)]
    named = {name for _, _, tests in promises for name in re.findall(r"`([^`]+)`", tests)}
    assert sorted(name for name in named if not (ROOT / name).is_file()) == []
    assert all("`tests/test_" in tests for _, _, tests in promises)


def test_the_changelog_keeps_its_form():
    """CHANGELOG.md is in the form of Keep a Changelog, and starts with what is not released."""
    headings = re.findall(r"^## (.*)$", text_of("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    for heading in headings[1:]:
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading)
