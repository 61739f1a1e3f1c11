"""Tables of studies: a row a point and a column a figure, as the columns below describe them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tandem.measure.formats import (
    NONE,
    Show,
    count,
    decimals,
    factor,
    milliseconds,
    number,
    optional,
    quantity,
    seconds,
    share,
)
from tandem.measure.report.front import cpu_of, fid_of, front, tokenizer_fid, wait_of
from tandem.measure.report.prose import sentence
from tandem.measure.report.tables.comparison import highest_rate
from tandem.measure.report.tables.quality import views_tables
from tandem.measure.report.tables.table import Columns, Row, Table, columns, table_of, value_cell
from tandem.measure.results.colocation import Colocation, Metric, Side
from tandem.measure.results.comparison import Comparison, Point
from tandem.measure.results.crossover import Crossover, FittedCurve, Trial
from tandem.measure.results.growth import Growth
from tandem.measure.results.header import Header
from tandem.measure.results.steps import Steps, StepsPoint
from tandem.measure.results.value import Value
from tandem.measure.scenario import Paradigm
from tandem.measure.studies.fit.capacity import is_met, is_telling
from tandem.measure.studies.growth.texts import TEXTS

_ONE = Value(value=1.0, count=1)
_three = decimals(3)


def study_tables(document: Header, modes: "Sequence[GenerationMode]" = ()) -> list[Table]:
    """Return the tables of any study but a comparison that have a row; `modes` stand with those of growth."""
    match document:
        case Crossover():
            tables = _crossover(document)
        case Growth():
            tables = _growth(document, modes)
        case Steps():
            tables = _steps(document)
        case Colocation():
            tables = _colocation(document)
        case _:
            raise ValueError(f"no tables of a document of kind {document.kind!r}")
    return [table for table in tables if table.rows]


class _Curve(NamedTuple):
    name: str
    curve: FittedCurve


class _Run(NamedTuple):
    name: str
    trial: Trial
    slo_seconds: float


_CURVES: Columns[_Curve] = {
    "curve": lambda row: row.name.replace(" ", "\n", 1),
    **columns(
        ("base, ms", "curve.base_seconds", milliseconds),
        ("slope,\nms each", "curve.slope_seconds", milliseconds),
        ("knee", "curve.knee", number),
        ("slope after,\nms each", "curve.slope_after_seconds", milliseconds),
        ("RMS", "curve.relative_rms", share),
    ),
    "fit": lambda row: "good" if row.curve.is_good else "POOR",
}
_VERDICTS = {True: "met", False: "missed", None: "too near to tell"}
_TRIALS: Columns[_Run] = {
    "trial": lambda row: row.name,
    **columns(
        ("offered\nimages/s", "trial.rate_per_second", number),
        ("requests", "trial.num_requests", count),
        ("p50, ms", "trial.p50_seconds", milliseconds),
        ("p99, ms", "trial.p99_seconds", milliseconds),
        ("in time", "trial.share_within_slo", share),
    ),
    "objective": lambda row: _VERDICTS[is_met(row.trial, row.slo_seconds)] if is_telling(row.trial) else NONE,
    "problems": lambda row: "; ".join([*([] if row.trial.valid else ["INVALID"]), *row.trial.problems]),
}


def _crossover(document: Crossover) -> Iterator[Table]:
    """Yield the parameters of a fit, and the trials behind the capacities."""
    curves = []
    for service in document.services:
        unit = "t_step(batch)" if service.paradigm == "sequential" else "t_batch(batch)"
        named = ((unit, service.unit), ("t0(in flight)", service.rest), ("whole(in flight)", service.whole))
        curves += [_Curve(f"{service.paradigm} {name}", curve) for name, curve in named]
    runs = [
        _Run(capacity.paradigm, run, capacity.slo_seconds)
        for capacity in document.capacities
        for run in sorted(capacity.trials, key=lambda trial: trial.rate_per_second)
    ]
    yield table_of("Fitted parameters (95 % intervals)", curves, _CURVES, lambda row: not row.curve.is_good)
    yield table_of("Open loops at steady rates", runs, _TRIALS, lambda row: not row.trial.valid)


@dataclass(frozen=True)
class GenerationMode:
    """`outputs_per_pass`: tokens that a pass of the model brings to one request, in the mean; of an image that is
    drawn in one pass, the tokens that the sequential model needs for one. `speed`: relative to the sequential mode.
    """

    kind: str
    name: str
    workload: str
    outputs_per_pass: float
    speed: Value


def modes_between(growth: Growth, comparison: Comparison | None) -> list[GenerationMode]:
    """Return what was measured between one output a pass of the model and all in one pass; without drafts there is
    nothing between, and so nothing to show. Texts and images are different workloads, so each mode is compared with
    the sequential one of its own.
    """
    modes = []
    for point in growth.drafts:
        text, (first, *others) = TEXTS[point.text], point.results
        workload = f"{text}, {quantity(point.concurrency, 'stream')}"
        modes.append(GenerationMode("sequential", "sequential", workload, first.tokens_per_message.value, _ONE))
        for result in others:
            name, tokens = f"sequential, {result.server.label}", result.tokens_per_message.value
            modes.append(GenerationMode(f"drafts, {text}", name, workload, tokens, result.ratio))
    return [*modes, *_image_modes(comparison)] if modes and comparison is not None else modes


def _image_modes(comparison: Comparison) -> list[GenerationMode]:
    """Return the two modes of making an image, asked for by one caller; none if the comparison does not hold both."""
    steps = next((model.tokens_per_image for model in comparison.models if model.tokens_per_image), None)
    waits: dict[Paradigm, float] = {
        mode.paradigm: mode.alone.latency.p50.value
        for mode in comparison.modes
        if mode.delivery == "unary" and mode.alone is not None and mode.alone.latency.p50 is not None
    }
    if steps is None or len(waits) < 2:
        return []
    speed = Value(value=waits["sequential"] / waits["parallel"], count=1)
    parts: tuple[tuple[Paradigm, float, Value], ...] = (("sequential", 1.0, _ONE), ("parallel", steps, speed))
    return [GenerationMode(name, name, "an image, alone", outputs, times) for name, outputs, times in parts]


_STREAMS = columns(
    ("streams", "concurrency", count),
    ("tokens/s\nall generating", "decode_tokens_per_second", number),
    ("tokens/s\nprompts included", "whole_tokens_per_second", number),
    ("a step, ms", "step_seconds", milliseconds),
    ("gap p50, ms", "gap_p50_seconds", milliseconds),
    ("first token\np50, ms", "first_token_p50_seconds", milliseconds),
)
_CONTEXTS = columns(
    ("tokens of context", "context_tokens", count),
    ("first token, ms", "first_token_seconds", milliseconds),
    ("prefill tokens/s", "prefill_tokens_per_second", number),
    ("gap p50, ms", "gap_p50_seconds", milliseconds),
    ("decode tokens/s", "decode_tokens_per_second", number),
)
_MODES: Columns[GenerationMode] = {
    "workload": lambda mode: mode.workload,
    "mode": lambda mode: mode.name,
    **columns(
        ("outputs a pass", "outputs_per_pass", number),
        ("times as fast as sequential", "speed", number),
    ),
}


def _growth(document: Growth, modes: Sequence[GenerationMode]) -> Iterator[Table]:
    """Yield what varies: streams, context, and what lies between sequential and parallel."""
    yield table_of("Over streams: medians of the rounds (range)", document.concurrency, _STREAMS)
    yield table_of("Over context, one stream: medians of the rounds (range)", document.context, _CONTEXTS)
    yield table_of("Between sequential and parallel", modes, _MODES)


def _steps(document: Steps) -> Iterator[Table]:
    """Yield what each number of steps costs, and what it buys; nothing if nothing was measured."""
    if not any(map(wait_of, document.points)):
        return
    best = front(document.points)
    slo = seconds(document.settings.load.slo_seconds)
    costs: Columns[StepsPoint] = {
        "": _steps_name,
        "one caller": lambda point: value_cell(wait_of(point), seconds),
        "of it computing": lambda point: optional(_computing(point.mode.alone), seconds),
        f"images/s, p99 within {slo}": lambda point: highest_rate(point.mode),
        "servers' CPU per image": lambda point: value_cell(cpu_of(point), seconds),
        "of it computing ": lambda point: optional(_share_of_batch(point), seconds),
    }
    quality: Columns[StepsPoint] = {
        "": _steps_name,
        "bits": lambda point: NONE if point.bits_per_token is None else _three(point.bits_per_token.value),
        **columns(
            ("over the most steps", "bits_over_most", _three),
            ("predicted", "predicted_over_most", _three),
        ),
        "FID": lambda point: value_cell(fid_of(point), number),
        "of real images through its tokenizer": lambda point: optional(tokenizer_fid(point.quality), number),
        "recall": lambda point: NONE if point.quality is None else _three(point.quality.model.recall),
        "right class": lambda point: NONE if point.quality is None else _three(point.quality.model.accuracy),
        "front": lambda point: "yes" if point in best else "",
    }
    yield table_of(f"What {document.models[0].name} costs in K steps, and the others", document.points, costs)
    yield table_of("What it buys: bits a token, quality", document.points, quality)
    yield from views_tables([(_steps_name(point), point.mode.model, point.quality) for point in document.points])


def _computing(point: Point | None) -> float | None:
    """Return the mean seconds of an image in steps, or in the pass of a parallel model."""
    parts = {} if point is None or point.phases is None else point.phases.parts
    found = [parts[name].mean_seconds for name in ("prefill", "decode", "compute") if name in parts]
    return sum(found) if found else None


def _share_of_batch(point: StepsPoint) -> float | None:
    """Return an image's share of the steps that it took at the greatest load together with others."""
    last = point.mode.curve[-1] if point.mode.curve else None
    computing, batch = _computing(last), None if last is None else last.batch_size.mean
    return None if computing is None or not batch else computing / batch


