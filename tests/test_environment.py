"""From variables to "where am I, and why": each rule as a table."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entry_script_helper import environment
from entry_script_helper.environment import Choice

BATCH_AI = {
    "AZ_BATCHAI_INPUT_AZUREML": "/mnt/share/azureml",
    "AZ_BATCHAI_JOB_TEMP": "/mnt/batch/jobs/job01",
    "AZ_BATCHAI_WORKER_IP": "10.0.0.4",
    "AZUREML_RUN_ID": "run_1",
}
COMMON_RUNTIME = {
    "AZUREML_CR_EXECUTION_WORKING_DIR_PATH": "/mnt/azureml/cr/j/0a/exe/wd",
    "AZ_BATCHAI_JOB_WORK_DIR": "/mnt/other",
    "AZUREML_RUN_ID": "run_1",
    "AZUREML_BI_OUTPUT_PATH": "/mnt/out",
    "APPSETTING_WEBSITE_SITE_NAME": "AMLCompute",
}
COMPUTE_INSTANCE = {"APPSETTING_WEBSITE_SITE_NAME": "AMLComputeInstance", "CI_WORKSPACE": "/ws"}
KUBERNETES = {**COMMON_RUNTIME, "AML_JOB_ID": "job", "AMLARC_NODE": "n"}
LOCAL: dict[str, str] = {}

VARIABLES = [
    "ENTRY_SCRIPT_HELPER_WORKING_DIR",
    "AZ_BATCHAI_INPUT_AZUREML",
    "AZ_BATCHAI_JOB_TEMP",
    "AZ_BATCHAI_WORKER_IP",
    "AZUREML_CR_EXECUTION_WORKING_DIR_PATH",
    "AZUREML_CR_NODE_RANK",
    "AZUREML_CR_COMPUTE_CONTEXT",
    "AZUREML_RUN_ID",
    "AZUREML_BI_OUTPUT_PATH",
    "APPSETTING_WEBSITE_SITE_NAME",
    "CI_WORKSPACE",
    "AML_JOB_ID",
    "AMLARC_X",
]

# What a variable holds, and what that reads as; None is "as if it were not set".
VALUES = {
    "unset": (None, None),
    "empty": ("", None),
    "blank": (" \t\n", None),
    "plain": ("/a/b", "/a/b"),
    "padded": ("  /a/b \n", "/a/b"),
    "space inside": ("/a b/c", "/a b/c"),
    "defined": ("$ROOT/b", "/root/b"),
    "defined, in braces": ("${ROOT}b", "/rootb"),
    "only a reference": ("$ROOT", "/root"),
    "two": ("$ROOT/${NAME}", "/root/name"),
    "padded behind a reference": ("$PADDED/b", "/padded/b"),
    "through another": ("$THROUGH/c", "/root/b/c"),
    "undefined": ("$MISSING/b", None),
    "undefined, in braces": ("/a/${MISSING}", None),
    "empty behind a reference": ("$EMPTY/b", None),
    "blank behind a reference": ("/a/$BLANK", None),
    "undefined behind another": ("$BROKEN/b", None),
    "in a circle": ("$CIRCLE/b", None),
    "a dollar alone": ("/a/$/b", "/a/$/b"),
    "an open brace": ("/a/${b", "/a/${b"),
    "no ASCII": ("/日本/é", "/日本/é"),
}
OTHERS = {
    "ROOT": "/root",
    "NAME": "name",
    "PADDED": " /padded ",
    "THROUGH": "$ROOT/b",
    "EMPTY": "",
    "BLANK": " ",
    "BROKEN": "/x/$MISSING",
    "CIRCLE": "$SECOND",
    "SECOND": "$CIRCLE",
}


def environ_with(variable, value):
    return {**OTHERS, **({} if value is None else {variable: value})}


def never():
    raise AssertionError("was asked for nothing")


def at_home():
    return "/home/me"


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("case", VALUES)
def test_every_variable_is_read_alike(variable, case):
    """Unset, empty and blank are one; white space around falls off; ``$VAR`` is replaced, or the whole is as unset."""
    value, expected = VALUES[case]
    assert environment.read(environ_with(variable, value), variable) == expected


def test_a_variable_that_refers_to_itself_is_as_unset():
    """A reference that leads back is not taken for a path, and does not hang."""
    assert environment.read({"A": "$A/b"}, "A") is None


@given(st.dictionaries(st.sampled_from("ABC"), st.text(st.sampled_from("ABC${}/ "), max_size=12)))
def test_reading_is_total(environ):
    """Whatever variables hold, reading one ends and gives text without white space around it, or None."""
    value = environment.read(environ, "A")
    assert value is None or (value and value == value.strip())


@pytest.mark.parametrize(
    ("environ", "expected", "reason"),
    [
        (BATCH_AI, "batch-ai", "AZ_BATCHAI_INPUT_AZUREML is set"),
        ({**BATCH_AI, "APPSETTING_WEBSITE_SITE_NAME": "AMLCompute"}, "batch-ai", "AZ_BATCHAI_INPUT_AZUREML is set"),
        (
            {**BATCH_AI, "AZ_BATCHAI_INPUT_AZUREML": " "},
            "azureml",
            "AZUREML_RUN_ID is set, but no variable of a runtime that is known",
        ),
        (COMMON_RUNTIME, "common-runtime", "AZUREML_CR_EXECUTION_WORKING_DIR_PATH is set"),
        (KUBERNETES, "kubernetes", "AML_JOB_ID is set"),
        ({"AMLARC_B": "1", "AMLARC_A": " "}, "kubernetes", "AMLARC_B is set"),
        ({"AMLARC_A": "", "AML_JOB_ID": " "}, "local", "no variable of an Azure ML runtime is set"),
        (COMPUTE_INSTANCE, "compute-instance", "APPSETTING_WEBSITE_SITE_NAME is AMLComputeInstance"),
        ({"CI_WORKSPACE": "/ws"}, "compute-instance", "CI_WORKSPACE is set"),
        (
            {"APPSETTING_WEBSITE_SITE_NAME": " AMLComputeInstance "},
            "compute-instance",
            "APPSETTING_WEBSITE_SITE_NAME is AMLComputeInstance",
        ),
        (
            {"APPSETTING_WEBSITE_SITE_NAME": "AMLCompute"},
            "amlcompute",
            "APPSETTING_WEBSITE_SITE_NAME is AMLCompute",
        ),
        ({"APPSETTING_WEBSITE_SITE_NAME": "my-web-app"}, "local", "no variable of an Azure ML runtime is set"),
        ({"AZUREML_CR_NODE_RANK": "0"}, "common-runtime", "AZUREML_CR_NODE_RANK is set"),
        ({"AZUREML_CR_COMPUTE_CONTEXT": "{}"}, "common-runtime", "AZUREML_CR_COMPUTE_CONTEXT is set"),
        ({"AZ_BATCHAI_JOB_WORK_DIR": "/mnt/other"}, "local", "no variable of an Azure ML runtime is set"),
        (
            {"AZUREML_RUN_ID": "run_1"},
            "azureml",
            "AZUREML_RUN_ID is set, but no variable of a runtime that is known",
        ),
        ({"AZUREML_RUN_ID": "run_1", "CI_WORKSPACE": "/ws"}, "compute-instance", "CI_WORKSPACE is set"),
        ({"DASK_PARENT": "tcp://10.0.0.9:8786", "DASK_X": "1"}, "local", "no variable of an Azure ML runtime is set"),
        ({"POD_NAME": "job-0", "KUBERNETES_PORT": "1"}, "local", "no variable of an Azure ML runtime is set"),
        (LOCAL, "local", "no variable of an Azure ML runtime is set"),
    ],
)
def test_platform(environ, expected, reason):
    """The platform follows from the variables, and the reason names the one that decided."""
    assert environment.platform(environ) == (expected, reason)


@pytest.mark.parametrize("case", VALUES)
def test_run_id(case):
    """The run's id is the variable's value, and nothing else."""
    value, expected = VALUES[case]
    reason = "AZUREML_RUN_ID is not set" if expected is None else "AZUREML_RUN_ID is set"
    assert environment.run_id(environ_with("AZUREML_RUN_ID", value)) == (expected, reason)


@pytest.mark.parametrize("case", VALUES)
def test_node_is_the_variable_first(case):
    """The node is AZ_BATCHAI_WORKER_IP where that is set, and only then is the machine not asked."""
    value, expected = VALUES[case]
    environ = environ_with("AZ_BATCHAI_WORKER_IP", value)
    if expected is None:
        choice = environment.node(environ, lambda: "10.1.1.1", never)
        assert choice.value == "10.1.1.1"
        assert "AZ_BATCHAI_WORKER_IP is not set; it is the address" in choice.why
        choice = environment.node(environ, lambda: None, lambda: "host")
        assert choice.value == "host"
        assert "it is the host's name" in choice.why
    else:
        assert environment.node(environ, never, never) == (expected, "AZ_BATCHAI_WORKER_IP is set")


@pytest.mark.parametrize(
    ("environ", "options", "expected", "reason"),
    [
        (BATCH_AI, {}, "/mnt/share/azureml/run_1", "the run's directory on the share that AZ_BATCHAI_INPUT_AZUREML"),
        (BATCH_AI, {"argument": "/my"}, "/my", "given as an argument"),
        (BATCH_AI, {"argument": "my/../own"}, "/home/me/own", "given as an argument"),
        (BATCH_AI, {"argument": ""}, "/mnt/share/azureml/run_1", "the run's directory on the share"),
        (
            {**BATCH_AI, "ENTRY_SCRIPT_HELPER_WORKING_DIR": " ./here "},
            {},
            "/home/me/here",
            "ENTRY_SCRIPT_HELPER_WORKING_DIR is set",
        ),
        (
            {**BATCH_AI, "ENTRY_SCRIPT_HELPER_WORKING_DIR": "/x"},
            {"argument": "/y"},
            "/y",
            "given as an argument",
        ),
        (
            {**BATCH_AI, "ENTRY_SCRIPT_HELPER_WORKING_DIR": "$MISSING/x"},
            {},
            "/mnt/share/azureml/run_1",
            "the run's directory",
        ),
        ({**BATCH_AI, **COMMON_RUNTIME}, {}, "/mnt/share/azureml/run_1", "the run's directory"),
        ({**BATCH_AI, "AZUREML_RUN_ID": "../../etc"}, {}, "/mnt/share/azureml/%2E.%2F..%2Fetc", "the run's"),
        (
            {"AZ_BATCHAI_INPUT_AZUREML": "/s"},
            {"ask_run_id": lambda: "asked"},
            "/s/asked",
            "the run's directory on the share",
        ),
        (
            {"AZ_BATCHAI_INPUT_AZUREML": "/s"},
            {},
            "/home/me",
            "AZ_BATCHAI_INPUT_AZUREML is set but the run's id is not known; it is the current directory",
        ),
        (
            {"AZ_BATCHAI_INPUT_AZUREML": "/s", "AZUREML_CR_EXECUTION_WORKING_DIR_PATH": "/cr"},
            {},
            "/cr",
            "AZ_BATCHAI_INPUT_AZUREML is set but the run's id is not known; AZUREML_CR_EXECUTION_WORKING_DIR_PATH is",
        ),
        (COMMON_RUNTIME, {"ask_run_id": never}, "/mnt/azureml/cr/j/0a/exe/wd", "AZUREML_CR_EXECUTION_WORKING_DIR_PATH"),
        (KUBERNETES, {"ask_run_id": never}, "/mnt/azureml/cr/j/0a/exe/wd", "AZUREML_CR_EXECUTION_WORKING_DIR_PATH"),
        (COMPUTE_INSTANCE, {"ask_run_id": never}, "/home/me", "no variable names one; it is the current directory"),
        (
            LOCAL,
            {"ask_run_id": never},
            "/home/me",
            "no variable names one; it is the current directory as it was first",
        ),
        ({"AZUREML_RUN_ID": "run_1"}, {"ask_run_id": never}, "/home/me", "no variable names one"),
        (
            BATCH_AI,
            {"ask_run_id": lambda: "mine", "run_is_overridden": True},
            "/mnt/share/azureml/mine",
            "the id of the run that an overridden get_run() gives",
        ),
        (
            LOCAL,
            {"ask_run_id": lambda: "mine/run", "run_is_overridden": True},
            "/home/me/mine%2Frun",
            "the id of the run that an overridden get_run() gives",
        ),
        (
            BATCH_AI,
            {"ask_run_id": lambda: None, "run_is_overridden": True},
            "/mnt/share/azureml/run_1",
            "the run's directory on the share",
        ),
    ],
)
def test_working_dir(environ, options, expected, reason):
    """The working directory: the argument, our variable, the share's, the common runtime's, the current one."""
    choice = environment.working_dir(environ, at_home, **options)
    assert choice.value == expected
    assert choice.why.startswith(reason)


def test_an_overridden_run_that_is_not_known_is_asked_once():
    """A run of the user's own that fails is not asked a second time: that may take seconds."""
    asked = []
    environ = {"AZ_BATCHAI_INPUT_AZUREML": "/s"}
    choice = environment.working_dir(environ, at_home, ask_run_id=lambda: asked.append(1), run_is_overridden=True)
    assert (len(asked), choice.value) == (1, "/home/me")


