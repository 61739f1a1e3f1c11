"""What each step of sequence costs in bits, and the law that it follows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tandem.measure.report.charts.chart import Chart, Series, value_series
from tandem.measure.results.steps import Steps, StepsLaw
from tandem.measure.statistics.power_law import PowerLaw

_NUM_POINTS = 60
_LAW_NOTE = (
    "Bits a token of test images in K steps, over those in the most steps. The line is fitted to the full points alone;"
    " the hollow ones were held out and check it. Bars: 95 % intervals over test images."
)


def steps_charts(document: Steps) -> list[Chart]:
    """Return those that something is known for."""
    chart = _law_chart(document)
    return [] if chart.is_empty else [chart]


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
