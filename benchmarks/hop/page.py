"""The results as a page of tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.harness.bars import bar_cells, cell
from benchmarks.harness.figures import Spreads, spread_of
from benchmarks.harness.messages import FAST_MESSAGES
from benchmarks.harness.printing import table_of
from benchmarks.harness.servers import BEFORE, DIRECT, NOW
from benchmarks.hop.bars import BARS
from benchmarks.hop.clock import LONE, PARADIGMS, SITUATIONS
from benchmarks.hop.document import Results
from benchmarks.hop.durations import NUM_CALLERS, TOKENS_PER_SECOND
from benchmarks.hop.overload import DEADLINE_SECONDS, FACTOR, OVERLOAD
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
        _head(results),
        "## Bars\n\n"
        + table_of(("what", BEFORE, NOW, "bar", "aim", "met"), [bar_cells(bar, spreads, *_PAIR) for bar in BARS]),
        f"## Cost, before a backend without a model\n\n{_COST_NOTE}\n\n"
        + table_of(("what", DIRECT, *_PAIR), _cost_rows(spreads)),
        f"## Clock, before the matched pair of models\n\n{_CLOCK_NOTE}\n\n"
        + table_of(_CLOCK_HEAD, _clock_rows(spreads)),
        "## How many times as long an image takes in sequence, at p50\n\n"
        + table_of(("load", "gateway", "by the clients", "by Prometheus", "off"), _ratio_rows(spreads)),
        f"## Overload, before the matched pair of models\n\n{_OVERLOAD_NOTE}\n\n"
        + table_of(_OVERLOAD_HEAD, _overload_rows(spreads)),
        f"## Where the seconds go\n\nShare of all seconds of a run, %, `{NOW}`.\n\n" + _phase_table(spreads),
    )
    return "\n".join(f"{each.rstrip()}\n" for each in sections)


def _head(results: Results) -> str:
    around = results.around
    before = f"`{BEFORE}`: the gateway of commit {around.before[:12]}" if around.before else f"`{BEFORE}`: not measured"
    broken = "".join(f"\n- broken off: {each}" for each in results.failures)
    return (
        "# The hop: what the gateway costs, and whether its clock is right\n\n"
        f"`python -m benchmarks.hop`, {around.date}, {results.durations.rounds} rounds in {results.seconds:.0f} s,"
        f" contenders in turn; median (lowest-highest) of the rounds. `{NOW}`: commit {around.commit}. {before}.\n\n"
        f"Client, hop and backends share one machine: {around.text}\n{broken}"
    )


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
_OVERLOAD_NOTE = (
    f"An open loop asks `{NOW}` for {FACTOR:g} times the requests a second of {NUM_CALLERS} callers in closed loop,"
    f" each with a deadline of {DEADLINE_SECONDS:g} s. Goodput: what ends OK, in time and while the load lasts, as a"
    " share of the closed loop's rate. The client has a part of the same cores."
)
_OVERLOAD_HEAD = ("paradigm", "goodput, %", "refusals, p50 in ms", "p99")
_OVERLOAD_COLUMNS = (("goodput", 100, 1), ("refusal_p50_ms", 1, 2), ("refusal_p99_ms", 1, 2))
_CLOCK_HEAD = (
    "paradigm and load",
    "gateway",
    "requests/s",
    "client p50, ms",
    "Prometheus p50",
    "off, %",
    "client p99, ms",
    "Prometheus p99",
    "off, %",
    "first output off at p50, %",
    "residual, %",
    "outside the backend, %",
    "delivered, %",
)
_CLOCK_COLUMNS = (
    ("per_second", 1, 1),
    ("client_p50_ms", 1, 2),
    ("prometheus_p50_ms", 1, 2),
    ("p50_error", 100, 1),
    ("client_p99_ms", 1, 2),
    ("prometheus_p99_ms", 1, 2),
    ("p99_error", 100, 1),
    ("first_output_p50_error", 100, 1),
    ("residual_share", 100, 1),
    ("outside_backend_share", 100, 1),
    ("delivered", 100, 1),
)


def _cost_rows(spreads: Spreads) -> Iterable[Sequence[str | Cell]]:
    for name, (what, digits) in _COSTS.items():
        yield what, *(cell(spread_of(spreads, name, each), 1, digits) for each in (DIRECT, *_PAIR))


def _overload_rows(spreads: Spreads) -> Iterable[Sequence[str | Cell]]:
    for paradigm in PARADIGMS:
        where = f"{paradigm}.{OVERLOAD}"
        cells = (
            cell(spread_of(spreads, f"{where}.{name}", NOW), scale, digits) for name, scale, digits in _OVERLOAD_COLUMNS
        )
        yield paradigm, *cells


def _clock_rows(spreads: Spreads) -> Iterable[Sequence[str | Cell]]:
    for paradigm in PARADIGMS:
        for situation in SITUATIONS:
            for gateway in _PAIR:
                where = f"{paradigm}.{situation}"
                found = {name: spread_of(spreads, f"{where}.{name}", gateway) for name, *_ in _CLOCK_COLUMNS}
                if found["per_second"] is not None:
                    cells = (cell(found[name], scale, digits) for name, scale, digits in _CLOCK_COLUMNS)
                    yield f"{paradigm}, {_SITUATIONS[situation]}", gateway, *cells


def _ratio_rows(spreads: Spreads) -> Iterable[Sequence[str | Cell]]:
    for situation in SITUATIONS:
        for gateway in _PAIR:
            client, clock, error = (
                spread_of(spreads, f"ratio.{situation}.{name}", gateway) for name in ("client", "prometheus", "error")
            )
            if client is not None:
                off = f"{cell(error, 100, 1)} %"
                yield _SITUATIONS[situation], gateway, cell(client, 1, 2), cell(clock, 1, 2), off


def _phase_table(spreads: Spreads) -> str:
    phases = sorted({name.rpartition(".phase.")[2] for name in spreads if ".phase." in name})
    rows = []
    for paradigm in PARADIGMS:
        for situation in SITUATIONS:
            cells = [spread_of(spreads, f"{paradigm}.{situation}.phase.{phase}", NOW) for phase in phases]
            if any(cells):
                shown = (f"{each.value * 100:.1f}" if each else "" for each in cells)
                rows.append((f"{paradigm}, {_SITUATIONS[situation]}", *shown))
    return table_of(("paradigm and load", *phases), rows)
