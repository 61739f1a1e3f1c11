"""What a measurement of co-location says: what each service keeps beside the other, in sentences and in tables."""

from collections.abc import Iterator

from tandem.measure.formats import Show, counted, decimals, factor, number, ranged, seconds
from tandem.measure.report.tables.table import Row, Table, value_cell
from tandem.measure.results.colocation import Colocation, Load, Metric, Side

METHOD = (
    "Both at once: each service alone and both together take turns, at the same loads: open loops at half of the"
    " capacity, or one stream of text after another. The capacity is the lower end of what open loops found, of unary"
    " calls; where there are none, 60 % of what came out of a closed loop, but at least 0.5 images/s. In one round a"
    " load has the same arrivals alone and together. It continues for a moment after the measured window, so both run"
    " during the whole window.",
    "Both at once: a ratio is the median over rounds, or that of all rounds together where one is too short to tell."
    " Intervals: 95 %, by bootstrap over rounds; of fewer than eight rounds, their range.",
)
_percent = decimals(0, 100)


def load_text(load: Load) -> str:
    """Return a load as it stands behind the name of its model."""
    rate = load.rate_per_second
    return "one stream at a time" if rate is None else f"{number(rate)} images/s, half of its capacity"


def explanation(document: Colocation) -> Iterator[str]:
    """Yield what each takes from the other, and whether the machine carried both."""
    for pairing in document.pairings:
        sides = pairing.sequential, pairing.parallel
        for side, other in (sides, sides[::-1]):
            if text := _taken(side):
                yield f"Beside {other.load.workload.model} ({load_text(other.load)}), {text}."
        for side in sides:
            yield from _overload(side, pairing.num_rounds)


def _overload(side: Side, num_rounds: int) -> Iterator[str]:
    """Yield that the machine does not carry both: the queue grew, or it is full and the server refuses requests."""
    model = side.load.workload.model
    if 2 * side.num_growing > num_rounds:
        yield (
            f"Both are more than this machine carries: the queue of {model} grew in {side.num_growing} of"
            f" {counted(num_rounds, 'round')}, and its latency depends on how long that lasts."
        )
    if 100 * side.num_failed > side.num_requests:
        yield (
            f"{side.num_failed:,} of {counted(side.num_requests, 'request')} of {model} failed while both ran; its"
            " latency is that of the others alone."
        )


def _taken(side: Side) -> str:
    """Return what a service keeps of its rate, if it is a stream, or else what becomes of its latency."""
    model = side.load.workload.model
    found = {each.metric: (each, each.ratio) for each in side.changes if each.ratio is not None}
    if side.load.rate_per_second is None and "tokens_per_second" in found:
        rate, ratio = found["tokens_per_second"]
        return (
            f"a stream of {model} keeps {ranged(ratio, _percent)} % of its rate: {number(rate.together.value)} tokens/s"
            f" instead of {number(rate.alone.value)}"
        )
    if "latency_p50_seconds" not in found:
        return ""
    latency, ratio = found["latency_p50_seconds"]
    text = (
        f"an image of {model} takes {ranged(ratio, number)} times as long at p50, {seconds(latency.together.value)}"
        f" instead of {seconds(latency.alone.value)}"
    )
    tail = found.get("latency_p99_seconds")
    return text if tail is None else f"{text}, and {ranged(tail[1], number)} times at p99"


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
    yield Row((f"{side.load.workload.model}, {load_text(side.load)}", "", "", ""), begins_part=True)
    for each in side.changes:
        name, show = _METRICS[each.metric]
        cells = (value_cell(each.alone, show), value_cell(each.together, show), value_cell(each.ratio, factor))
        yield Row((f"  {name}", *cells))
    if side.num_failed:
        yield Row(("  failed requests", "", f"{side.num_failed:,} of {side.num_requests:,}", ""), is_bad=True)
