"""The entry script as the service loads it: its arguments, its folder, its directory, the context of run()."""

from __future__ import annotations

import os

import pytest
from engine import Engine

from entry_script_helper.simulator import scoring, script
from entry_script_helper.simulator.minibatches import FileMiniBatch
from entry_script_helper.simulator.settings import Settings


@pytest.fixture
def engine(tmp_path):
    return Engine(tmp_path)


def test_directory(engine):
    """The current directory is the process's temp directory; what the script leaves in it stays."""
    engine.inputs(1)
    engine.script("""
        import os
        from entry_script_helper import EntryScriptHelper
        def run(mini_batch):
            open("left", "w").close()
            return [str(os.getcwd() == EntryScriptHelper().get_temp_dir())]
    """)
    engine.run()
    assert engine.rows == ["True"]
    assert len(list((engine.path / "job" / "azureml-bi").glob("*/left"))) == 1


def test_variables(engine):
    """The job's variables are set when the script is loaded."""
    engine.inputs(1)
    engine.script("import os\nFOUND = os.environ['MODEL']\ndef run(mini_batch):\n    return [FOUND]\n")
    engine.run(environment_variables=[["MODEL", "large"]])
    assert engine.rows == ["large"]


def test_context(engine):
    """A run() with a second argument gets the context in it."""
    engine.inputs(3)
    engine.script("""
        def run(mini_batch, context):
            if not context.retry_count:
                raise ValueError
            assert context.dataset == mini_batch
            return [(context.minibatch_index, context.retry_count, context.partition_key_value, item[-5:])
                    for item in mini_batch]
    """)
    engine.run(mini_batch_size=2)
    assert sorted(engine.rows) == ["(0, 1, None, 'f0000')", "(0, 1, None, 'f0001')", "(1, 1, None, 'f0002')"]


class Scorer:
    def run(self, mini_batch, context):
        pass

    def __call__(self, mini_batch):
        pass


@pytest.mark.parametrize(
    ("run", "takes"),
    [
        (lambda mini_batch: None, False),
        (lambda mini_batch, context: None, True),
        (lambda mini_batch, anything: None, True),
        (lambda mini_batch, model=None: None, False),
        (lambda mini_batch, mini_batch_context=None: None, True),
        (lambda mini_batch, *more, key=1: None, False),
        (lambda *arguments: None, False),
        (Scorer().run, True),
        (Scorer(), False),
        (type("Opaque", (), {"__signature__": 1, "__call__": lambda self, batch: None})(), False),
    ],
)
def test_second_argument(run, takes):
    """The context is passed where run() needs a second argument, or calls it so; an option of its own is left alone."""
    assert script._takes_context(run) is takes


def test_arguments():
    """sys.argv holds what the service's driver leaves there, in front of and behind the script's own arguments."""
    settings = Settings(
        "/job/score.py",
        ("/a", "/b"),
        "/out/rows.txt",
        "/w",
        arguments=("--mine", "1"),
        partition_keys=("year", "month"),
        error_threshold=3,
        allowed_failed_percent=5,
        run_invocation_timeout=90.0,
    )
    found = script.polluted(settings)
    assert found[found.index("--mine") :] == ["--mine", "1", "--input_fds_0", "/a", "--input_fds_1", "/b"]
    driver = dict(zip(found[: found.index("--mine") : 2], found[1 : found.index("--mine") : 2]))
    assert driver == {
        "--client_sdk_version": "1.0.0",
        "--scoring_module_name": "score.py",
        "--mini_batch_size": "10",
        "--error_threshold": "3",
        "--allowed_failed_percent": "5",
        "--output_action": "append_row",
        "--append_row_file_name": "parallel_run_step.txt",
        "--logging_level": "INFO",
        "--run_invocation_timeout": "90",
        "--run_max_try": "3",
        "--output": "/out",
        "--process_count_per_node": "1",
        "--partition_keys": "year,month",
    }


def test_temp_directory_of_another(engine):
    """Where the temp directory can't be used, the run is refused with the reason."""
    engine.inputs(1)
    engine.script("")
    (engine.path / "job").mkdir()
    os.symlink(engine.path, engine.path / "job" / "azureml-bi")
    for processes in (1, 0):
        assert "temp directory" in engine.run(2, processes=processes)["error"]


def test_empty_mini_batch():
    """An empty mini-batch, such as a DataFrame without rows, is not passed to run() and has not failed."""
    module = script.EntryScriptModule("score.py", init=print, run=None, shutdown=print, takes_context=False)
    scored = scoring.score(module, FileMiniBatch(0, []), [], 1)
    assert (scored.total, scored.is_whole, scored.failure) == (0, True, None)
