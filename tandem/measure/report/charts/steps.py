"""What each step of sequence costs and buys: quality over the time of one image, and the law of bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tandem.measure.formats import counted
from tandem.measure.report.charts.chart import Chart, Role, Series, Style, value_series
from tandem.measure.report.charts.load import MILLISECONDS
from tandem.measure.report.front import fid_of, front, wait_of
from tandem.measure.results.steps import Steps, StepsLaw, StepsPoint
from tandem.measure.results.value import Value
from tandem.measure.statistics.power_law import PowerLaw

_NUM_POINTS = 60
_FRONT_NOTE = (
    "One image asked for alone, and the FID of the images served in this run: further left and further down is"
    " better. Bars: 95 % intervals. Dotted: the fronts; what lies above and to the right of one is beaten in both by a"
    " point on it. Where bars overlap, the order may be chance."
)
_LAW_NOTE = (
    "Bits a token of test images in K steps, over those in the most steps. The line is fitted to the full points alone;"
    " the hollow ones were held out and check it. Bars: 95 % intervals over test images."
)


def steps_charts(document: Steps) -> list[Chart]:
    """Return those that something is known for."""
    return [chart for chart in (_front_chart(document), _law_chart(document)) if not chart.is_empty]


def _front_chart(document: Steps) -> Chart:
    points = [point for point in document.points if wait_of(point) is not None and fid_of(point) is not None]
    in_steps = [point for point in points if point.steps is not None]
    plain = [point for point in points if point.steps is None and point.mode.paradigm == "sequential"]
    parallel = [point for point in points if point.mode.paradigm == "parallel"]
    series = [
        _marks(f"{in_steps[0].mode.model} in K steps" if in_steps else "", "sequential", "points", in_steps),
        *(_marks(point.mode.model, "sequential", "hollow", [point]) for point in plain),
        *(_marks(point.mode.model, "parallel", "points", [point]) for point in parallel),
        _staircase("front of all", "neutral", front(points, fid_of), points),
        _staircase("front of the sequential", "sequential", front([*in_steps, *plain], fid_of), points),
    ]
    title = "What each step costs and buys"
    return Chart("steps-front", title, _FRONT_NOTE, "ms an image, alone", "FID", series, x_log=True, y_log=True)


def _marks(name: str, role: Role, style: Style, points: Sequence[StepsPoint]) -> Series:
    """Return a point each, with intervals in both directions."""
    waits = [_wait(point) for point in points]
    fids = [_fid(point) for point in points]
    return Series(
        name,
        role,
        style,
        [wait.value * MILLISECONDS for wait in waits],
        [fid.value for fid in fids],
        [fid.low for fid in fids],
        [fid.high for fid in fids],
        [counted(point.steps, "step") if point.steps is not None else point.mode.model for point in points],
        left=[None if wait.low is None else wait.low * MILLISECONDS for wait in waits],
        right=[None if wait.high is None else wait.high * MILLISECONDS for wait in waits],
        is_labelled=len(points) > 1,  # the legend names a lone one
    )


def _wait(point: StepsPoint) -> Value:
    found = wait_of(point)
    assert found is not None
    return found


def _fid(point: StepsPoint) -> Value:
    assert point.quality is not None
    return point.quality.fid or Value(value=point.quality.model.fid, count=point.quality.model.num_images)


def _staircase(name: str, role: Role, steps: Sequence[StepsPoint], points: Sequence[StepsPoint]) -> Series:
    """Return the edge of what a front beats, as far as anything was measured."""
    if not steps:
        return Series(name, role, "fit", [], [])
    xs, ys = [_wait(steps[0]).value], [max(_fid(point).value for point in points)]
    for point in steps:
        xs += [_wait(point).value] * 2
        ys += [ys[-1], _fid(point).value]
    xs.append(max(_wait(point).value for point in points))
    ys.append(ys[-1])
    return Series(name, role, "fit", [x * MILLISECONDS for x in xs], ys)


def _law_chart(document: Steps) -> Chart:
    rows = [(float(point.steps), point.bits_over_most, "") for point in document.points if point.steps is not None]
    fitted = () if document.law is None else document.law.fitted_steps
    series = [
        value_series("fitted", "sequential", "points", [row for row in rows if row[0] in fitted]),
        value_series("held out", "sequential", "hollow", [row for row in rows if row[0] not in fitted]),
    ]
    if document.law is not None:
        series.append(_line(document.law, [row[0] for row in rows if row[1] is not None]))
    title = "Bits a token over those in the most steps"
    return Chart("steps-law", title, _LAW_NOTE, "steps", "bits a token", series, x_log=True, y_log=True)


def _line(law: StepsLaw, steps: Sequence[float]) -> Series:
    at = np.geomspace(min(steps), max(steps), _NUM_POINTS)
    values = PowerLaw(law.factor_bits.value, law.exponent.value)(at)
    return Series(f"K to the power of -{law.exponent.value:.2f}", "neutral", "fit", at.tolist(), values.tolist())
