"""The calls that are timed: each takes a logger, and returns a function that logs so many records.

Every library is called as its own documentation calls it.
"""

from __future__ import annotations

MARK = "processed mini batch"
"""What each record has once."""


def info(logger):
    def batch(count):
        for number in range(count):
            logger.info("processed mini batch %d of %s", number, "abc")

    return batch


def debug(logger):
    def batch(count):
        for number in range(count):
            logger.debug("processed mini batch %d of %s", number, "abc")

    return batch


def extra(logger):
    """Three values in `extra`, as the standard library has them."""

    def batch(count):
        for number in range(count):
            logger.info(
                "processed mini batch %d of %s", number, "abc", extra={"items": number, "rows": "a1", "seconds": 0.25}
            )

    return batch


def keywords(logger):
    """Three values as keywords, as structlog has them."""

    def batch(count):
        for number in range(count):
            logger.info("processed mini batch %d of %s", number, "abc", items=number, rows="a1", seconds=0.25)

    return batch


def braces(logger):
    def batch(count):
        for number in range(count):
            logger.info("processed mini batch {} of {}", number, "abc")  # noqa: PLE1205 - loguru's way

    return batch


def completed(logger):
    """Logust writes in a thread of its own: complete() waits until the record has reached the kernel."""

    def batch(count):
        for number in range(count):
            logger.info(f"processed mini batch {number} of abc")  # noqa: G004 - it takes no arguments
            logger.complete()

    return batch


def exception(logger):
    def batch(count):
        try:
            _fail(3)
        except ValueError:
            for number in range(count):
                logger.exception("processed mini batch %d of %s", number, "abc")

    return batch


def _fail(depth):
    if depth:
        _fail(depth - 1)
    raise ValueError("a file of the mini batch is not there")
