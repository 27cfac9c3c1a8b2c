"""Score tables: the mean of each row's readings, and whether it is warm.

Try it on this machine, one mini-batch for each station:

    entry-script-helper run score_table.py --input tables --input-format csv --partition-keys station
"""

import logging

from entry_script_helper import EntryScriptHelper

LOG_NAME = "score_table"


def init():
    """Configure this process's logger."""
    EntryScriptHelper().config(LOG_NAME)


def run(frame, context):
    """Return the mini-batch's rows, a pandas DataFrame, with two columns more."""
    keys = context.partition_key_value or {}
    logging.getLogger(LOG_NAME).info("%d rows of %s", len(frame), keys.get("station", "all stations"))
    mean = frame[["morning", "noon", "evening"]].mean(axis="columns").round(1)
    return frame.assign(mean=mean, warm=mean > 15)  # noqa: PLR2004 - degrees Celsius
