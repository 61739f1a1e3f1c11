"""How the cost of a text grows over streams and over the context, and what lies between sequential and parallel."""

from collections.abc import Sequence

import numpy as np

from tandem.measure.report.charts.chart import MILLISECONDS, Chart, Role, Series, Style, value_series
from tandem.measure.report.tables.growth import GenerationMode
from tandem.measure.results.growth import Growth, LineFit, StepFit
from tandem.measure.results.value import Value
from tandem.measure.statistics.knee import step_time

_NUM_POINTS = 60
_KINDS: dict[str, tuple[Role, Style]] = {
    "sequential": ("sequential", "points"),
    "drafts, text that repeats itself": ("neutral", "points"),
    "drafts, new text": ("neutral", "hollow"),
    "parallel": ("parallel", "points"),
}


def growth_charts(growth: Growth, modes: Sequence[GenerationMode]) -> list[Chart]:
    """Return all, those too that nothing was measured for."""
    gaps = [(float(point.context_tokens), point.gap_p50_seconds, "") for point in growth.context]
    firsts = [(float(point.context_tokens), point.first_token_seconds, "") for point in growth.context]
    return [
        _streams(growth),
        _context("growth-context", "A token's time over the context", "ms a token", gaps, growth.gap_fit),
        _context(
            "growth-prefill",
            "Time to the first token over the prompt",
            "ms to the first token",
            firsts,
            growth.first_token_fit,
        ),
        _middle(modes),
    ]


def _streams(growth: Growth) -> Chart:
    decode = [(float(point.concurrency), point.decode_tokens_per_second, "") for point in growth.concurrency]
    whole = [(float(point.concurrency), point.whole_tokens_per_second, "") for point in growth.concurrency]
    series = [
        value_series("while all generate", "sequential", "line", decode),
        value_series("prompts included", "sequential", "dash", whole),
    ]
    if growth.step_fit is not None and decode:
        series += _knee(growth.step_fit, [streams for streams, *_ in decode])
    title = "Tokens/s over streams at a time"
    return Chart(
        "growth-streams", title, "streams at a time", "tokens/s, all together", series, facts=[growth.settings]
    )


def _knee(fit: StepFit, xs: Sequence[float]) -> list[Series]:
    time = step_time(fit)
    grid = np.geomspace(min(xs), max(xs), _NUM_POINTS)
    found = [Series("fit", "sequential", "fit", grid.tolist(), (grid / time(grid)).tolist())]
    if fit.knee is not None and min(xs) <= fit.knee.value <= max(xs):
        rate = fit.knee.value / float(time(fit.knee.value))
        found.append(Series("knee", "neutral", "points", [fit.knee.value], [rate], notes=["shared cost = own cost"]))
    if fit.most_tokens_per_second is not None:
        most = [fit.most_tokens_per_second] * 2
        found.append(Series("most that batching brings", "neutral", "prediction", [min(xs), max(xs)], most))
    return found


def _context(
    key: str, title: str, y_title: str, rows: Sequence[tuple[float, Value, str]], fit: LineFit | None
) -> Chart:
    series = [value_series("measured", "sequential", "line", rows, MILLISECONDS)]
    if fit is not None and rows:
        tokens = [place for place, *_ in rows]
        ends = [min(tokens), max(tokens)]
        ys = [(fit.base_seconds + fit.per_token_seconds * tokens) * MILLISECONDS for tokens in ends]
        series.append(Series("fit", "sequential", "fit", ends, ys))
    return Chart(key, title, "tokens of context", y_title, series, x_log=False, y_log=False)


def _middle(modes: Sequence[GenerationMode]) -> Chart:
    series = []
    for name, (role, style) in _KINDS.items():
        chosen = [mode for mode in modes if mode.kind == name]
        rows = [(mode.outputs_per_pass, mode.speed, f"{mode.name}: {mode.workload}") for mode in chosen]
        series.append(value_series(name, role, style, rows))
    title = "The middle ground: sequential, with drafts, parallel"
    return Chart("growth-middle", title, "outputs a pass", "times as fast as sequential", series)
