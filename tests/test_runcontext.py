"""The run that azureml-core knows."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import types

import pytest

from entry_script_helper import EntryScriptHelper, MissingExtraError, RunContextError, runcontext


class Run:
    """Stands in for azureml-core's class, where that is not installed."""

    made = 0
    error: BaseException | None = None

    @classmethod
    def get_context(cls, *, allow_offline):
        assert allow_offline is False
        if cls.error:
            raise cls.error
        cls.made += 1
        return cls()


@pytest.fixture(autouse=True)
def _nothing_cached(monkeypatch):
    monkeypatch.setattr(runcontext, "_runs", {})


@pytest.fixture
def azureml(monkeypatch):
    monkeypatch.setattr(Run, "made", 0)
    monkeypatch.setattr(Run, "error", None)
    core = types.ModuleType("azureml.core")
    core.Run = Run
    monkeypatch.setitem(sys.modules, "azureml", types.ModuleType("azureml"))
    monkeypatch.setitem(sys.modules, "azureml.core", core)
    return Run


def test_without_azureml_core_the_error_says_what_to_install(monkeypatch):
    """Without azureml-core, get_run() raises an error that is also an ImportError and names the extra; it pickles."""
    monkeypatch.setitem(sys.modules, "azureml", None)
    monkeypatch.setitem(sys.modules, "azureml.core", None)
    with pytest.raises(MissingExtraError, match=r"get_run\(\) needs azureml-core") as caught:
        EntryScriptHelper().get_run()
    assert isinstance(caught.value, ImportError)
    assert "pip install 'entry-script-helper[azureml]'" in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.extra, again.package) == (str(caught.value), "azureml", "azureml-core")


def test_imghdr_is_named_where_that_is_what_lacks(azureml):
    """On Python 3.13 it is imghdr that azureml-core lacks: the error names what brings it."""
    azureml.error = ModuleNotFoundError("No module named 'imghdr'", name="imghdr")
    with pytest.raises(MissingExtraError, match=r"azureml-core on Python 3.13 needs standard-imghdr"):
        runcontext.get_run()


def test_another_module_that_lacks(azureml):
    """A module that azureml-core itself can't import is an extra that is missing."""
    azureml.error = ImportError("cannot import name 'x'")
    with pytest.raises(MissingExtraError, match="needs azureml-core"):
        runcontext.get_run()


def test_the_run_is_made_once_for_each_run_id(azureml, monkeypatch):
    """Run.get_context costs seconds at first and milliseconds later: it is asked once a process and run."""
    monkeypatch.setenv("AZUREML_RUN_ID", "run_1")
    one = EntryScriptHelper().get_run()
    assert EntryScriptHelper().get_run() is one
    monkeypatch.setenv("AZUREML_RUN_ID", "run_2")
    assert EntryScriptHelper().get_run() is not one
    assert azureml.made == 2


def test_a_forked_child_asks_for_itself(azureml, monkeypatch):
    """A run of the parent's has connections that a child can't share."""
    one = runcontext.get_run()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert runcontext.get_run() is not one


@pytest.mark.parametrize("value", [None, "", "  "])
def test_outside_a_run_one_line_says_so(azureml, monkeypatch, value):
    """Outside a job the error says that there is no run, not what azureml-core thinks of it in many lines."""
    if value is not None:
        monkeypatch.setenv("AZUREML_RUN_ID", value)
    azureml.error = Exception("several\nlines\nof text")
    with pytest.raises(RunContextError) as caught:
        runcontext.get_run()
    assert str(caught.value) == (
        "there is no Azure ML run here (AZUREML_RUN_ID is not set): get_run() works inside a job only"
    )
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), RuntimeError)


@pytest.mark.parametrize(
    "error", [OverflowError("odd\nexpiry"), TypeError("odd expiry"), KeyError("odd"), ValueError()]
)
def test_what_azureml_core_raises_becomes_one_kind(azureml, monkeypatch, error):
    """Whatever azureml-core raises inside a job becomes one error of one line that names run and cause."""
    monkeypatch.setenv("AZUREML_RUN_ID", " run_1\n")
    azureml.error = error
    with pytest.raises(RunContextError) as caught:
        runcontext.get_run()
    assert str(caught.value).startswith(f"azureml-core could not make the run run_1: {type(error).__name__}: ")
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.__cause__ is error


def test_an_import_that_breaks_is_an_error_of_ours(azureml, monkeypatch):
    """A broken installation that fails with another error than ImportError does not escape untyped."""

    class Broken(types.ModuleType):
        def __getattr__(self, name):
            raise TypeError("broken installation")

    monkeypatch.setitem(sys.modules, "azureml.core", Broken("azureml.core"))
    monkeypatch.setenv("AZUREML_RUN_ID", "run_1")
    with pytest.raises(RunContextError, match="TypeError: broken installation"):
        runcontext.get_run()


