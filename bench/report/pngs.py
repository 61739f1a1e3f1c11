"""The main charts as PNGs, drawn by matplotlib.

Not by plotly: its exporter (kaleido) needs a browser, and a report must come out on a machine without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from bench.report.chart import Chart, Series, Stack, Style
from bench.report.colours import LIGHT, PARTS

_LINES: dict[Style, str] = {"line": "-", "dash": "--", "fit": ":", "prediction": "-."}
_DPI = 130
_LONGEST_LABEL = 40
_TEXT: Any = {"text.parse_math": False, "font.size": 10, "axes.titlesize": 12, "axes.titleweight": "bold"}


def save_pngs(charts: Sequence[Chart | Stack], folder: Path) -> list[Path]:
    """Draw each into `folder`; return the files. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for chart in charts:
        path = folder / f"{chart.key}.png"
        with rc_context(_TEXT):
            _draw(chart).savefig(path, dpi=_DPI)
        paths.append(path)
    return paths


def _draw(chart: Chart | Stack) -> Figure:
    height = 1.9 + 0.45 * len(chart.rows) if isinstance(chart, Stack) else 4.6
    figure = Figure(figsize=(8, height), layout="constrained", facecolor=LIGHT["ground"])
    axes = figure.add_subplot()
    axes.set_title(chart.title, loc="left", color=LIGHT["ink"])
    axes.spines[["top", "right"]].set_visible(False)
    if isinstance(chart, Stack):
        _stack(axes, chart)
    else:
        _curves(axes, chart)
    return figure


def _curves(axes: Axes, chart: Chart) -> None:
    for series in chart.series:
        if len(series.x):
            _series(axes, series)
    axes.set_xlabel(chart.x_title)
    axes.set_ylabel(chart.y_title)
    for is_log, axis, scale in ((chart.x_log, axes.xaxis, axes.set_xscale), (chart.y_log, axes.yaxis, axes.set_yscale)):
        if is_log:
            scale("log")
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
            axis.set_minor_formatter(NullFormatter())
    if any(isinstance(value, str) for series in chart.series for value in series.y):
        axes.invert_yaxis()
    if chart.line_at is not None:
        axes.axhline(chart.line_at, color=LIGHT["muted"], linewidth=1)
        axes.annotate(
            chart.line_name, (0, chart.line_at), xycoords=("axes fraction", "data"), va="bottom", color=LIGHT["muted"]
        )
    axes.grid(color=LIGHT["line"], linewidth=0.6)
    axes.legend(frameon=False, fontsize=8.5)


def _series(axes: Axes, series: Series) -> None:
    colour = LIGHT[series.role]
    is_hollow = series.style in ("hollow", "dash")
    looks: dict[str, Any] = {
        "color": colour,
        "linestyle": _LINES.get(series.style, "none"),
        "marker": {"fit": "", "prediction": "", "invalid": "x"}.get(series.style, "o"),
        "markersize": 5.5,
        "markerfacecolor": LIGHT["ground"] if is_hollow else colour,
        "label": _short(series.name),
    }
    xs: Any = list(series.x)
    ys: Any = [_short(y) if isinstance(y, str) else y for y in series.y]
    axes.plot(xs, ys, **looks)
    if any(value is not None for value in series.low):
        _intervals(axes, series, colour)


def _intervals(axes: Axes, series: Series, colour: str) -> None:
    for x, y, low, high in zip(series.x, series.y, series.low, series.high, strict=True):
        if low is None or high is None:
            continue
        if isinstance(y, str):
            label: Any = _short(y)
            axes.plot([low, high], [label, label], color=colour, linewidth=1.2)
        else:
            axes.plot([x, x], [low, high], color=colour, linewidth=1.2)


def _short(text: str) -> str:
    """Return a label that leaves room for the chart, however long a document's names are."""
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"


def _stack(axes: Axes, stack: Stack) -> None:
    labels = [f"{_short(row.label)}\n{row.total_seconds * 1e3:.3g} ms" for row in stack.rows]
    lefts = [0.0] * len(labels)
    for name in stack.part_names:
        widths = [row.parts.get(name, 0.0) / row.total_seconds * 100 for row in stack.rows]
        axes.barh(labels, widths, left=lefts, height=0.6, color=PARTS[name], label=name.replace("_", " "))
        lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("% of what the client waited")
    axes.figure.legend(frameon=False, fontsize=8.5, ncols=5, loc="outside lower center")
