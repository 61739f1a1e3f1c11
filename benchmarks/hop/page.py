"""The results as a page of tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from benchmarks.harness.bars import Results, bar_cells, cell
from benchmarks.harness.figures import Spreads, spread_of
from benchmarks.harness.messages import FAST_MESSAGES
from benchmarks.harness.printing import table_of
from benchmarks.harness.servers import BEFORE, DIRECT, NOW
from benchmarks.hop.clock import LONE, PARADIGMS, SITUATIONS
from benchmarks.hop.durations import NUM_CALLERS, TOKENS_PER_SECOND
from tandem.measure.report.tables.table import Cell

_PAIR = (BEFORE, NOW)
_SITUATIONS = {
    LONE: "one caller",
    f"{NUM_CALLERS}_callers": f"{NUM_CALLERS} callers",
    "load_50": "open loop, 0.5 of the capacity",
    "load_90": "open loop, 0.9",
    "load_100": "open loop, 1.0",
}
_COSTS = {
    "added_unary_p50_ms": ("added to a lone unary request at p50, ms", 3),
    "added_first_message_p50_ms": ("added to the first message of a lone stream", 3),
    "added_whole_stream_p50_ms": (f"added to the whole of it, {FAST_MESSAGES} messages at once", 3),
    "one_unary_p50_ms": ("a lone unary request, p50, ms", 3),
    "one_unary_p99_ms": ("the same, p99", 3),
    "one_first_message_p50_ms": ("first message of a lone stream, p50, ms", 3),
    "one_whole_stream_p50_ms": ("the whole of it, p50", 3),
    "unary_32_connections_per_second": ("32 callers on 32 connections, requests/s", 0),
    "unary_32_connections_cpu_ms": ("CPU of the hop a request, ms", 3),
    "unary_32_connections_python_cpu_ms": ("of it in the Python process", 3),
    "unary_1_connections_per_second": ("32 callers on one connection, requests/s", 0),
    "unary_1_connections_cpu_ms": ("CPU of the hop a request, ms", 3),
    "unary_1_connections_python_cpu_ms": ("of it in the Python process", 3),
    "limit_per_second": ("the same for 20 s, requests/s", 0),
    "fast_per_second": ("32 streams as fast as they can, messages/s", 0),
    "fast_cpu_ms": ("CPU of the hop a message, ms", 4),
    "paced_apart_per_second": ("32 streams, messages due one after another, messages/s", 0),
    "paced_apart_cpu_ms": ("CPU of the hop a message, ms", 4),
    "paced_together_per_second": ("32 streams, messages due at the same time, messages/s", 0),
    "paced_together_cpu_ms": ("CPU of the hop a message, ms", 4),
    "client_cpu_ms_a_request": ("CPU of the load client itself, a request, ms", 4),
    "client_cpu_ms_a_message": ("CPU of the load client itself, a message, ms", 4),
}


def page(results: Results) -> str:
    """Return the page in Markdown."""
    spreads = results.spreads
    sections = (
        results.head("The hop: what the gateway costs, and whether its clock is right", ""),
        "## Bars\n\n"
        + table_of(
            ("what", BEFORE, NOW, "bar", "aim", "met"), [bar_cells(bar, spreads, *_PAIR) for bar in results.bars]
        ),
        f"## Cost, before a backend without a model\n\n{_COST_NOTE}\n\n"
        + table_of(("what", DIRECT, *_PAIR), _cost_rows(spreads)),
        f"## Clock, before the matched pair of models\n\n{_CLOCK_NOTE}\n\n"
        + table_of(("paradigm and load", "gateway", *_CLOCK_COLUMNS), _clock_rows(spreads)),
        f"## How many times as long an image takes in sequence, at p50\n\n{_RATIO_NOTE}\n\n"
        + table_of(("load", "gateway", *_RATIO_COLUMNS), _ratio_rows(spreads)),
        f"## Where the seconds go\n\nShare of all seconds of a run, %, `{NOW}`.\n\n" + _phase_table(spreads),
    )
    return "\n".join(f"{each.rstrip()}\n" for each in sections)


_COST_NOTE = (
    "Client and backend are compiled and speak plain HTTP/2, so that neither is the limit. CPU of the hop: user and"
    f" system time of all of its processes. Streams: {NUM_CALLERS} of {TOKENS_PER_SECOND} messages/s each. The client"
    " waits for a core like all others: one that goes first would interrupt the proxy, at the hop's cost."
)
_CLOCK_NOTE = (
    "The same requests by the client's exact times and by the difference of two scrapes of /metrics (quantiles as"
    " histogram_quantile computes them). Residual: its p50 over the duration's. Outside the backend: p50 of the"
    " client's time less the total in the reply, over the client's p50."
    " The client runs with the highest priority that it gets, so that its times do not hold its own wait for a core."
)
_RATIO_NOTE = (
    "Loopback and client alone: what the client waits at p50 beyond the 3 ms after which a compiled backend answers it"
    " directly, that backend's late timer included. No server's clock can know that part."
)

Columns = Mapping[str, tuple[str, int, int]]
"""By heading: the figure's name, what it is multiplied by, and the digits behind the point."""

