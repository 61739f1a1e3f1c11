"""Charts as pictures, all by matplotlib: SVG for the page, which takes its colours from the page's style, and PNG."""

import io
import re
import xml.etree.ElementTree as ET  # nosec  what matplotlib wrote
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, StrMethodFormatter

from tandem.measure.formats import number, seconds
from tandem.measure.report.charts.chart import Chart, Role, Series, Stack, Style, at
from tandem.measure.results.value import Value

# Names are those of style.css, which has them for dark ground as well.
_COLOURS: dict[str, str] = {
    "sequential": "#1f5fc4",
    "parallel": "#b4500a",
    "muted": "#5a5e66",
    "ink": "#1b1c1f",
    "ground": "#ffffff",
    "line": "#d8d9dd",
}
_ROLES: dict[Role, str] = {
    "sequential": _COLOURS["sequential"],
    "parallel": _COLOURS["parallel"],
    "neutral": _COLOURS["muted"],
}
# Okabe and Ito's, which people with any colour vision can tell apart, and a grey; good on either ground. What no server
# accounts for is hatched.
_PARTS = {
    "lateness": "#8c8c8c",
    "queue": "#e69f00",
    "prefill": "#56b4e9",
    "batch_wait": "#f0e442",
    "decode": "#0072b2",
    "compute": "#d55e00",
    "encode": "#cc79a7",
    "backend_other": "#009e73",
    "outside": "#8d8d8d",
}
# line, dash: measured points joined. points, hollow: measured points alone. invalid: measured by a generator that was
# not good enough. fit, prediction: computed, no points.
_LOOKS: dict[Style, dict[str, Any]] = {
    "line": {"linestyle": "-", "marker": "o"},
    "dash": {"linestyle": "--", "marker": "o", "markerfacecolor": _COLOURS["ground"]},
    "points": {"linestyle": "none", "marker": "o"},
    "hollow": {"linestyle": "none", "marker": "o", "markerfacecolor": _COLOURS["ground"]},
    "invalid": {"linestyle": "none", "marker": "x", "markersize": 8},
    "fit": {"linestyle": ":"},
    "prediction": {"linestyle": "-."},
}
_RC: Any = {
    "axes.edgecolor": _COLOURS["line"],
    "axes.facecolor": "none",
    "axes.labelcolor": _COLOURS["muted"],
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "font.size": 9,
    "grid.color": _COLOURS["line"],
    "grid.linewidth": 0.6,
    "hatch.color": _COLOURS["ground"],
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.markersize": 5,
    "svg.fonttype": "none",
    "text.color": _COLOURS["ink"],
    "text.parse_math": False,
    "xtick.color": _COLOURS["line"],
    "xtick.labelcolor": _COLOURS["muted"],
    "ytick.color": _COLOURS["line"],
    "ytick.labelcolor": _COLOURS["muted"],
}
_INCHES, _DPI = 6.4, 160
_LONGEST_LABEL = 40
_MOST_POWERS = 4
_MOST_LEGEND = 70  # characters in a line
_PLACES = {"d", "x", "y", "transform"}
_SVG, _LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"


def draw_svg(chart: Chart | Stack) -> str:
    """Return an element `svg` for a page; each point has a title with its figures."""
    file = io.StringIO()
    with rc_context({**_RC, "svg.hashsalt": chart.key}):
        figure, titles = _draw(chart)
        figure.axes[0].set_title("")  # the page has it
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _LINK)
    root = ET.fromstring(file.getvalue())  # noqa: S314  what matplotlib wrote
    root.remove(root.find(f"{{{_SVG}}}metadata"))  # type: ignore[arg-type]
    for group in root.iter(f"{{{_SVG}}}g"):
        named = titles.get(group.attrib.pop("id", ""), ())
        # What is drawn for a point: a marker, or the path of a bar.
        drawn = [*group.iter(f"{{{_SVG}}}use")] or [*group.iter(f"{{{_SVG}}}path")]
        for element, title in zip(drawn, named, strict=False):
            ET.SubElement(element, f"{{{_SVG}}}title").text = title
    for element in root.iter():
        for name in _PLACES & element.attrib.keys():  # to a hundredth of a point
            element.set(name, re.sub(r"(\.\d\d)\d+", r"\1", element.attrib[name]))
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": chart.title}
    text = ET.tostring(root, encoding="unicode")
    for name, colour in _COLOURS.items():
        text = text.replace(colour, f"var(--{name})")
    return text


