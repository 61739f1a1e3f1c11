"""The service curves that a fit found, over what was measured."""

import numpy as np

from tandem.measure.report.charts.chart import MILLISECONDS, Chart, Series
from tandem.measure.results.crossover import Crossover, FittedCurve, FittedService
from tandem.measure.statistics.curve import curve_of

_NUM_POINTS = 60


def fit_charts(crossover: Crossover) -> list[Chart]:
    """Return all there is something for."""
    units, wholes = [], []
    for service in crossover.services:
        units += _fit(service, service.unit, "a step" if service.paradigm == "sequential" else "a pass")
        wholes += _fit(service, service.whole, "a whole image")
    title = "Service curves: a step in sequence, a pass in parallel"
    return [
        Chart("fit-unit", title, "batch: sequences a step, images a pass", "ms", units),
        Chart("fit-whole", "Whole image over requests in flight", "requests in flight", "ms", wholes),
    ]


def _fit(service: FittedService, fitted: FittedCurve, name: str) -> list[Series]:
    xs = [point.x for point in fitted.points]
    if not xs:
        return []
    curve = curve_of(fitted)
    grid = np.geomspace(max(1.0, min(xs)), max(xs), _NUM_POINTS).tolist()
    measured = [point.measured_seconds * MILLISECONDS for point in fitted.points]
    line = [curve(x) * MILLISECONDS for x in grid]
    return [
        Series(f"{service.paradigm}: {name}", service.paradigm, "points", xs, measured),
        Series(f"{service.paradigm}: fit", service.paradigm, "fit", grid, line),
    ]
