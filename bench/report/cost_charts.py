"""What an image costs: CPU seconds, and joules where a meter could be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.compare.document import Comparison, Estimate, Point, WayResult
from bench.report.chart import Chart, Series, Style
from bench.report.load_charts import MILLISECONDS

_EstimateOf = Callable[[Point], Estimate | None]
_STYLES: dict[str, Style] = {"unary": "line", "streamed": "dash"}


def cost_charts(comparison: Comparison) -> list[Chart]:
    """Return those that something is known for."""
    cpu_note = (
        "Gateway and backend together, by their own account, of the same images that the latency is of. The client's"
        " CPU is not in it."
    )
    charts = [
        _chart(
            comparison,
            "cpu",
            "CPU an image",
            cpu_note,
            "CPU-ms an image",
            lambda point: point.cpu_seconds_per_image.servers,
            MILLISECONDS,
        ),
        _chart(
            comparison,
            "joules",
            "Energy an image",
            comparison.energy.note,
            "joules an image",
            lambda point: point.joules_per_image,
            1.0,
        ),
    ]
    return [chart for chart in charts if not chart.is_empty]


def _chart(
    comparison: Comparison, key: str, title: str, note: str, y_title: str, of: _EstimateOf, scale: float
) -> Chart:
    series = [_series(way, [(point, of(point)) for point in way.curve], scale) for way in comparison.ways]
    return Chart(key, title, note, "callers", y_title, series, x_log=True, y_log=True)


def _series(way: WayResult, rows: Sequence[tuple[Point, Estimate | None]], scale: float) -> Series:
    known = [(point, found) for point, found in rows if found is not None and found.value > 0]
    return Series(
        way.name,
        way.paradigm,
        _STYLES[way.delivery],
        [float(point.concurrency) for point, _ in known],
        [found.value * scale for _, found in known],
        [None if found.low is None else found.low * scale for _, found in known],
        [None if found.high is None else found.high * scale for _, found in known],
    )