def save_pngs(charts: Sequence[Chart | Stack], folder: Path) -> list[Path]:
    """Draw each into `folder`; return the files. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{chart.key}.png" for chart in charts]
    for chart, path in zip(charts, paths, strict=True):
        with rc_context(_RC):
            _draw(chart)[0].savefig(path, dpi=_DPI, facecolor=_COLOURS["ground"])
    return paths


def _draw(chart: Chart | Stack) -> tuple[Figure, dict[str, Sequence[str]]]:
    """Return the figure, and the titles of what has an id in it."""
    height = 1.5 + 0.4 * len(chart.rows) if isinstance(chart, Stack) else 4.2
    figure = Figure(figsize=(_INCHES, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(chart.title)
    titles = _draw_stack(axes, chart) if isinstance(chart, Stack) else _draw_curves(axes, chart)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        columns = max(1, _MOST_LEGEND // (max(map(len, labels)) + 8))
        figure.legend(handles, labels, loc="outside lower left", ncols=min(columns, len(labels)))
    return figure, titles


def _draw_curves(axes: Axes, chart: Chart) -> dict[str, Sequence[str]]:
    axes.grid(which="both")
    axes.set_axisbelow(True)
    rightmost = max((at(x) for series in chart.drawn for x in series.x), default=0.0)
    for place, series in enumerate(chart.drawn):
        _draw_series(axes, series, f"series-{place}", rightmost)
    _set_axis(axes.xaxis, axes.set_xscale, chart.x_title, chart.x_log)
    _set_axis(axes.yaxis, axes.set_yscale, chart.y_title, chart.y_log)
    if chart.is_named:
        axes.invert_yaxis()
    for level, name in chart.levels:
        axes.margins(y=0.1)  # for the names below the lines
        axes.axhline(level, color=_COLOURS["muted"], linewidth=1, linestyle="--")
        looks: Any = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "xytext": (0, -3)}
        axes.annotate(name, (1, level), ha="right", va="top", color=_COLOURS["muted"], fontsize=8, **looks)
    return {
        f"series-{place}": series.titles if "marker" in _LOOKS[series.style] else [series.name]
        for place, series in enumerate(chart.drawn)
    }


def _set_axis(drawn: Any, set_scale: Any, title: str, is_log: bool) -> None:
    drawn.set_label_text(title)
    if is_log:  # 1, 2, 5, 10, ..., or powers of ten alone where there would be too many
        set_scale("log")
        drawn.set_minor_locator(LogLocator(subs=(2, 5), numticks=_MOST_POWERS))
        drawn.set_major_formatter(StrMethodFormatter("{x:,g}"))
        drawn.set_minor_formatter(StrMethodFormatter("{x:,g}"))


def _draw_series(axes: Axes, series: Series, name: str, rightmost: float) -> None:
    colour = _ROLES[series.role]
    xs: Any = list(map(at, series.x))
    ys: Any = [_shorten(y) if isinstance(y, str) else at(y) for y in series.y]
    label = _shorten(series.name) if series.in_legend else "_"
    axes.plot(xs, ys, color=colour, label=label, gid=name, **_LOOKS[series.style])
    for x, y, across, along in zip(xs, ys, series.x, series.y, strict=True):
        intervals: list[Any] = [[across.low, across.high], [y, y]] if isinstance(across, Value) else []
        intervals += [[x, x], [along.low, along.high]] if isinstance(along, Value) else []
        for ends in zip(intervals[::2], intervals[1::2], strict=True):
            if None not in ends[0] + ends[1]:
                axes.plot(*ends, color=colour, linewidth=1.2)
    for place, (x, y, note) in enumerate(zip(xs, ys, series.notes, strict=True) if series.is_labelled else ()):
        is_last = x == rightmost
        side: Any = {"xytext": (-6 if is_last else 6, -10 if place % 2 else 4), "ha": "right" if is_last else "left"}
        axes.annotate(_shorten(note), (x, y), textcoords="offset points", fontsize=8, color=colour, **side)


def _shorten(text: str) -> str:
    """Return a label that leaves room for the chart, however long a document's names are."""
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"


def _draw_stack(axes: Axes, stack: Stack) -> dict[str, Sequence[str]]:
    labels = [f"{_shorten(row.label)}\n{seconds(row.total_seconds)}" for row in stack.rows]
    lefts, titles = [0.0] * len(labels), dict[str, Sequence[str]]()
    for name, text, widths in stack.parts:
        looks: Any = {
            "color": _PARTS[name],
            "hatch": "//" if name == "outside" else "",
            "edgecolor": _COLOURS["ground"],
        }
        bars = axes.barh(labels, widths, left=lefts, height=0.6, label=text, **looks)
        for bar, row, width in zip(bars, stack.rows, widths, strict=True):
            bar.set_gid(f"{name}-{len(titles)}")
            titles[f"{name}-{len(titles)}"] = [f"{text}: {seconds(row.parts.get(name, 0.0))}, {number(width)} %"]
        lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel(stack.x_title)
    return titles
