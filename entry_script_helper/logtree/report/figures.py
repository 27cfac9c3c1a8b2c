"""The page's charts as plotly knows them, without their data and colours: these the page's scripts fill in."""

from __future__ import annotations

from entry_script_helper.errors import MissingExtraError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STATUSES = ("succeeded", "running", "died", "timeout", "failed")
"""What becomes of a try, the later ones drawn over the earlier."""

_PATTERNS = {"succeeded": "", "running": ".", "died": "-", "timeout": "/", "failed": "x"}
"""How each is told apart without its colour."""


def figures() -> dict[str, dict[str, Any]]:
    """Return the charts by name, each as plain values.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    try:
        from plotly import graph_objects  # noqa: PLC0415 - for this alone
    except ImportError:
        raise MissingExtraError("plotly", "report", "a report") from None
    time = {"type": "date", "title": {"text": "UTC"}}
    bars = [
        graph_objects.Bar(
            name=status,
            orientation="h",
            width=0.74,
            marker={"pattern": {"shape": _PATTERNS[status], "fillmode": "overlay", "size": 6, "solidity": 0.35}},
            hovertemplate="%{hovertext}<extra></extra>",
            textposition="inside",
            insidetextanchor="middle",
            constraintext="both",
        )
        for status in STATUSES
    ]
    line = {"mode": "lines", "hovertemplate": "%{y:,.4~g} %{meta} at %{x|%H:%M:%S}<extra>%{fullData.name}</extra>"}
    charts = {
        "timeline": graph_objects.Figure(
            bars, {"barmode": "overlay", "xaxis": time, "yaxis": {"autorange": "reversed"}}
        ),
        "rates": graph_objects.Figure(
            [graph_objects.Scatter(fill="tozeroy", line={"shape": "hvh"}, **line)],
            {"xaxis": time, "yaxis": {"rangemode": "tozero"}},
        ),
        "curves": graph_objects.Figure(
            [graph_objects.Scatter(**line)], {"xaxis": time, "yaxis": {"rangemode": "tozero"}}
        ),
    }
    found: dict[str, dict[str, Any]] = {}
    for name, chart in charts.items():
        plain = chart.to_plotly_json()
        found[name] = {"data": [_plain(trace) for trace in plain["data"]], "layout": _plain(plain["layout"])}
        found[name]["layout"].pop("template", None)
    return found


def _plain(value: Any) -> Any:  # noqa: ANN401 - any of JSON's
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items() if key != "template"}
    return [_plain(member) for member in value] if isinstance(value, (list, tuple)) else value


def library() -> str:
    """Return plotly's own script."""
    from plotly.offline import get_plotlyjs  # noqa: PLC0415 - for this alone, and there: `figures` needed it

    return str(get_plotlyjs())