_RATIO_COLUMNS = {
    "by the clients": ("client", 1, 2),
    "by Prometheus": ("prometheus", 1, 2),
    "off, %": ("error", 100, 1),
    "loopback and client alone, ms": ("floor_ms", 1, 3),
}
_CLOCK_COLUMNS = {
    "requests/s": ("per_second", 1, 1),
    "client p50, ms": ("client_p50_ms", 1, 2),
    "Prometheus p50": ("prometheus_p50_ms", 1, 2),
    "off, %": ("p50_error", 100, 1),
    "client p99, ms": ("client_p99_ms", 1, 2),
    "Prometheus p99": ("prometheus_p99_ms", 1, 2),
    "p99 off, %": ("p99_error", 100, 1),
    "first output off at p50, %": ("first_output_p50_error", 100, 1),
    "residual, %": ("residual_share", 100, 1),
    "outside the backend, %": ("outside_backend_share", 100, 1),
    "delivered, %": ("delivered", 100, 1),
}


def _cost_rows(spreads: Spreads) -> Iterable[Sequence[str | Cell]]:
    for name, (what, digits) in _COSTS.items():
        yield what, *(cell(spread_of(spreads, name, each), 1, digits) for each in (DIRECT, *_PAIR))


def _columns(spreads: Spreads, where: str, gateway: str, columns: Columns) -> Iterable[Cell]:
    for name, scale, digits in columns.values():
        yield cell(spread_of(spreads, f"{where}.{name}", gateway), scale, digits)


def _clock_rows(spreads: Spreads) -> Iterable[Sequence[str | Cell]]:
    for paradigm, situation, gateway in product(PARADIGMS, SITUATIONS, _PAIR):
        where = f"{paradigm}.{situation}"
        if spread_of(spreads, f"{where}.per_second", gateway) is not None:
            yield f"{paradigm}, {_SITUATIONS[situation]}", gateway, *_columns(spreads, where, gateway, _CLOCK_COLUMNS)


def _ratio_rows(spreads: Spreads) -> Iterable[Sequence[str | Cell]]:
    for situation, gateway in product(SITUATIONS, _PAIR):
        if spread_of(spreads, f"ratio.{situation}.client", gateway) is not None:
            yield _SITUATIONS[situation], gateway, *_columns(spreads, f"ratio.{situation}", gateway, _RATIO_COLUMNS)


def _phase_table(spreads: Spreads) -> str:
    phases = sorted({name.rpartition(".phase.")[2] for name in spreads if ".phase." in name})
    rows = []
    for paradigm, situation in product(PARADIGMS, SITUATIONS):
        cells = [spread_of(spreads, f"{paradigm}.{situation}.phase.{phase}", NOW) for phase in phases]
        if any(cells):
            shown = (f"{each.value * 100:.1f}" if each else "" for each in cells)
            rows.append((f"{paradigm}, {_SITUATIONS[situation]}", *shown))
    return table_of(("paradigm and load", *phases), rows)
