"""Tables of how the cost grows."""

from __future__ import annotations

from collections.abc import Sequence

from tandem.measure.formats import count, milliseconds, number
from tandem.measure.report.middle_ground import GenerationMode
from tandem.measure.report.tables.table import Columns, Table, table_of, value_cell
from tandem.measure.results.growth import ConcurrencyPoint, ContextPoint, Growth

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
