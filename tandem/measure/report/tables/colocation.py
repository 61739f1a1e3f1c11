"""Tables of a measurement of co-location: what each service does alone, and beside the other."""

from collections.abc import Iterator

from tandem.measure.formats import Show, factor, number, seconds
from tandem.measure.report.prose import sentence
from tandem.measure.report.tables.table import Row, Table, value_cell
from tandem.measure.results.colocation import Colocation, Metric, Side

_METRICS: dict[Metric, tuple[str, Show]] = {
    "tokens_per_second": ("tokens/s of a stream", number),
    "gap_p50_seconds": ("gap p50", seconds),
    "gap_p99_seconds": ("gap p99", seconds),
    "images_per_second": ("images/s delivered", number),
    "latency_p50_seconds": ("latency p50", seconds),
    "latency_p99_seconds": ("latency p99", seconds),
}


def colocation_tables(document: Colocation) -> Iterator[Table]:
    """Yield a row a figure of either service, alone and together."""
    for pairing in document.pairings:
        sides = (pairing.sequential, pairing.parallel)
        title = " beside ".join(side.load.workload.model for side in sides)
        heads = ("", "alone", "together", "ratio")
        yield Table(heads, [row for side in sides for row in _rows(side)], title)


def _rows(side: Side) -> Iterator[Row]:
    yield Row((f"{side.load.workload.model}, {sentence('colocation.load', side.load)}", "", "", ""), begins_part=True)
    for change in side.changes:
        name, show = _METRICS[change.metric]
        cells = (value_cell(change.alone, show), value_cell(change.together, show), value_cell(change.ratio, factor))
        yield Row((f"  {name}", *cells))
    if side.num_failed:
        yield Row(("  failed requests", "", f"{side.num_failed:,} of {side.num_requests:,}", ""), is_bad=True)
