"""How a race's figures are shown."""

from collections.abc import Sequence

from rich.table import Table

from tandem.cli.measurement import Measurement, quantile
from tandem.cli.terminal import seconds_text

NOTE = (
    "Times are the client's, exact. Outside the backend: what the client waited beyond the backend's own total, so the"
    " gateway, both hops and the client itself; the gateway's own is what it spent before it passed the request on and"
    " after the last answer.\nClosed loop: each caller waits for its answer before it asks again.\nA token and an image"
    " are different units: the two rates do not compare. Matched work comes with the matched pair of models."
)


def race_table(measurements: Sequence[Measurement]) -> Table:
    """Return one column a paradigm, one row a figure."""
    table = Table(title="race", title_justify="left")
    table.add_column("")
    for each in measurements:
        table.add_column(each.name, justify="right")
    for name, cells in _rows(measurements):
        table.add_row(name, *cells)
    return table


def _rows(sides: Sequence[Measurement]) -> list[tuple[str, list[str]]]:
    return [
        ("call", [each.rpc for each in sides]),
        ("requests, at a time", [f"{each.num_requests}, {each.concurrency}" for each in sides]),
        ("latency p50", [_shown(each.latencies_seconds, 0.50) for each in sides]),
        ("latency p95", [_shown(each.latencies_seconds, 0.95) for each in sides]),
        ("latency p99", [_shown(each.latencies_seconds, 0.99) for each in sides]),
        ("first output p50", [_shown(each.first_outputs_seconds, 0.50) for each in sides]),
        ("outputs/s", [f"{each.outputs_per_second:,.1f} {each.unit}/s" for each in sides]),
        ("outside the backend p50", [_shown(each.outside_backend_seconds, 0.50) for each in sides]),
        ("of it the gateway's own", [_shown(each.gateway_seconds, 0.50) for each in sides]),
        ("errors", [_errors(each) for each in sides]),
    ]


def _shown(values: list[float], q: float) -> str:
    seconds = quantile(values, q)
    return "-" if seconds is None else seconds_text(seconds)


def _errors(measurement: Measurement) -> str:
    return ", ".join(f"{count} {code}" for code, count in sorted(measurement.errors.items())) or "0"
