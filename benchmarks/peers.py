"""The loggers under test: each function takes a logger's name and a directory, and returns a logger and its file.

All of them hand every record to the kernel before the call returns (`records.py` checks it). Text has the article's
fields; JSON has at least time, level, logger and message, and what else a library makes is left as it is.
"""

from __future__ import annotations

import logging
import os
import time

import article

TEXT = "%(asctime)s|%(name)s|%(levelname)s|%(process)d|%(thread)d|%(funcName)s()|%(message)s"


class _ArticleIn(article.EntryScriptHelper):
    def __init__(self, directory):
        self.directory = directory

    def get_working_dir(self):
        return self.directory


def of_the_article(name, directory):
    helper = _ArticleIn(directory)
    return helper.config(name), helper.get_log_file_path()


def ours(name, directory):
    return _ours(name, directory, json=False)


def ours_json(name, directory):
    return _ours(name, directory, json=True)


def ours_structlog(name, directory):
    """A bound structlog logger that ends in our file."""
    import structlog

    _, path = _ours(name, directory, json=True)
    return structlog.get_logger(name).bind(a=1), path


def _ours(name, directory, *, json):
    import entry_script_helper

    helper = entry_script_helper.EntryScriptHelper(directory)
    return helper.config(name, json=json), helper.get_log_file_path()


def floor(name, directory):
    """Not a logger: what any of them does at least, to fill in the message and to hand one line to the kernel."""
    path = os.path.join(directory, "log")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    class Floor:
        def info(self, message, *arguments):
            line = f"2026-01-31 10:00:00,123|{name}|INFO|4711|140239471236928|batch()|{message % arguments}\n"
            os.write(descriptor, line.encode())

    return Floor(), path


def stdlib(name, directory):
    """The standard library with the message alone: what a formatter costs is left out."""
    return _with_formatter(name, directory, logging.Formatter())


def json_logger(module, class_name):
    """Return a maker of a standard library's logger with one of python-json-logger's formatters."""

    def make(name, directory):
        import importlib

        formatter_class = getattr(importlib.import_module(f"pythonjsonlogger.{module}"), class_name)
        fields = "%(asctime)s %(levelname)s %(name)s %(message)s %(process)d %(thread)d %(funcName)s"
        formatter = formatter_class(fields)
        formatter.converter = time.gmtime
        return _with_formatter(name, directory, formatter)

    return make


def _with_formatter(name, directory, formatter):
    path = os.path.join(directory, "log.txt")
    handler = logging.FileHandler(path)
    handler.setFormatter(formatter)
    logger = logging.getLogger(name)
    logger.setLevel("INFO")
    logger.addHandler(handler)
    return logger, path


def structlog_text(name, directory):
    """WriteLogger flushes each record; the renderer is the cheapest that makes the article's line."""
    import structlog

    def render(_logger, _method, event):
        return (
            f"{event['timestamp']}|{event['logger']}|{event['level']}|{event['process']}|{event['thread']}"
            f"|{event['func_name']}()|{event['event']}"
        )

    processors = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _callsite(),
        render,
    ]
    path = os.path.join(directory, "log.txt")
    file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - for the life of the process, as a logger has it
    return _structlog(structlog.WriteLogger(file), processors, name), path


def structlog_json(name, directory):
    import structlog

    path = os.path.join(directory, "log.txt")
    file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - as above
    return _structlog(structlog.WriteLogger(file), _json_processors(structlog.processors.JSONRenderer()), name), path


def structlog_orjson(name, directory, more=()):
    """What structlog's documentation recommends for speed."""
    import orjson
    import structlog

    path = os.path.join(directory, "log.txt")
    file = open(path, "ab", buffering=0)  # noqa: SIM115 - as above
    processors = [*more, *_json_processors(structlog.processors.JSONRenderer(serializer=orjson.dumps))]
    return _structlog(structlog.BytesLogger(file), processors, name), path


def structlog_orjson_fields(name, directory):
    """The same with process, thread and function, as the article's text and our JSON have them."""
    return structlog_orjson(name, directory, [_callsite()])


def structlog_orjson_bound(name, directory):
    logger, path = structlog_orjson(name, directory)
    return logger.bind(a=1), path


def _callsite():
    from structlog.processors import CallsiteParameter, CallsiteParameterAdder

    return CallsiteParameterAdder([CallsiteParameter.PROCESS, CallsiteParameter.THREAD, CallsiteParameter.FUNC_NAME])


def _json_processors(renderer):
    import structlog

    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        renderer,
    ]


def _structlog(target, processors, name):
    import structlog

    wrapper = structlog.make_filtering_bound_logger(logging.INFO)
    # bind() leaves the lazy proxy, which would make a logger for each call.
    return structlog.wrap_logger(target, processors, wrapper_class=wrapper).bind(logger=name)


def loguru(name, directory, *, serialize=False):
    from loguru import logger

    path = os.path.join(directory, "log.txt")
    logger.remove()
    form = "{time:YYYY-MM-DD HH:mm:ss,SSS!UTC}|{name}|{level}|{process.id}|{thread.id}|{function}()|{message}"
    # A file sink of loguru is line buffered: each record is written as it comes.
    logger.add(path, format=form, level="INFO", serialize=serialize, enqueue=False)
    return logger.bind(logger=name), path


def loguru_json(name, directory):
    return loguru(name, directory, serialize=True)


def picologging(name, directory):
    import picologging as pico

    path = os.path.join(directory, "log.txt")
    handler = pico.FileHandler(path)
    # With its own date format its lines start with stray bytes (0.9.3 on Python 3.11).
    handler.setFormatter(pico.Formatter(TEXT, "%Y-%m-%d %H:%M:%S"))
    logger = pico.getLogger(name)
    logger.setLevel(pico.INFO)
    logger.addHandler(handler)
    return logger, path


def logust(name, directory, *, serialize=False):
    from logust import logger

    path = os.path.join(directory, "log.txt")
    logger.remove()
    form = "{time}|{name}|{level}|{process}|{thread}|{function}()|{message}"
    logger.add(path, format=form, serialize=serialize)
    return logger.bind(logger=name) if serialize else logger, path


def logust_json(name, directory):
    return logust(name, directory, serialize=True)
