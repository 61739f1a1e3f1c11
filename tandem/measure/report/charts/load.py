"""Charts of load: latency, goodput and CPU over it, both paradigms overlaid; where the time goes, how latency is
spread, and how long the first output takes against the whole.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from tandem.measure.formats import number, quantity
from tandem.measure.report.charts.chart import MILLISECONDS, Chart, Row, Series, Stack, Style, value_series
from tandem.measure.report.sources import Run
from tandem.measure.results.comparison import Comparison, ModeResult, Point
from tandem.measure.results.load import Goodput
from tandem.measure.results.value import PHASES, Histogram, Phases
from tandem.measure.scenario import PARADIGMS, ClosedLoop, Delivery, OpenLoop, Paradigm

STYLES: dict[Delivery, Style] = {"unary": "line", "streamed": "dash"}
_QUANTILES: tuple[tuple[str, Style], ...] = (("p50", "line"), ("p99", "dash"))
_NUM_POINTS = 40

_Placed = Sequence[tuple[Run, float]]
"""Runs, and where they stand on the x-axis."""


def load_charts(runs: Sequence[Run], comparison: Comparison | None) -> list[Chart]:
    """Return all there is something for."""
    opened = [(run, run.load.rate_per_second) for run in runs if isinstance(run.load, OpenLoop)]
    closed = [(run, run.stream.rates.images or 0.0) for run in runs if isinstance(run.load, ClosedLoop)]
    if len({run.load.concurrency for run in runs if isinstance(run.load, ClosedLoop)}) < 2:
        closed = []  # one number of callers makes no curve
    charts = [
        _latency("open", "Latency over offered load (open loop)", "offered images/s", opened),
        _latency("closed", "Latency over achieved load (closed loop)", "images/s", closed),
        _goodput(opened),
    ]
    if comparison is not None:
        charts.append(_chart_comparison(comparison))
    return [chart for chart in charts if not chart.is_empty]


def _latency(key: str, title: str, x_title: str, placed: _Placed) -> Chart:
    series = []
    for name, style in _QUANTILES:
        rows = [(run, x, getattr(run.stream.latency.seconds, name)) for run, x in placed]
        series += _by_paradigm(rows, name, style, MILLISECONDS)
    return Chart(key, title, x_title, "latency, ms", series)


def _goodput(placed: _Placed) -> Chart:
    measured = [(run, x, run.stream.goodput) for run, x in placed if run.stream.goodput is not None]
    series = _by_paradigm([(run, x, goodput.requests) for run, x, goodput in measured], "", "line")
    if measured:
        offered = [x for _, x, _ in measured]
        grid = np.geomspace(min(offered), max(offered), _NUM_POINTS).tolist()
        series.append(Series("all that was offered", "neutral", "fit", grid, grid))
    shown = ", ".join(dict.fromkeys(_objective(goodput) for *_, goodput in measured))
    return Chart("goodput", "Goodput", "offered images/s", "images/s in time", series, y_log=False, facts=[shown])


def _objective(goodput: Goodput) -> str:
    whole, first = goodput.slo_seconds, goodput.slo_first_output_seconds
    parts = (
        "" if whole is None else f"{whole * MILLISECONDS:g} ms",
        "" if first is None else f"first output {first * MILLISECONDS:g} ms",
    )
    return " and ".join(filter(None, parts))


class _Line(NamedTuple):
    """What the runs of one line have in common: `stream` names the model, its steps and the API."""

    paradigm: Paradigm
    delivery: Delivery
    stream: str
    address: str


def _label(line: _Line, name: str, lines: Iterable[_Line]) -> str:
    """Return what tells a line from the others of the same figure, and no more than that."""
    alike = [other for other in lines if other[:2] == line[:2]]
    words = [" ".join(filter(None, (line.paradigm, "streamed" if line.delivery == "streamed" else "", name)))]
    words += [line.stream] if len({other.stream for other in alike}) > 1 else []
    words += [f"at {line.address}"] if len({other.address for other in alike}) > 1 else []
    return ", ".join(words)


def _by_paradigm(
    placed: Iterable[tuple[Run, float, float | None]], name: str, style: Style, scale: float = 1.0
) -> list[Series]:
    """Return a line for each paradigm, stream and server through its sound runs, and the others as marks of their
    own; values are times `scale`. Labels tell it from all that were run, so that p50 and p99 of one are named alike
    where another has no p99.
    """
    found = []
    groups: dict[_Line, list[tuple[float, float, bool, str]]] = {}
    for run, x, y in placed:
        if run.stream.paradigm is not None:
            line = _Line(run.stream.paradigm, run.stream.delivery, run.stream.name, run.document.address)
            rows = groups.setdefault(line, [])
            callers = f", {run.load.concurrency} at a time" if isinstance(run.load, ClosedLoop) else ""
            note = f"{run.name}{callers}: {run.stream.outcomes.ok:,} of {run.stream.outcomes.planned:,} ok"
            rows += [] if y is None or x <= 0 else [(x, y * scale, run.is_sound, note)]
    for line, rows in sorted(groups.items(), reverse=True):
        label = _label(line, name, groups)
        for is_sound, own, title in ((True, style, label), (False, "invalid", f"{label}, invalid run")):
            chosen = sorted(row for row in rows if row[2] is is_sound)
            if chosen:
                xs, ys, _, notes = zip(*chosen, strict=True)
                found.append(Series(title, line.paradigm, own, xs, ys, notes=notes))
    return found


def _chart_comparison(comparison: Comparison) -> Chart:
    """Return the interleaved curve of a comparison, with its intervals."""
    series = []
    for mode in (mode for mode in comparison.modes if mode.delivery == "unary"):
        for name, style in _QUANTILES:
            rows = [
                (figures["images_per_second"].value, figures.get(f"latency_{name}_seconds"), f"{callers} at a time")
                for callers, figures in ((point.concurrency, point.figures) for point in mode.curve)
            ]
            series.append(value_series(f"{mode.paradigm} {name}", mode.paradigm, style, rows, MILLISECONDS))
    title = "Latency over achieved load (closed loop, interleaved)"
    return Chart("compared", title, "images/s", "latency, ms", series, facts=[comparison.settings.confidence])


def cost_chart(comparison: Comparison) -> Chart:
    """Return what an image costs: CPU seconds of the servers."""
    series = []
    for mode in comparison.modes:
        rows = [(float(point.concurrency), point.figures.get("cpu_seconds_per_image"), "") for point in mode.curve]
        series.append(value_series(mode.name, mode.paradigm, STYLES[mode.delivery], rows, MILLISECONDS))
    return Chart("cpu", "CPU an image", "callers", "CPU-ms an image", series)


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
            curves.append(_cdf(name, mode.paradigm, style, point.latency.histogram))
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
    counts = [mode.alone.latency.seconds.count for mode in comparison.modes if mode.alone]
    series = []
    for paradigm in PARADIGMS:
        alone = [(mode.name, mode.alone) for mode in comparison.modes if mode.paradigm == paradigm and mode.alone]
        first = [(name, point.figures.get("first_output_p50_seconds"), "") for name, point in alone]
        whole = [(name, point.figures.get("latency_p50_seconds"), "") for name, point in alone]
        series.append(value_series(f"{paradigm}: first output", paradigm, "hollow", first, MILLISECONDS))
        series.append(value_series(f"{paradigm}: whole image", paradigm, "points", whole, MILLISECONDS))
    facts = min(counts, default=0), max(counts, default=0)
    title = f"First output and whole image: {len(comparison.modes)} modes of asking for one image"
    return Chart("first-output", title, "ms after the request", "", series, y_log=False, facts=facts)
