"""The page: a template filled, with its styles, scripts and data, under a policy that lets nothing else run."""

from __future__ import annotations

import base64
import hashlib
import os
from datetime import datetime, timezone
from typing import NamedTuple

import entry_script_helper
from entry_script_helper.errors import MissingExtraError
from entry_script_helper.logtree.report.embedding import embedded
from entry_script_helper.logtree.report.figures import STATUSES, figures, library
from entry_script_helper.logtree.report.pagedata import page_data
from entry_script_helper.logtree.report.verdictview import view

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import jinja2

    from entry_script_helper.logtree.findings.summary import Summary
    from entry_script_helper.logtree.report.gathering import Gathered

_ASSETS = os.path.join(os.path.dirname(__file__), "assets")
_SCRIPTS = ("shared.js", "timeline.js", "curves.js", "records.js")
"""The page's own, in the order in which they run."""


def _template() -> jinja2.Template:
    try:
        import jinja2  # noqa: PLC0415 - for this alone
    except ImportError:
        raise MissingExtraError("jinja2", "report", "a report") from None
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(_asset("page.html.jinja"))


class Frame(NamedTuple):
    """What is the same in every page."""

    template: jinja2.Template
    charts: Mapping[str, object]


def frame() -> Frame:
    """Return what is needed to make a page.

    Raises:
        MissingExtraError: jinja2 or plotly is not installed.
    """
    return Frame(_template(), figures())


def render(summary: Summary, gathered: Gathered, paths: Sequence[str | os.PathLike[str]], frame: Frame) -> bytes:
    """Return the page, in UTF-8.

    Args:
        summary: What the tree tells of the run.
        gathered: What of its tries, records and resources is shown.
        paths: Where the tree is, as it was given.
        frame: What is the same in every page.
    """
    from markupsafe import Markup  # noqa: PLC0415 - jinja2's own

    shown = view(summary, paths)
    scripts = [library(), *map(_asset, _SCRIPTS)]
    data = {"figures": frame.charts, "statuses": STATUSES, "paths": shown["paths"], **page_data(gathered)}
    text = frame.template.render(
        view=shown,
        earlier=gathered.earlier,
        policy=_policy(scripts),
        version=entry_script_helper.__version__,
        made=f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S}",
        # Ours, and what `embedded` made safe: nothing else is passed on as markup.
        style=Markup(_asset("page.css")),  # noqa: S704
        scripts=[Markup(script) for script in scripts],  # noqa: S704
        data=Markup(embedded(data)),  # noqa: S704
    )
    return text.encode("utf-8", "backslashreplace")


def _policy(scripts: list[str]) -> str:
    """Return a policy (Content Security Policy Level 3) under which these run, and nothing else does or is fetched.

    Styles are not told apart: plotly makes some of its own, other ones in each version. They can fetch nothing.
    """
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    hashes = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {hashes}; "
        "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _asset(name: str) -> str:
    with open(os.path.join(_ASSETS, name), encoding="utf-8") as file:
        return file.read()
