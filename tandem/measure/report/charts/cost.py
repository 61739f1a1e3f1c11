"""What an image costs: CPU seconds, and joules where a meter could be read."""

from __future__ import annotations

from collections.abc import Callable

from tandem.measure.report.charts.chart import Chart, Series, value_series
from tandem.measure.report.charts.load import MILLISECONDS, STYLES
from tandem.measure.results.comparison import Comparison, Point
from tandem.measure.results.value import Value

_CPU_NOTE = (
    "Gateway and backend together, by their own account, of the same images that the latency is of. The client's CPU is"
    " not in it."
)


def cost_charts(comparison: Comparison) -> list[Chart]:
    """Return those that something is known for."""
    charts = [
        Chart(
            "cpu",
            "CPU an image",
            _CPU_NOTE,
            "callers",
            "CPU-ms an image",
            _series(comparison, lambda point: point.cpu_seconds_per_image.servers, MILLISECONDS),
            x_log=True,
            y_log=True,
        ),
        Chart(
            "joules",
            "Energy an image",
            comparison.energy.note,
            "callers",
            "joules an image",
            _series(comparison, lambda point: point.joules_per_image, 1.0),
            x_log=True,
            y_log=True,
        ),
    ]
    return [chart for chart in charts if not chart.is_empty]


def _series(comparison: Comparison, of: Callable[[Point], Value | None], scale: float) -> list[Series]:
    return [
        value_series(
            mode.name,
            mode.paradigm,
            STYLES[mode.delivery],
            [(float(point.concurrency), of(point), "") for point in mode.curve],
            scale,
        )
        for mode in comparison.modes
    ]
