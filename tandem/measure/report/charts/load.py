"""Curves with load on the x-axis, both paradigms overlaid: latency, goodput, CPU."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from tandem.measure.report.charts.chart import MILLISECONDS, Chart, Series, Style, value_series
from tandem.measure.report.sources import Run
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.load import Goodput
from tandem.measure.scenario import ClosedLoop, Delivery, OpenLoop, Paradigm

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
                (point.images_per_second.value, getattr(point.latency, name), f"{point.concurrency} at a time")
                for point in mode.curve
            ]
            series.append(value_series(f"{mode.paradigm} {name}", mode.paradigm, style, rows, MILLISECONDS))
    title = "Latency over achieved load (closed loop, interleaved)"
    return Chart("compared", title, "images/s", "latency, ms", series, facts=[comparison.settings.confidence])


def cost_chart(comparison: Comparison) -> Chart:
    """Return what an image costs: CPU seconds of the servers."""
    series = []
    for mode in comparison.modes:
        rows = [(float(point.concurrency), point.cpu_seconds_per_image.servers, "") for point in mode.curve]
        series.append(value_series(mode.name, mode.paradigm, STYLES[mode.delivery], rows, MILLISECONDS))
    return Chart("cpu", "CPU an image", "callers", "CPU-ms an image", series)
