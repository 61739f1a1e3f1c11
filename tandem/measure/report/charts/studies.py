"""Charts of studies: cost against quality, a point each model and number of steps, as a report opens with it; curves
with intervals over the variable, and over them what was fitted.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tandem.measure.formats import count, quantity, two_digits
from tandem.measure.report.charts.chart import MILLISECONDS, Chart, Role, Series, Style, scaled, value_series
from tandem.measure.report.findings import Drawn, fid_of, front, tokenizer_fid, wait_of
from tandem.measure.results.comparison import Comparison, JudgedImages
from tandem.measure.results.crossover import Crossover
from tandem.measure.results.growth import Fit, Growth, Point
from tandem.measure.results.text import TextStudy
from tandem.measure.results.value import Value
from tandem.measure.statistics.curve import curve_of
from tandem.measure.statistics.knee import Cost

_NUM_POINTS = 60


def _over(points: Sequence[Point], figure: str, name: str, style: Style, scale: float = 1.0) -> Series:
    """Return a figure of points over what varies."""
    rows = [(float(point.at), point.figures[figure], "") for point in points]
    return value_series(name, "sequential", style, rows, scale)


def _fit(name: str, role: Role, of: Callable[[float], Any], low: float, high: float, scale: float = 1.0) -> Series:
    """Return what was fitted, as a line between two values of the variable."""
    grid = np.geomspace(low, high, _NUM_POINTS).tolist()
    return Series(name, role, "fit", grid, [float(of(x)) * scale for x in grid])


def fit_charts(document: Crossover) -> list[Chart]:
    """Return the service curves that a fit found, over what was measured."""
    units: list[Series] = []
    wholes: list[Series] = []
    for service in document.services:
        unit = "a step" if service.paradigm == "sequential" else "a pass"
        for series, fitted, name in ((units, service.unit, unit), (wholes, service.whole, "a whole image")):
            xs, role, curve = [point.x for point in fitted.points], service.paradigm, curve_of(fitted)
            measured = [point.measured_seconds * MILLISECONDS for point in fitted.points]
            if xs:
                series.append(Series(f"{role}: {name}", role, "points", xs, measured))
                series.append(_fit(f"{role}: fit", role, curve, max(1.0, min(xs)), max(xs), MILLISECONDS))
    title = "Service curves: a step in sequence, a pass in parallel"
    return [
        Chart("fit-unit", title, "batch: sequences a step, images a pass", "ms", units),
        Chart("fit-whole", "Whole image over requests in flight", "requests in flight", "ms", wholes),
    ]


def growth_charts(document: Growth) -> list[Chart]:
    """Return how the cost of a text grows over streams and over the context, those too without a point."""
    points = document.streams
    streams = [
        _over(points, "decode_tokens_per_second", "while all generate", "line"),
        _over(points, "whole_tokens_per_second", "prompts included", "dash"),
    ]
    if document.step_fit is not None and points:
        streams += _knee(document.step_fit, points[0].at, points[-1].at)
    title, rate = "Tokens/s over streams at a time", "tokens/s, all together"
    prompt = "Time to the first token over the prompt"
    over = (
        ("growth-context", "A token's time over the context", "a token", "gap_p50_seconds", document.gap_fit),
        ("growth-prefill", prompt, "to the first token", "first_token_p50_seconds", document.first_token_fit),
    )
    return [
        Chart("growth-streams", title, "streams at a time", rate, streams, facts=[document.settings]),
        *(_context(document.contexts, *each) for each in over),
    ]


def _knee(fit: Fit, low: float, high: float) -> list[Series]:
    time = Cost(fit.shape, fit.shared_seconds, fit.own_seconds)

    def rate(streams: float) -> Any:
        return streams / time(streams)

    found = [_fit("fit", "sequential", rate, low, high)]
    if fit.knee is not None and low <= fit.knee.value <= high:
        at = fit.knee.value
        found.append(Series("knee", "neutral", "points", [at], [float(rate(at))], notes=["shared cost = own cost"]))
    if fit.own_seconds:
        most = [1 / fit.own_seconds] * 2
        found.append(Series("most that batching brings", "neutral", "prediction", [low, high], most))
    return found


def _context(points: Sequence[Point], key: str, title: str, what: str, figure: str, fit: Fit | None) -> Chart:
    series = [_over(points, figure, "measured", "line", MILLISECONDS)]
    if fit is not None and points:
        cost = Cost(fit.shape, fit.shared_seconds, fit.own_seconds)
        series.append(_fit("fit", "sequential", cost.__call__, points[0].at, points[-1].at, MILLISECONDS))
    return Chart(key, title, "tokens of context", f"ms {what}", series, x_log=False, y_log=False)


def law_chart(document: Comparison) -> Chart:
    """Return what each step costs in bits, as measured and as its costs foretell."""
    points = [point for point in document.served if point.steps is not None]
    told = [(float(point.steps or 0), bits) for point in points if (bits := point.predicted_over_most) is not None]
    measured = [(float(point.steps or 0), point.bits_over_most, "") for point in points]
    series = [
        value_series("measured", "sequential", "points", measured),
        Series("sum of the steps' costs", "neutral", "fit", [steps for steps, _ in told], [bits for _, bits in told]),
    ]
    return Chart("steps-law", "Bits a token over those in the most steps", "steps", "bits a token", series)


TEXT_KEY = "text-modes"


def text_chart(document: TextStudy) -> Chart:
    """Return tokens/s of a caller over those of all, a line each mode; and hollow, what is predicted."""
    series = []
    for mode in document.modes:
        number = mode.tokens_per_step
        role: Role = "neutral" if number is None else "parallel" if number > 1 else "sequential"
        known = [(point.concurrency, point.figures["tokens_per_second"]) for point in mode.curve]
        notes = [quantity(callers, "caller") for callers, _ in known]
        rates, own = [rate for _, rate in known], [scaled(rate, 1 / callers) for callers, rate in known]
        series.append(Series(mode.name, role, "line", rates, own, notes))
        end = slice(-1, None) if number is None else slice(1)
        series.append(Series("", role, "points", rates[end], own[end], [mode.name], is_labelled=True, in_legend=False))
        told, each = list(mode.predicted.values()), [rate / callers for callers, rate in mode.predicted.items()]
        series.append(Series(f"{mode.name}, predicted", role, "hollow", told, each, in_legend=False))
    title, axes = "Tokens a step: what one caller gets, and what all get", ("tokens/s of all", "tokens/s of a caller")
    return Chart(TEXT_KEY, title, *axes, series, facts=[document.settings])


KEY = "cost-quality"


def quality_chart(points: Sequence[Drawn]) -> Chart | None:
    """Return FID over the time of one image; None without a point that has both."""
    known = [point for point in points if _places([point])]
    if not known:
        return None
    stepped = [point for point in known if point.steps is not None]
    sequential = [point for point in known if point.mode.paradigm == "sequential"]
    series = [_marks(f"{stepped[0].mode.model} in K steps" if stepped else "", "sequential", "line", stepped)]
    for point in known:
        if point.steps is None:
            style: Style = "hollow" if point.mode.paradigm == "sequential" else "points"
            series.append(_marks(point.mode.model, point.mode.paradigm, style, [point]))
    series.append(_staircase("Pareto front", "neutral", front(known), known))
    series.append(_staircase("of the sequential", "sequential", front(sequential), known))
    judged = [(point.mode.model, point.quality) for point in known if point.quality is not None]
    sizes = sorted({quality.model.num_images for _, quality in judged})
    y_title = f"FID, from {' or '.join(map(count, sizes))} images"
    title = "Cost against quality: lower left is better"
    return Chart(KEY, title, "ms for one image, one caller", y_title, series, levels=_levels(judged))


def _places(points: Sequence[Drawn]) -> list[tuple[Value, Value]]:
    """Return the time and the FID of those that have both."""
    return [(wait, fid) for point in points if (wait := wait_of(point)) and (fid := fid_of(point))]


def _levels(judged: Sequence[tuple[str, JudgedImages]]) -> list[tuple[float, str]]:
    """Return what each tokenizer leaves of real images; one line where several leave the same."""
    lost: dict[float, list[str]] = {}
    for model, quality in judged:
        fid = tokenizer_fid(quality)
        if fid is not None and model not in lost.setdefault(fid, []):
            lost[fid].append(model)
    whose = {fid: f" of {' and '.join(models)}" if len(lost) > 1 else "" for fid, models in lost.items()}
    names = [(fid, f"real images through the tokenizer{whose[fid]}: {two_digits(fid)}") for fid in lost]
    return [(fid, name) for fid, name in names if fid > 0.0]  # the axis is logarithmic


def _marks(name: str, role: Role, style: Style, points: Sequence[Drawn]) -> Series:
    """Return a point each, with intervals in both directions."""
    waits, fids = [scaled(wait, MILLISECONDS) for wait, _ in _places(points)], [fid for _, fid in _places(points)]
    notes = [_label(point, is_end=point in (points[0], points[-1])) for point in points]
    # A lone one is named where it stands.
    return Series(name, role, style, waits, fids, notes, is_labelled=True, in_legend=len(points) > 1)


def _label(point: Drawn, is_end: bool) -> str:
    if point.steps is None:
        return point.mode.model
    return quantity(point.steps, "step") if is_end else str(point.steps)


def _staircase(name: str, role: Role, steps: Sequence[Drawn], points: Sequence[Drawn]) -> Series:
    """Return the edge of what a front beats, as far as anything was measured."""
    if len(steps) < 2:  # of a single point nothing can be seen
        return Series(name, role, "fit", [], [])
    stairs, all_waits, all_fids = _places(steps), *zip(*_places(points), strict=True)
    xs, ys = [stairs[0][0].value], [max(fid.value for fid in all_fids)]
    for wait, fid in stairs:
        if fid.value >= ys[-1]:  # not surely beaten, yet no corner
            continue
        xs += [wait.value] * 2
        ys += [ys[-1], fid.value]
    xs.append(max(wait.value for wait in all_waits))
    ys.append(ys[-1])
    return Series(name, role, "fit", [x * MILLISECONDS for x in xs], ys)
