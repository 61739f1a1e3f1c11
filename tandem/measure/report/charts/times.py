"""Where the time goes, how latency is spread, and how long the first output takes against the whole."""

from collections.abc import Sequence

from tandem.measure.formats import number, quantity
from tandem.measure.report.charts.chart import MILLISECONDS, Chart, Row, Series, Stack, Style, value_series
from tandem.measure.report.charts.load import STYLES
from tandem.measure.report.sources import Run
from tandem.measure.results.comparison import Comparison, ModeResult, Point
from tandem.measure.results.distributions import PHASES, Histogram, Phases
from tandem.measure.scenario import PARADIGMS, ClosedLoop, Paradigm


def phase_stack(runs: Sequence[Run], comparison: Comparison | None) -> Stack:
    """Return means by part: of each mode with one caller, and with the most."""
    rows = []
    if comparison is not None:
        for mode in comparison.modes:
            for point in _ends(mode):
                if point.phases is not None:
                    rows.append(
                        _row(f"{mode.name}, {quantity(point.concurrency, 'caller')}", mode.paradigm, point.phases)
                    )
    else:
        rows = [row for paradigm in PARADIGMS for row in _run_rows(runs, paradigm)]
    return Stack("phases", "Where the time goes", rows)


def _ends(mode: ModeResult) -> Sequence[Point]:
    """Return the least and the greatest load."""
    return [*mode.curve[:1], *mode.curve[1:][-1:]]


def _run_rows(runs: Sequence[Run], paradigm: Paradigm) -> list[Row]:
    """Return rows of the closed loops with the fewest and the most callers."""
    closed = sorted(
        (run.load.concurrency, run.name, run.stream.phases)
        for run in runs
        if isinstance(run.load, ClosedLoop) and run.stream.paradigm == paradigm and run.is_sound and run.stream.phases
    )
    return [_row(f"{paradigm}, {run[0]} at a time", paradigm, run[2]) for run in closed[:1] + closed[1:][-1:]]


def _row(label: str, paradigm: Paradigm, phases: Phases) -> Row:
    parts = {name: phases.parts[name].mean_seconds for name in PHASES if name in phases.parts}
    return Row(label, paradigm, parts)


def cdf_charts(runs: Sequence[Run], comparison: Comparison | None) -> list[Chart]:
    """Return how latency is spread: of each mode alone and with the most callers, and of runs."""
    alone: list[Series] = []
    callers: list[Series] = []
    loaded: list[Series] = []
    for mode in () if comparison is None else comparison.modes:
        style = STYLES[mode.delivery]
        for point, curves in zip(_ends(mode), (alone, callers), strict=False):
            name = f"{mode.name}, {quantity(point.concurrency, 'caller')}"
            curves.append(_cdf(name, mode.paradigm, style, point.latency.distribution.histogram))
    for paradigm in PARADIGMS:
        own = [run for run in runs if run.stream.paradigm == paradigm and run.is_sound and run.stream.outcomes.ok]
        own.sort(key=lambda run: run.stream.rates.requests)
        for run in own[:1] + own[1:][-1:]:
            style = "dash" if len(loaded) % 2 else "line"
            loaded.append(_cdf(f"{paradigm}, {_load_text(run)}", paradigm, style, run.stream.latency.histogram))
    return [
        _cdf_chart("cdf-alone", "How latency is spread with one caller", alone),
        _cdf_chart("cdf-callers", "How latency is spread under load", callers),
        _cdf_chart("cdf-load", "How latency is spread at the least and the highest rate", loaded),
    ]


def _load_text(run: Run) -> str:
    if isinstance(run.load, ClosedLoop):
        return f"{run.load.concurrency} at a time"
    return f"{number(run.load.rate_per_second)} images/s offered"


def _cdf(name: str, paradigm: Paradigm, style: Style, histogram: Histogram) -> Series:
    """Return shares at the bounds of the buckets: exact there, and drawn straight between."""
    counts = histogram.counts
    total = sum(counts)
    filled = [place for place, count in enumerate(counts) if count]
    if not filled:
        return Series(name, paradigm, style, (), ())
    places = range(max(0, filled[0] - 1), min(filled[-1] + 1, len(histogram.bounds_seconds)))
    xs = [histogram.bounds_seconds[place] * MILLISECONDS for place in places]
    return Series(name, paradigm, style, xs, [sum(counts[: place + 1]) / total for place in places])


def _cdf_chart(key: str, title: str, series: Sequence[Series]) -> Chart:
    return Chart(key, title, "latency, ms", "share of requests", series, y_log=False)


def first_output_chart(comparison: Comparison) -> Chart:
    """Return first output against whole result, of the four modes with one caller."""
    counts = [mode.alone.latency.distribution.seconds.count for mode in comparison.modes if mode.alone]
    series = []
    for paradigm in PARADIGMS:
        alone = [(mode.name, mode.alone) for mode in comparison.modes if mode.paradigm == paradigm and mode.alone]
        first = [(name, point.first_output.p50, "") for name, point in alone]
        whole = [(name, point.latency.p50, "") for name, point in alone]
        series.append(value_series(f"{paradigm}: first output", paradigm, "hollow", first, MILLISECONDS))
        series.append(value_series(f"{paradigm}: whole image", paradigm, "points", whole, MILLISECONDS))
    facts = min(counts, default=0), max(counts, default=0)
    title = f"First output and whole image: {len(comparison.modes)} modes of asking for one image"
    return Chart("first-output", title, "ms after the request", "", series, y_log=False, facts=facts)
