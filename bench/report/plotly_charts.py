"""Charts as plotly's JSON. Colours are roles here; the page gives them their values, as it knows if it is dark.

Texts of documents are escaped: plotly reads a little HTML in names and notes.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

from bench.report.chart import Chart, Series, Stack, Style

_MODES: dict[Style, str] = {
    "line": "lines+markers",
    "dash": "lines+markers",
    "points": "markers",
    "hollow": "markers",
    "invalid": "markers",
    "fit": "lines",
    "prediction": "lines",
}
_DASHES: dict[Style, str] = {"dash": "dash", "fit": "dot", "prediction": "dashdot"}
_MOST_DECADES = 3
_SYMBOLS: dict[Style, str] = {"hollow": "circle-open", "invalid": "x-thin", "dash": "circle-open"}


def figure_of(chart: Chart | Stack) -> dict[str, Any]:
    """Return data and layout."""
    return _stack(chart) if isinstance(chart, Stack) else _curves(chart)


def _curves(chart: Chart) -> dict[str, Any]:
    layout: dict[str, Any] = {
        "xaxis": _axis(chart.x_title, chart.x_log, [x for series in chart.series for x in series.x]),
        "yaxis": _axis(chart.y_title, chart.y_log, [y for series in chart.series for y in series.y]),
        "hovermode": "closest",
    }
    if any(isinstance(value, str) for series in chart.series for value in series.y):
        layout["yaxis"] |= {"type": "category", "autorange": "reversed"}
    if chart.line_at is not None:
        layout["shapes"] = [_level(chart)]
        layout["annotations"] = [_level_name(chart)] if chart.line_name else []
    return {"data": [_trace(series) for series in chart.series if len(series.x)], "layout": layout}


def _axis(title: str, is_log: bool, values: Sequence[Any]) -> dict[str, Any]:
    axis: dict[str, Any] = {"title": {"text": html.escape(title)}, "automargin": True}
    if not is_log:
        return axis
    ticks = log_ticks([value for value in values if not isinstance(value, str) and value > 0])
    return axis | {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:,g}" for tick in ticks]}


def log_ticks(values: Sequence[float]) -> list[float]:
    """Return 1, 2, 5, 10, ... over the values, or powers of ten alone where there would be too many."""
    if not values:
        return []
    decades = range(math.floor(math.log10(min(values))), math.floor(math.log10(max(values))) + 1)
    steps = (1, 2, 5) if len(decades) <= _MOST_DECADES else (1,)
    return [step * 10.0**decade for decade in decades for step in steps] + [10.0 ** (decades[-1] + 1)]


def _level(chart: Chart) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": chart.line_at,
        "y1": chart.line_at,
        "line": {"width": 1},
    }


def _level_name(chart: Chart) -> dict[str, Any]:
    import math

    y = math.log10(chart.line_at) if chart.y_log and chart.line_at else chart.line_at
    return {
        "xref": "paper",
        "x": 0,
        "xanchor": "left",
        "y": y,
        "yanchor": "bottom",
        "showarrow": False,
        "text": html.escape(chart.line_name),
    }


def _trace(series: Series) -> dict[str, Any]:
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": _MODES[series.style],
        "name": html.escape(series.name),
        "x": list(series.x),
        "y": [html.escape(value) if isinstance(value, str) else value for value in series.y],
        "line": {"dash": _DASHES.get(series.style, "solid"), "width": 2},
        "marker": {"symbol": _SYMBOLS.get(series.style, "circle"), "size": 10 if series.style == "invalid" else 7},
        "meta": {"role": series.role},
        "text": [html.escape(note) for note in series.notes],
        "hovertemplate": "%{x:.4~g}, %{y:.4~g}"
        + ("<br>%{text}" if series.notes else "")
        + "<extra>%{fullData.name}</extra>",
    }
    if any(value is not None for value in series.low):
        is_named = any(isinstance(value, str) for value in series.y)
        trace["error_x" if is_named else "error_y"] = _errors(series, series.x if is_named else series.y)
    return trace


def _errors(series: Series, values: Sequence[Any]) -> dict[str, Any]:
    rows = list(zip(values, series.low, series.high, strict=True))
    return {
        "type": "data",
        "symmetric": False,
        "array": [0.0 if high is None else max(0.0, high - value) for value, _, high in rows],
        "arrayminus": [0.0 if low is None else max(0.0, value - low) for value, low, _ in rows],
        "thickness": 1.2,
        "width": 3,
    }


def _stack(stack: Stack) -> dict[str, Any]:
    names = stack.part_names
    labels = [f"{html.escape(row.label)}<br>{row.total_seconds * 1e3:.3g} ms" for row in stack.rows]
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name.replace("_", " "),
            "y": labels,
            "x": [_share(row.parts.get(name, 0.0), row.total_seconds) for row in stack.rows],
            "customdata": [row.parts.get(name, 0.0) * 1e3 for row in stack.rows],
            "hovertemplate": "%{customdata:.4~g} ms, %{x:.1f} %<extra>%{fullData.name}</extra>",
            "meta": {"role": f"part-{name}"},
        }
        for name in names
    ]
    layout = {
        "barmode": "relative",
        "xaxis": {"title": {"text": "% of what the client waited"}, "automargin": True},
        "yaxis": {"autorange": "reversed", "automargin": True},
        "bargap": 0.35,
    }
    return {"data": traces, "layout": layout}


def _share(seconds: float, total: float) -> float:
    return seconds / total * 100 if total else 0.0
