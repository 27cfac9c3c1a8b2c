"""The wheel and the sdist: what is in them, and that each works where nothing else is installed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import entry_script_helper

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build the sdist, and the wheel from it."""
    directory = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(directory), str(ROOT)], check=True, capture_output=True
    )
    return directory


@pytest.fixture(scope="module", params=["*.whl", "*.tar.gz"])
def python(built, request, tmp_path_factory):
    """An environment with the package and its core dependencies only."""
    directory = tmp_path_factory.mktemp("environment")
    venv.create(directory, with_pip=True)
    interpreter = directory / "bin" / "python"
    (package,) = built.glob(request.param)
    subprocess.run([interpreter, "-m", "pip", "install", "--quiet", str(package)], check=True)
    return interpreter


def test_what_is_in_them(built):
    """The wheel has the package and its type marker and nothing else; the sdist has tests and docs too."""
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "entry_script_helper/py.typed" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"entry_script_helper"}
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        found = {Path(name).parts[1] for name in archive.getnames()}
    assert {"entry_script_helper", "tests", "docs", "README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml"} <= found
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def test_works_without_extras(python, tmp_path):
    """Without any extra the helper works, and what needs one names it in one line, with exit code 2."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AZ", "PYTHON", "COVERAGE"))}

    def run(*arguments):
        return subprocess.run(
            [str(argument) for argument in arguments],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )

    code = "import entry_script_helper as e; e.config(json=True).info('a'); print(e.__version__)"
    result = run(python, "-c", code)
    assert (result.stdout, result.stderr) == (f"{entry_script_helper.__version__}\n", "")
    result = run(python, "-c", "import entry_script_helper as e; e.EntryScriptHelper().get_run()")
    assert "pip install 'entry-script-helper[azureml]'" in result.stderr
    command = python.parent / "entry-script-helper"
    assert run(command, "where").returncode == 0
    (tmp_path / "score.py").write_text("def run(mini_batch): return mini_batch")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("a")
    result = run(command, "run", "score.py", "--input", "data")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "pip install 'entry-script-helper[simulator]'" in result.stderr


def test_version_is_in_one_place(built):
    """The version of the built packages is the module's."""
    assert all(f"-{entry_script_helper.__version__}" in path.name for path in built.iterdir())


def test_a_wheel_in_a_build_context_is_a_pin(built, tmp_path):
    """The example's image installs the helper from a wheel in its folder, by the line that is shown there."""
    folder = tmp_path / "environment"
    shutil.copytree(ROOT / "docs" / "examples" / "azureml" / "environment", folder)
    (wheel,) = built.glob("*.whl")
    assert wheel.stat().st_size < 1_000_000  # Azure Machine Learning, "Service limits": 1 MB of a Docker build context
    shutil.copy(wheel, folder)
    (shown,) = re.findall(r"^# (\./.*)$", (folder / "requirements.txt").read_text(), re.MULTILINE)
    (folder / "requirements.txt").write_text(f"{shown}\n")
    (command,) = re.findall(r"^RUN (pip .*)$", (folder / "Dockerfile").read_text(), re.MULTILINE)
    subprocess.run(
        [sys.executable, "-m", *shlex.split(command), "--quiet", "--no-index", "--no-deps", "--target", "there"],
        cwd=folder,
        check=True,
        timeout=100,
    )
    assert (folder / "there" / "entry_script_helper" / "__init__.py").is_file()
