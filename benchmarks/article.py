"""The article's code without azureml-core: what all figures are multiples of.

Its class as it was printed; only the run is a stand-in. `start.py` times its import, the others its logger.
"""

import logging
import os
import socket
import time
from multiprocessing import current_process
from types import SimpleNamespace


class EntryScriptHelper:
    def config(self, name="EntryScript", level="INFO"):
        logger = logging.getLogger(name)
        formatter = logging.Formatter(
            "%(asctime)s|%(name)s|%(levelname)s|%(process)d|%(thread)d|%(funcName)s()|%(message)s"
        )
        formatter.converter = time.gmtime
        logger.setLevel(level)
        handler = logging.FileHandler(self.get_log_file_path())
        handler.setLevel(level)
        handler.setFormatter(formatter)
        logger.addHandler(handler)
        return logger

    def get_log_file_path(self):
        ip_address = socket.gethostbyname(socket.gethostname())
        log_dir = os.path.join(self.get_log_dir(), "user", ip_address)
        os.makedirs(log_dir, exist_ok=True)
        return os.path.join(log_dir, f"{current_process().name}.txt")

    def get_log_dir(self):
        log_dir = os.path.join(self.get_working_dir(), "logs")
        os.makedirs(log_dir, exist_ok=True)
        return log_dir

    def get_working_dir(self):
        return os.path.join(os.environ.get("AZ_BATCHAI_INPUT_AZUREML", ""), self.get_run().id)

    def get_run(self):
        return SimpleNamespace(id="run")
