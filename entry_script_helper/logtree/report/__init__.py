"""One self-contained page about a run: its verdict, timeline, throughput, resources, errors and records."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence


def draw(paths: Sequence[str | os.PathLike[str]], output: str, say: Callable[[str], None] | None = None) -> int:
    """Write a page about the run in some log trees, and return its size in bytes.

    Args:
        paths: A run's folder, its ``logs/``, a zip archive of either, a file; or several of them.
        output: The page's file. It is there when it is whole; before that, what was there is as it was.
        say: Called with each complaint about what can't be read.

    Raises:
        UsageError: A path is missing or has no log in it, or the page can't be written there.
        MissingExtraError: jinja2 or plotly is not installed.
    """
    from entry_script_helper.logtree.report import page, tree, writing  # noqa: PLC0415 - for this alone

    writing.check(output)
    frame = page.frame()
    summary, gathered = tree.gathered(paths, say)
    data = page.render(summary, gathered, paths, frame)
    writing.write(output, data)
    return len(data)
