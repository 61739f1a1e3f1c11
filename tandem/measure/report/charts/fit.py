"""The crossover: service curves, fitted over what was measured."""

from __future__ import annotations

import numpy as np

from tandem.measure.report.charts.chart import MILLISECONDS, Chart, Series
from tandem.measure.results.crossover import Crossover, FittedCurve, FittedService
from tandem.measure.scenario import Paradigm
from tandem.measure.statistics.curve import curve_of

_NUM_POINTS = 60
_UNIT_NAMES: dict[Paradigm, str] = {"sequential": "a step", "parallel": "a pass"}
_UNIT_NOTE = (
    "Points: means of some slices of the runs, as the backend told it. Lines: the fit. An image takes many steps, and"
    " one pass."
)
_WHOLE_NOTE = "Points: what clients waited, means of some slices. Lines: the fit."


def fit_charts(crossover: Crossover) -> list[Chart]:
    """Return all there is something for."""
    units, wholes = [], []
    for each in crossover.services:
        units += _fit(each, each.unit, _UNIT_NAMES[each.paradigm])
        wholes += _fit(each, each.whole, "a whole image")
    title = "Service curves: a step in sequence, a pass in parallel"
    charts = [
        Chart("fit-unit", title, _UNIT_NOTE, "batch: sequences a step, images a pass", "ms", units),
        Chart("fit-whole", "Whole image over requests in flight", _WHOLE_NOTE, "requests in flight", "ms", wholes),
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
