"""Charts as plotly's JSON. Colours are roles here; the page gives them their values, as it knows if it is dark.
Texts of documents are escaped: plotly reads a little HTML in names and notes.
"""

import html
import math
from collections.abc import Sequence
from typing import Any

from tandem.measure.formats import seconds
from tandem.measure.report.charts.chart import HATCHED, LOOKS, Chart, Series, Stack, tick_text


def figure_of(chart: Chart | Stack) -> dict[str, Any]:
    """Return data and layout."""
    if isinstance(chart, Stack):
        return _stack(chart)
    layout: dict[str, Any] = {
        "xaxis": _axis(chart.x_title, chart.x_ticks),
        "yaxis": _axis(chart.y_title, chart.y_ticks),
        "hovermode": "closest",
    }
    if chart.is_named:
        layout["yaxis"] |= {"type": "category", "autorange": "reversed"}
    if chart.levels:
        line = {"x0": 0, "x1": 1, "line": {"width": 1, "dash": "dash"}, "layer": "below"}
        layout["shapes"] = [{"type": "line", "xref": "paper", "y0": at, "y1": at, **line} for at, _ in chart.levels]
        layout["annotations"] = [_level_name(chart, at, name) for at, name in chart.levels]
    rightmost = max((x for series in chart.drawn for x in series.x), default=0.0)
    return {"data": [_trace(series, rightmost) for series in chart.drawn], "layout": layout}


def _axis(title: str, ticks: Sequence[float] | None) -> dict[str, Any]:
    found: dict[str, Any] = {"title": {"text": html.escape(title)}, "automargin": True}
    if ticks is None:
        return found
    return found | {"type": "log", "tickvals": ticks, "ticktext": list(map(tick_text, ticks))}


def _level_name(chart: Chart, at: float, name: str) -> dict[str, Any]:
    """Return a name that stands below its line, that of the lowest above it: there may be no room below."""
    is_lowest = at == min(chart.levels)[0]
    place = {"xref": "paper", "x": 1, "xanchor": "right", "yanchor": "bottom" if is_lowest else "top"}
    y = math.log10(at) if chart.y_log and at else at
    return {**place, "y": y, "showarrow": False, "text": html.escape(name)}


def _trace(series: Series, rightmost: float) -> dict[str, Any]:
    """Return a trace. Labels stand above and below in turn, so that those of neighbours do not meet."""
    look = LOOKS[series.style]
    modes = {"lines": look.line, "markers": look.marker, "text": series.is_labelled}
    symbol = {"circle": "circle-open" if look.is_hollow else "circle", "x": "x-thin", None: "circle"}[look.marker]
    note = "<br>%{text}" if series.notes else ""
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "+".join(mode for mode, is_drawn in modes.items() if is_drawn),
        "textposition": [
            f"{'bottom' if place % 2 else 'top'} {'left' if x == rightmost else 'right'}"
            for place, x in enumerate(series.x)
        ],
        "showlegend": series.in_legend,
        "cliponaxis": not series.is_labelled,
        "name": html.escape(series.name),
        "x": list(series.x),
        "y": [html.escape(value) if isinstance(value, str) else value for value in series.y],
        "line": {"dash": look.line or "solid", "width": 2},
        "marker": {"symbol": symbol, "size": 10 if look.marker == "x" else 7},
        "meta": {"role": series.role},
        "text": [html.escape(note) for note in series.notes],
        "hovertemplate": f"%{{x:.4~g}}, %{{y:.4~g}}{note}<extra>%{{fullData.name}}</extra>",
    }
    if any(low is not None for low in series.low):
        trace["error_y"] = _errors(series.y, series.low, series.high)
    if series.left:
        trace["error_x"] = _errors(series.x, series.left, series.right)
    return trace


def _errors(values: Sequence[Any], lows: Sequence[float | None], highs: Sequence[float | None]) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [0.0 if high is None else max(0.0, high - value) for value, high in zip(values, highs, strict=True)],
        "arrayminus": [0.0 if low is None else max(0.0, value - low) for value, low in zip(values, lows, strict=True)],
        "thickness": 1.2,
        "width": 3,
    }


def _stack(stack: Stack) -> dict[str, Any]:
    labels = [f"{html.escape(row.label)}<br>{seconds(row.total_seconds)}" for row in stack.rows]
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": text,
            "y": labels,
            "x": shares,
            "customdata": [row.parts.get(name, 0.0) * 1e3 for row in stack.rows],
            "hovertemplate": "%{customdata:.4~g} ms, %{x:.1f} %<extra>%{fullData.name}</extra>",
            "marker": {"pattern": {"shape": "/" if name in HATCHED else "", "solidity": 0.5}},
            "meta": {"role": f"part-{name}"},
        }
        for name, text, shares in stack.parts
    ]
    layout = {
        "barmode": "relative",
        "xaxis": {"title": {"text": stack.x_title}, "automargin": True},
        "yaxis": {"autorange": "reversed", "automargin": True},
        "bargap": 0.35,
    }
    return {"data": traces, "layout": layout}
