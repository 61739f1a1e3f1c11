"""The main charts as PNGs, by matplotlib: plotly's exporter (kaleido) needs a browser, and a report must do without."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from tandem.measure.formats import seconds
from tandem.measure.report.charts.chart import HATCHED, LIGHT, LOOKS, PARTS, Chart, Series, Stack, tick_text

_LINES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-.", None: "none"}
_MARKERS = {"circle": "o", "x": "x", None: ""}
_DPI = 130
_LONGEST_LABEL = 40
_TEXT: Any = {"text.parse_math": False, "font.size": 10, "axes.titlesize": 12, "axes.titleweight": "bold"}


def save_pngs(charts: Sequence[Chart | Stack], folder: Path) -> list[Path]:
    """Draw each into `folder`; return the files. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{chart.key}.png" for chart in charts]
    with rc_context(_TEXT):
        for chart, path in zip(charts, paths, strict=True):
            _draw(chart).savefig(path, dpi=_DPI)
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
    rightmost = max((x for series in chart.drawn for x in series.x), default=0.0)
    for series in chart.drawn:
        _series(axes, series, rightmost)
    _axis(axes.xaxis, axes.set_xscale, chart.x_title, chart.x_ticks)
    _axis(axes.yaxis, axes.set_yscale, chart.y_title, chart.y_ticks)
    if chart.is_named:
        axes.invert_yaxis()
    for at, name in chart.levels:
        axes.axhline(at, color=LIGHT["muted"], linewidth=1, linestyle="--")
        looks: Any = {"xycoords": ("axes fraction", "data"), "color": LIGHT["muted"], "fontsize": 8}
        looks["va"] = "bottom" if at == min(chart.levels)[0] else "top"
        axes.annotate(name, (1, at), ha="right", **looks)
    axes.grid(color=LIGHT["line"], linewidth=0.6)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8.5)


def _axis(drawn: Any, set_scale: Any, title: str, ticks: Sequence[float] | None) -> None:
    drawn.set_label_text(title)
    if ticks is not None:
        set_scale("log")
        drawn.set_major_locator(FixedLocator(ticks))
        drawn.set_major_formatter(FixedFormatter(list(map(tick_text, ticks))))
        drawn.set_minor_locator(NullLocator())


def _series(axes: Axes, series: Series, rightmost: float) -> None:
    colour, look = LIGHT[series.role], LOOKS[series.style]
    looks: Any = {
        "color": colour,
        "linestyle": _LINES[look.line],
        "marker": _MARKERS[look.marker],
        "markersize": 5.5,
        "markerfacecolor": LIGHT["ground"] if look.is_hollow else colour,
        "label": _short(series.name) if series.in_legend else "_",
    }
    xs: Any = list(series.x)
    ys: Any = [_short(y) if isinstance(y, str) else y for y in series.y]
    axes.plot(xs, ys, **looks)
    # Series without intervals have no ends, so these are shorter then.
    intervals: list[Any] = [([x, x], ends) for x, *ends in zip(xs, series.low, series.high, strict=False)]
    intervals += [(ends, [y, y]) for y, *ends in zip(ys, series.left, series.right, strict=False)]
    for each in intervals:
        if None not in each[0] + each[1]:
            axes.plot(*each, color=colour, linewidth=1.2)
    rows = zip(xs, ys, series.notes, strict=True)
    for place, (x, y, note) in enumerate(rows) if series.is_labelled else ():
        is_last = x == rightmost
        at: Any = {"xytext": (-5 if is_last else 5, -10 if place % 2 else 4), "ha": "right" if is_last else "left"}
        axes.annotate(_short(note), (x, y), textcoords="offset points", fontsize=8, color=colour, **at)


def _short(text: str) -> str:
    """Return a label that leaves room for the chart, however long a document's names are."""
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"


def _stack(axes: Axes, stack: Stack) -> None:
    labels = [f"{_short(row.label)}\n{seconds(row.total_seconds)}" for row in stack.rows]
    lefts = [0.0] * len(labels)
    for name, text, widths in stack.parts:
        looks: Any = {"color": PARTS[name], "hatch": "//" if name in HATCHED else "", "edgecolor": LIGHT["ground"]}
        axes.barh(labels, widths, left=lefts, height=0.6, label=text, **looks)
        lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel(stack.x_title)
    axes.figure.legend(frameon=False, fontsize=8.5, ncols=5, loc="outside lower center")
