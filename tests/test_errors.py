"""What is raised on purpose."""

from __future__ import annotations

import copy
import pickle

import pytest

from entry_script_helper import errors

MADE = [
    (errors.EntryScriptHelperError("text"), Exception),
    (errors.UsageError("text"), ValueError),
    (errors.MissingExtraError("azureml-core", "azureml", "get_run()"), ImportError),
    (errors.RunContextError("text"), RuntimeError),
    (errors.LogFileError("text"), OSError),
    (errors.TempDirectoryError("text"), OSError),
]


@pytest.mark.parametrize(("error", "standard"), MADE, ids=lambda value: getattr(type(value), "__name__", None))
def test_every_error_is_ours_and_a_standard_one(error, standard):
    """Who catches the base class, or the fitting error of the standard library, catches it."""
    assert isinstance(error, errors.EntryScriptHelperError)
    assert isinstance(error, standard)


@pytest.mark.parametrize(("error", "standard"), MADE, ids=lambda value: getattr(type(value), "__name__", None))
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_error_crosses_processes(error, standard, protocol):
    """An error pickles, copies and deep-copies to one of the same kind, text and attributes."""
    for again in (pickle.loads(pickle.dumps(error, protocol)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)


def test_the_table_is_complete():
    """No error is left out of the tests above."""
    ours = {kind for kind in vars(errors).values() if isinstance(kind, type)}
    assert ours == {type(error) for error, _ in MADE}


def test_a_missing_extra_says_what_to_install():
    """The text names what is needed, for what, and the command that brings it."""
    text = str(errors.MissingExtraError("azureml-core", "azureml", "get_run()"))
    assert text.startswith("get_run() needs azureml-core")
    assert "pip install 'entry-script-helper[azureml]'" in text
