"""The crossover: fits over what was measured, and predictions against held-out runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tandem.measure.report.charts.chart import Chart, Level, Series
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
            "Points: what clients waited, means of some slices. Lines: the fit that predictions rest on.",
            "requests in flight",
            "ms",
            [series for each in services for series in _fit(each, each.whole, "a whole image")],
            x_log=True,
            y_log=True,
        ),
        _prediction_chart(crossover),
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


def _prediction_chart(crossover: Crossover) -> Chart:
    series: list[Series] = []
    for paradigm in ("sequential", "parallel"):
        rows = [
            (each.rate_per_second, getattr(each, f"{paradigm}_p99_seconds"))
            for each in crossover.predictions
            if getattr(each, f"{paradigm}_p99_seconds") is not None
        ]
        if rows:
            name = f"{paradigm} p99, predicted"
            series.append(_line(name, paradigm, rows))
    for capacity in crossover.capacities:
        for is_valid, style, name in ((True, "points", "measured"), (False, "invalid", "measured, invalid run")):
            runs = [run for run in capacity.held_out if run.valid is is_valid and run.measured_p99_seconds is not None]
            if runs:
                series.append(
                    Series(
                        f"{capacity.paradigm} p99, {name}",
                        capacity.paradigm,
                        style,  # type: ignore[arg-type]
                        [run.rate_per_second for run in runs],
                        [(run.measured_p99_seconds or 0.0) * MILLISECONDS for run in runs],
                        notes=[f"predicted for its arrivals: {run.predicted_p99_seconds * 1e3:.4g} ms" for run in runs],
                    )
                )
    note = (
        "Lines: p99 in the long run, simulated from the fits. Points: held-out runs of some seconds, which the fits"
        " have not seen; beyond capacity they end before the queue is as long as it would become."
    )
    slo = crossover.settings.slo_seconds
    title = "Prediction and held-out runs"
    return Chart(
        "prediction",
        title,
        note,
        "offered images/s",
        "p99, ms",
        series,
        x_log=True,
        y_log=True,
        levels=[Level(slo * MILLISECONDS, "objective")],
    )


def _line(name: str, paradigm: Paradigm, rows: Sequence[tuple[float, float]]) -> Series:
    return Series(name, paradigm, "prediction", [x for x, _ in rows], [y * MILLISECONDS for _, y in rows])
