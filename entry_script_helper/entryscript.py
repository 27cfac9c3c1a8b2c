"""`EntryScript`, with the attributes of the cloud runtime's own, so that scripts for that run elsewhere too."""

from __future__ import annotations

import logging
import os

from entry_script_helper import environment, machine
from entry_script_helper.handler import handlers_of_ours
from entry_script_helper.helper import EntryScriptHelper

_instances: dict[type[EntryScript], EntryScript] = {}


class EntryScript:
    """What ``azureml_user.parallel_run.EntryScript`` gives in the cloud: one object, whoever makes it."""

    _helper: EntryScriptHelper

    def __new__(cls) -> EntryScript:  # noqa: PYI034 - one object of each class, not a new one
        """Return the one instance."""
        if cls not in _instances:
            instance = super().__new__(cls)
            instance._helper = EntryScriptHelper()
            _instances.setdefault(cls, instance)  # of two threads, the first one's stays
        return _instances[cls]

    def __reduce__(self) -> tuple[type[EntryScript], tuple[()]]:
        """Pickle and copy as the one instance."""
        return type(self), ()

    @property
    def logger(self) -> logging.Logger:
        """The logger ``EntryScript``, configured when it is first asked for."""
        logger = logging.getLogger("EntryScript")
        if not handlers_of_ours(logger):
            self._helper.config()
        return logger

    @property
    def log_dir(self) -> str:
        """The directory for logs, made if missing."""
        return self._helper.get_log_dir()

    @property
    def working_dir(self) -> str:
        """The working directory."""
        return self._helper.get_working_dir()

    @property
    def output_dir(self) -> str:
        """``AZUREML_BI_OUTPUT_PATH``, or the first current directory; made if missing."""
        directory = str(environment.output_dir(os.environ, machine.first_directory).value)
        os.makedirs(directory, exist_ok=True)
        return directory

    @property
    def agent_name(self) -> str:
        """The cloud agent's name (``process000``), or the name of this process where there is no agent."""
        return machine.agent_name() or machine.process_name()
