"""Score text files: count the lines, words and characters of each.

Try it on this machine:

    entry-script-helper run score_file_list.py --input data --processes 2 --mini-batch-size 3

The log of each process is in logs/user/<node>/, and the rows of all are in parallel_run_step.txt.
"""

import logging
import os

from entry_script_helper import EntryScript, EntryScriptHelper

LOG_NAME = "score_file_list"


def init():
    """Configure this process's logger. Load a model here: it is done once in each process."""
    logger = EntryScriptHelper().config(LOG_NAME)
    logger.info("output folder: %s", EntryScript().output_dir)
    logger.info("ready")


def run(mini_batch):
    """Return one row for each file: its name, lines, words and characters, separated by tabs."""
    logger = logging.getLogger(LOG_NAME)
    logger.info("mini-batch of %d files", len(mini_batch))
    return [score(path, logger) for path in mini_batch]


def score(path, logger):
    """Return the row for one file, read where it lies: nothing is copied."""
    lines = words = characters = 0
    with open(path, encoding="utf-8") as file:
        for line in file:
            lines += 1
            words += len(line.split())
            characters += len(line)
    logger.info("%s: %d lines", path, lines)
    return f"{os.path.basename(path)}\t{lines}\t{words}\t{characters}"


def shutdown():
    """Say that this process is done."""
    logging.getLogger(LOG_NAME).info("done")
