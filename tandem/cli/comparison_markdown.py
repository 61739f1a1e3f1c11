"""A comparison as a Markdown table, for a README: the four ways at the least and the greatest load, and quality."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.compare.document import Comparison, Estimate, Point
from tandem.cli.comparison_table import NONE, QUALITY_ROWS, advantage

_ROWS: dict[str, tuple[str, float, Callable[[Point], Estimate | None]]] = {
    # metric: what the row is called, the scale of its values, where they are
    "latency_p50_seconds": ("latency p50, ms", 1e3, lambda point: point.latency.p50),
    "latency_p99_seconds": ("latency p99, ms", 1e3, lambda point: point.latency.p99),
    "first_output_p50_seconds": ("first output p50, ms", 1e3, lambda point: point.first_output.p50),
    "cpu_seconds_per_image": ("servers' CPU, ms", 1e3, lambda point: point.cpu_seconds_per_image.servers),
    "images_per_second": ("images/s", 1.0, lambda point: point.images_per_second),
}


def comparison_markdown(document: Comparison) -> str:
    """Return the table, a line a row; cells are value (low-high). Of a comparison under load."""
    head = ["one image", *(way.name.replace(" ", ", ") for way in document.ways), "parallel better by (unary)"]
    rows = [head, ["---"] * len(head), *_load_rows(document), *_quality_rows(document)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _load_rows(document: Comparison) -> Iterator[list[str]]:
    ladder = document.settings.concurrencies
    for concurrency in dict.fromkeys((min(ladder), max(ladder))):
        points = [next((each for each in way.curve if each.concurrency == concurrency), None) for way in document.ways]
        for metric, (name, scale, pick) in _ROWS.items():
            cells = [_cell(pick(point) if point else None, scale) for point in points]
            better = advantage(document, concurrency, metric)
            yield [f"{concurrency} at a time: {name}", *cells, _cell(better, 1.0) if better else ""]


def _quality_rows(document: Comparison) -> Iterator[list[str]]:
    qualities = {served.paradigm: served.quality for served in document.served}
    found = [qualities[way.paradigm] for way in document.ways]
    for metric in QUALITY_ROWS if any(found) else ():
        yield [metric, *(f"{getattr(each.model, metric):.3g}" if each else NONE for each in found), ""]


def _cell(estimate: Estimate | None, scale: float) -> str:
    if estimate is None:
        return NONE
    ends = [_number(each * scale) for each in (estimate.low, estimate.high) if each is not None]
    value = _number(estimate.value * scale)
    return f"{value} ({'-'.join(ends)})" if ends else value


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