def _steps_name(point: StepsPoint) -> str:
    return point.mode.model if point.steps is None else quantity(point.steps, "step")


_METRICS: dict[Metric, tuple[str, Show]] = {
    "tokens_per_second": ("tokens/s of a stream", number),
    "gap_p50_seconds": ("gap p50", seconds),
    "gap_p99_seconds": ("gap p99", seconds),
    "images_per_second": ("images/s delivered", number),
    "latency_p50_seconds": ("latency p50", seconds),
    "latency_p99_seconds": ("latency p99", seconds),
}


def _colocation(document: Colocation) -> Iterator[Table]:
    """Yield what each service does alone, and beside the other: a row a figure of either."""
    for pairing in document.pairings:
        sides = (pairing.sequential, pairing.parallel)
        title = " beside ".join(side.load.workload.model for side in sides)
        yield Table(("", "alone", "together", "ratio"), [row for side in sides for row in _side(side)], title)


def _side(side: Side) -> Iterator[Row]:
    yield Row((f"{side.load.workload.model}, {sentence('colocation.load', side.load)}", "", "", ""), begins_part=True)
    for change in side.changes:
        name, show = _METRICS[change.metric]
        cells = (value_cell(change.alone, show), value_cell(change.together, show), value_cell(change.ratio, factor))
        yield Row((f"  {name}", *cells))
    if side.num_failed:
        yield Row(("  failed requests", "", f"{side.num_failed:,} of {side.num_requests:,}", ""), is_bad=True)