@pytest.mark.parametrize("case", VALUES)
def test_every_directory_takes_its_variable_or_falls_back(case):
    """Working, temp and output directory follow their variables, as each of them reads."""
    value, expected = VALUES[case]
    for variable in ("ENTRY_SCRIPT_HELPER_WORKING_DIR", "AZUREML_CR_EXECUTION_WORKING_DIR_PATH"):
        choice = environment.working_dir(environ_with(variable, value), at_home)
        assert choice.value == (expected or "/home/me")
        assert choice.why.startswith(f"{variable} is set" if expected else "no variable names one")

    environ = {**environ_with("AZ_BATCHAI_INPUT_AZUREML", value), "AZUREML_RUN_ID": "r"}
    assert environment.working_dir(environ, at_home).value == (f"{expected}/r" if expected else "/home/me")

    temp = environment.temp_dir(environ_with("AZ_BATCHAI_JOB_TEMP", value), at_home, lambda: "/tmp", 7)
    assert temp.value == f"{expected or '/tmp'}/azureml-bi/7"
    assert temp.why.startswith("below AZ_BATCHAI_JOB_TEMP" if expected else "AZ_BATCHAI_JOB_TEMP is not set")

    output = environment.output_dir(environ_with("AZUREML_BI_OUTPUT_PATH", value), at_home)
    assert output.value == (expected or "/home/me")
    assert output.why.startswith("AZUREML_BI_OUTPUT_PATH is " + ("set" if expected else "not set"))


def test_a_relative_path_starts_in_the_first_directory():
    """A relative path in a variable means the same wherever a script has changed to."""
    assert environment.output_dir({"AZUREML_BI_OUTPUT_PATH": "out"}, at_home).value == "/home/me/out"
    assert environment.temp_dir({"AZ_BATCHAI_JOB_TEMP": "t"}, at_home, never, 7).value == "/home/me/t/azureml-bi/7"
    share = {"AZ_BATCHAI_INPUT_AZUREML": "share", "AZUREML_RUN_ID": "r"}
    assert environment.working_dir(share, at_home).value == "/home/me/share/r"


def test_a_choice_and_a_place_are_frozen_and_cross_processes():
    """What was chosen can't be changed, and pickles."""
    place = environment.Place(*[Choice(str(number), "why") for number in range(8)])
    assert pickle.loads(pickle.dumps(place)) == place
    with pytest.raises(AttributeError):
        place.node = Choice("x", "y")
    with pytest.raises(AttributeError):
        place.extra = 1
