"""``python -m entry_script_helper``: the same as ``entry-script-helper``."""

from __future__ import annotations

import sys

from entry_script_helper.cli import main

if __name__ == "__main__":  # a spawned worker process imports its parent's main module
    sys.exit(main())
