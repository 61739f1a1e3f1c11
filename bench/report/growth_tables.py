"""Tables of how the cost grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.growth.document import Figure, Growth
from bench.report.middle_ground import GenerationWay
from bench.report.tables import Table, TableRow, milliseconds


def growth_tables(growth: Growth, ways: Sequence[GenerationWay]) -> list[Table]:
    """Return those that have a row."""
    tables = [_streams(growth), _contexts(growth), _ways(ways)]
    return [table for table in tables if table.rows]


def _streams(growth: Growth) -> Table:
    heads = ("streams", "tokens/s, all generating", "tokens/s, prompts included", "a step, ms", "gap p50, ms")
    rows = [
        TableRow(
            (
                f"{point.concurrency}",
                _rate(point.decode_tokens_per_second),
                _rate(point.whole_tokens_per_second),
                _time(point.step_seconds),
                _time(point.gap_p50_seconds),
                _time(point.first_token_p50_seconds),
            )
        )
        for point in growth.concurrency
    ]
    return Table("Over streams: medians of the rounds (range)", (*heads, "first token p50, ms"), tuple(rows))


def _contexts(growth: Growth) -> Table:
    heads = ("tokens of context", "first token, ms", "prefill tokens/s", "gap p50, ms", "decode tokens/s")
    rows = [
        TableRow(
            (
                f"{point.context_tokens:,}",
                _time(point.first_token_seconds),
                _rate(point.prefill_tokens_per_second),
                _time(point.gap_p50_seconds),
                _rate(point.decode_tokens_per_second),
            )
        )
        for point in growth.context
    ]
    return Table("Over context, one stream: medians of the rounds (range)", heads, tuple(rows))


def _ways(ways: Sequence[GenerationWay]) -> Table:
    rows = []
    for way in ways:
        spread = "" if way.low is None or way.high is None else f" ({way.low:.3g} to {way.high:.3g})"
        rows.append(TableRow((way.work, way.name, f"{way.outputs_per_pass:.3g}", f"{way.speed:.3g}{spread}")))
    heads = ("work", "way", "outputs a pass", "times as fast as sequential")
    return Table("Between sequential and parallel", heads, tuple(rows))


def _rate(figure: Figure) -> str:
    return _ranged(figure, lambda value: f"{value:,.4g}")


def _time(figure: Figure) -> str:
    return _ranged(figure, milliseconds)


def _ranged(figure: Figure, shown: Callable[[float], str]) -> str:
    text = shown(figure.median)
    return text if len(figure.values) < 2 else f"{text} ({shown(figure.low)} to {shown(figure.high)})"
