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


_GAP_NOTE = (
    "One stream alone, median of its gaps: each step reads the keys and values of all tokens before. Bars: range of the"
    " rounds."
)


def growth_charts(growth: Growth, modes: Sequence[GenerationMode]) -> list[Chart]:
    """Return all, those too that nothing was measured for."""
    gaps = [(float(point.context_tokens), point.gap_p50_seconds, "") for point in growth.context]
    firsts = [(float(point.context_tokens), point.first_token_seconds, "") for point in growth.context]
    return [
        _streams(growth),
        _context("growth-context", "A token's time over the context", _GAP_NOTE, "ms a token", gaps, growth.gap_fit),
        _context(
            "growth-prefill",
            "Time to the first token over the prompt",
            "One stream alone. A prompt's tokens are computed many at a time. Bars: range of the rounds.",
            "ms to the first token",
            firsts,
            growth.first_token_fit,
        ),
        _middle(modes),
    ]


def _streams(growth: Growth) -> Chart:
    decode = [(float(each.concurrency), each.decode_tokens_per_second, "") for each in growth.concurrency]
    whole = [(float(each.concurrency), each.whole_tokens_per_second, "") for each in growth.concurrency]
    series = [
        value_series("while all generate", "sequential", "line", decode),
        value_series("prompts included", "sequential", "dash", whole),
    ]
    if growth.step_fit is not None and decode:
        series += _knee(growth.step_fit, [streams for streams, *_ in decode])
    note = (
        f"Prompts of {growth.settings.prompt_tokens} tokens, {growth.settings.new_tokens} new ones. Bars: range of the"
        " rounds. Left of the knee a step costs about the same however many share it, so tokens/s grow with the"
        " streams; right of it each stream's own arithmetic counts, and they level off."
    )
    title = "Tokens/s over streams at a time"
    return Chart("growth-streams", title, note, "streams at a time", "tokens/s, all together", series)


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
    key: str, title: str, note: str, y_title: str, rows: Sequence[tuple[float, Value, str]], fit: LineFit | None
) -> Chart:
    series = [value_series("measured", "sequential", "line", rows, MILLISECONDS)]
    if fit is not None and rows:
        tokens = [place for place, *_ in rows]
        ends = [min(tokens), max(tokens)]
        ys = [(fit.base_seconds + fit.per_token_seconds * each) * MILLISECONDS for each in ends]
        series.append(Series("fit", "sequential", "fit", ends, ys))
    return Chart(key, title, note, "tokens of context", y_title, series, x_log=False, y_log=False)


def _middle(modes: Sequence[GenerationMode]) -> Chart:
    series = []
    for name, (role, style) in _KINDS.items():
        chosen = [mode for mode in modes if mode.kind == name]
        rows = [(mode.outputs_per_pass, mode.speed, f"{mode.name}: {mode.workload}") for mode in chosen]
        series.append(value_series(name, role, style, rows))
    note = (
        "Each mode against the sequential one of its workload: texts against texts, images against images. Drafts"
        " bring as many tokens a pass as were guessed right; a parallel model brings all in one, here counted as the"
        " tokens that the sequential model needs for an image."
    )
    title = "The middle ground: sequential, with drafts, parallel"
    return Chart("growth-middle", title, note, "outputs a pass", "times as fast as sequential", series)
