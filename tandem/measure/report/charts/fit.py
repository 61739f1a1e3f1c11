"""The crossover: service curves, fitted over what was measured."""

from __future__ import annotations

import numpy as np

from tandem.measure.report.charts.chart import Chart, Series
from tandem.measure.report.charts.load import MILLISECONDS
from tandem.measure.results.crossover import Crossover, FittedCurve, FittedService
from tandem.measure.scenario import Paradigm
from tandem.measure.statistics.curve import curve_of

_NUM_POINTS = 60
UNIT_NAMES: dict[Paradigm, str] = {"sequential": "a step", "parallel": "a pass"}


def fit_charts(crossover: Crossover) -> list[Chart]:
    """Return all there is something for."""
    services = crossover.services
    charts = [
        Chart(
            "fit-unit",
            "Service curves: a step in sequence, a pass in parallel",
            "Points: means of some slices of the runs, as the backend told it. Lines: the fit. An image takes many"
            " steps, and one pass.",
            "batch: sequences a step, images a pass",
            "ms",
            [series for each in services for series in _fit(each, each.unit, UNIT_NAMES[each.paradigm])],
            x_log=True,
            y_log=True,
        ),
        Chart(
            "fit-whole",
            "Whole image over requests in flight",
            "Points: what clients waited, means of some slices. Lines: the fit.",
            "requests in flight",
            "ms",
            [series for each in services for series in _fit(each, each.whole, "a whole image")],
            x_log=True,
            y_log=True,
        ),
    ]
    return [chart for chart in charts if not chart.is_empty]


def _fit(service: FittedService, fitted: FittedCurve, name: str) -> list[Series]:
    xs = [point.x for point in fitted.points]
    if not xs:
        return []
    curve = curve_of(fitted)
    grid = np.geomspace(max(1.0, min(xs)), max(xs), _NUM_POINTS).tolist()
    measured = [point.measured_seconds * MILLISECONDS for point in fitted.points]
    return [
        Series(f"{service.paradigm}: {name}", service.paradigm, "points", xs, measured),
        Series(
            f"{service.paradigm}: fit", service.paradigm, "fit", grid, [curve(each) * MILLISECONDS for each in grid]
        ),
    ]