# with the real azureml-core

PREAMBLE = """
import base64, json, os, socket, sys

class Blocked(socket.socket):
    def connect(self, address):
        raise OSError("no network in tests")
    connect_ex = connect

socket.socket = Blocked
socket.getaddrinfo = lambda *args, **options: (_ for _ in ()).throw(OSError("no network in tests"))

from entry_script_helper import EntryScriptHelper, RunContextError

def said():
    try:
        EntryScriptHelper().get_run()
    except RunContextError as error:
        print(json.dumps([str(error), type(error.__cause__).__name__]))
    else:
        print(json.dumps(["no error", None]))
"""

SEEDED = """
from azureml.core import Run
run_id = os.environ["AZUREML_RUN_ID"]
Run.get_context(allow_offline=False, _run_dto={
    "run_id": run_id, "root_run_id": run_id, "run_number": 1, "status": "Running", "properties": {}, "tags": {},
})
helper = EntryScriptHelper()
run = helper.get_run()
print(json.dumps([run.id, helper.get_run() is run, isinstance(run, Run), helper.get_working_dir()]))
"""

SERVICES = [
    "api",
    "history",
    "artifacts",
    "metric",
    "dataset",
    "datastore",
    "modelmanagement",
    "experimentation",
    "assets",
    "project",
    "pipelines",
    "hyperdrive",
    "environment",
    "studio",
]
SCOPE = "/subscriptions/S/resourceGroups/G/providers/Microsoft.MachineLearningServices/workspaces/W"
ENDPOINT = "https://eastus.api.azureml.ms"
# {"alg": "none"}, {"exp": 4102444800}, and a signature that nobody checks
TOKEN = "eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDB9.c2ln"
VARIABLES = {
    "AZUREML_ARM_SUBSCRIPTION": "S",
    "AZUREML_RUN_ID": "run_1",
    "AZUREML_ARM_RESOURCEGROUP": "G",
    "AZUREML_ARM_WORKSPACE_NAME": "W",
    "AZUREML_ARM_PROJECT_NAME": "experiment",
    "AZUREML_RUN_TOKEN": TOKEN,
    "AZUREML_SERVICE_ENDPOINT": ENDPOINT,
    "AZUREML_WORKSPACE_ID": "I",
    "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{ENDPOINT}/discovery",
}


@pytest.fixture
def real(tmp_path):
    """Run code with the real azureml-core, without a network, at a home of its own."""
    pytest.importorskip(
        "azureml.core", reason="azureml-core is not installed (pip install 'entry-script-helper[azureml]')"
    )
    settings = tmp_path / ".azureml"
    settings.mkdir()
    urls = {"default": dict.fromkeys(SERVICES, ENDPOINT)}
    key = f"{SCOPE}/I|{ENDPOINT}/discovery"
    (settings / ".discovery").write_text(json.dumps({key: urls}))

    def run(code, **variables):
        environ = {
            name: value for name, value in os.environ.items() if not name.startswith(("AZUREML_", "AZ_BATCHAI_"))
        }
        done = subprocess.run(
            [sys.executable, "-c", PREAMBLE + code],
            env={**environ, **variables, "HOME": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_really_outside_a_run(real):
    """With azureml-core but outside a job, the error is one line that says where get_run() works."""
    message, cause = real("said()")
    assert message == "there is no Azure ML run here (AZUREML_RUN_ID is not set): get_run() works inside a job only"
    assert cause == "RunEnvironmentException"


def test_really_with_a_bad_token(real):
    """A token that is none gives an error of ours, of one line, which does not show the token."""
    message, cause = real("said()", **{**VARIABLES, "AZUREML_RUN_TOKEN": "no-token-at-all"})
    assert message.startswith(f"azureml-core could not make the run run_1: {cause}: ")
    assert len(message.splitlines()) == 1
    assert "no-token-at-all" not in message


def test_really_without_a_network(real, tmp_path):
    """A service that can't be reached gives an error of ours, of one line."""
    (tmp_path / ".azureml" / ".discovery").unlink()
    message, _ = real("said()", **VARIABLES)
    assert message.startswith("azureml-core could not make the run run_1: ")
    assert len(message.splitlines()) == 1


def test_really_in_a_run(real):
    """In a job the run is azureml-core's own, made once, and its id is the variable's."""
    share = {"AZ_BATCHAI_INPUT_AZUREML": "/share"}
    run_id, is_cached, is_a_run, working_dir = real(SEEDED, **VARIABLES, **share)
    assert (run_id, is_cached, is_a_run, working_dir) == ("run_1", True, True, "/share/run_1")
