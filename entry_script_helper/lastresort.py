"""Where text goes when it can go nowhere else: stderr, if there is one. Nothing here raises."""

from __future__ import annotations

import sys

from entry_script_helper.processstate import state

_said: set[object] = state().setdefault("said", set())


def show(text: str) -> None:
    """Write a line to stderr; do nothing where stderr is closed, full or missing."""
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except Exception:  # noqa: BLE001, S110 - there is no place left to say that even stderr is gone
        pass


def say_once(key: object, text: str) -> None:
    """Say what goes wrong in one line, once for each *key* in this process."""
    if key not in _said:
        _said.add(key)
        show(f"entry_script_helper: {text}")
