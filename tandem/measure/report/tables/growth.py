"""Tables of a measurement of growth: over streams, over the context; and what lies between sequential and parallel."""

from collections.abc import Sequence
from dataclasses import dataclass

from tandem.measure.formats import count, counted, milliseconds, number
from tandem.measure.report.tables.table import Columns, Table, table_of, value_cell
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.growth import ConcurrencyPoint, ContextPoint, Growth
from tandem.measure.results.value import Value
from tandem.measure.scenario import Paradigm
from tandem.measure.studies.growth.texts import TEXTS

_ONE = Value(value=1.0, count=1)


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
        workload = f"{text}, {counted(point.concurrency, 'stream')}"
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
    speed = waits["sequential"] / waits["parallel"]
    return [
        GenerationMode("sequential", "sequential", "an image, alone", 1.0, _ONE),
        GenerationMode("parallel", "parallel", "an image, alone", steps, Value(value=speed, count=1)),
    ]


_STREAMS: Columns[ConcurrencyPoint] = {
    "streams": lambda point: count(point.concurrency),
    "tokens/s\nall generating": lambda point: value_cell(point.decode_tokens_per_second, number),
    "tokens/s\nprompts included": lambda point: value_cell(point.whole_tokens_per_second, number),
    "a step, ms": lambda point: value_cell(point.step_seconds, milliseconds),
    "gap p50, ms": lambda point: value_cell(point.gap_p50_seconds, milliseconds),
    "first token\np50, ms": lambda point: value_cell(point.first_token_p50_seconds, milliseconds),
}
_CONTEXTS: Columns[ContextPoint] = {
    "tokens of context": lambda point: count(point.context_tokens),
    "first token, ms": lambda point: value_cell(point.first_token_seconds, milliseconds),
    "prefill tokens/s": lambda point: value_cell(point.prefill_tokens_per_second, number),
    "gap p50, ms": lambda point: value_cell(point.gap_p50_seconds, milliseconds),
    "decode tokens/s": lambda point: value_cell(point.decode_tokens_per_second, number),
}
_MODES: Columns[GenerationMode] = {
    "workload": lambda mode: mode.workload,
    "mode": lambda mode: mode.name,
    "outputs a pass": lambda mode: number(mode.outputs_per_pass),
    "times as fast as sequential": lambda mode: value_cell(mode.speed, number),
}


def growth_tables(growth: Growth, modes: Sequence[GenerationMode] = ()) -> list[Table]:
    """Return those that have a row."""
    tables = (
        table_of("Over streams: medians of the rounds (range)", growth.concurrency, _STREAMS),
        table_of("Over context, one stream: medians of the rounds (range)", growth.context, _CONTEXTS),
        table_of("Between sequential and parallel", modes, _MODES),
    )
    return [table for table in tables if table.rows]
