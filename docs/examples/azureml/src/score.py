"""Score files of sensor readings: how far each file's furthest reading is from the usual ones.

This file runs here and, unchanged, in Azure ML: as the entry script of a parallel job (v2) or a ParallelRunStep (v1).

    entry-script-helper run --job pipeline.yml
"""

import argparse
import json
import logging
import os

from entry_script_helper import EntryScriptHelper, guard, where

LOG_NAME = "score"
usual = {}


@guard
def init():
    """Configure this process's logger, say where it is, and load the model."""
    logger = EntryScriptHelper().config(LOG_NAME)
    for name, choice in where()._asdict().items():
        logger.info("%s: %s (%s)", name, choice.value, choice.why)
    # The service's driver has arguments of its own in sys.argv: take what is ours, and nothing that looks alike.
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--model", required=True)
    arguments, _ = parser.parse_known_args()
    with open(os.path.join(arguments.model, "usual.json"), encoding="utf-8") as file:
        usual.update(json.load(file))
    logger.info("model: %s", usual)


@guard
def run(mini_batch):
    """Return one row for each file: its name and its score, separated by a tab."""
    return [score(path) for path in mini_batch]


def score(path):
    """Return the row of one file."""
    with open(path, encoding="utf-8") as file:
        readings = [float(line) for line in file if line.strip()]
    furthest = max(abs(reading - usual["mean"]) for reading in readings) / usual["spread"]
    logging.getLogger(LOG_NAME).debug("%s: %d readings, %.2f", path, len(readings), furthest)
    return f"{os.path.basename(path)}\t{furthest:.2f}"


@guard
def shutdown():
    """Say that this process is done."""
    logging.getLogger(LOG_NAME).info("done")
