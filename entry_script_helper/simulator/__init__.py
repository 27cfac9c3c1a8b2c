"""ParallelRunStep on this machine: an entry script over real files, in several processes, logs where they belong."""

from entry_script_helper.simulator.api import simulate
from entry_script_helper.simulator.result import Result, SlowestMiniBatch

__all__ = ["Result", "SlowestMiniBatch", "simulate"]
