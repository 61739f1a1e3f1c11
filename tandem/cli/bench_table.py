"""How a run's figures are shown: a column a stream of work, a row a figure."""

from collections.abc import Callable, Iterator

from rich.table import Table

from bench.load.document import PHASES, Document, StreamResult, Summary
from tandem.cli.terminal import seconds_text

_NONE = "-"
_QUANTILES = {"p50": "p50", "p90": "p90", "p99": "p99", "p99.9": "p999", "max": "max"}


def result_table(document: Document) -> Table:
    """Return the table of one run; rows that say nothing of any stream are left out."""
    table = Table(title=_title(document), title_justify="left")
    table.add_column("")
    for stream in document.streams:
        table.add_column(stream.name, justify="right")
    for name, cell in _rows(document):
        cells = [cell(stream) for stream in document.streams]
        if any(each != _NONE for each in cells):
            table.add_row(name, *cells)
    return table


def load_text(document: Document) -> str:
    """Return the load in words."""
    load = document.scenario.load
    if load.loop == "open":
        end = f" to {load.end_rate_per_second:g}" if load.end_rate_per_second else ""
        return f"open loop, {load.arrivals}, {load.rate_per_second:g}{end} requests/s"
    end = f" to {load.end_concurrency}" if load.end_concurrency else ""
    return f"closed loop, {load.concurrency}{end} at a time"


def generator_text(document: Document) -> str:
    """Return what the generator itself did and cost."""
    audit = document.audit
    late = "-" if audit.lateness.p50 is None else seconds_text(audit.lateness.p50)
    used = sum(each.cpu_seconds for each in audit.processes)
    number = sum(each.num_requests for each in audit.processes)
    share = max(each.cpu_share for each in audit.processes)
    cost = f", {seconds_text(used / number)} of CPU a request" if number else ""
    return (
        f"generator: {late} late at p50, {share:.0%} of a core{cost}, {audit.max_outstanding:,} under way at the most"
    )


def _title(document: Document) -> str:
    part = "partial: " if document.is_partial else ""
    return f"{part}{load_text(document)}, {document.window.seconds:.3g} s"


Cell = Callable[[StreamResult], str]


def _rows(document: Document) -> Iterator[tuple[str, Cell]]:
    yield "requests planned", lambda stream: f"{stream.fates.planned:,}"
    for fate in ("ok", "error", "deadline", "cancelled", "unfinished", "dropped", "abandoned"):
        yield f"  {fate}", lambda stream, fate=fate: _count(getattr(stream.fates, fate))  # type: ignore[misc]
    yield from _quantiles("latency", lambda stream: stream.latency.seconds)
    yield from _quantiles(
        "first output", lambda stream: stream.first_output.seconds, lambda s: s.delivery == "streamed"
    )
    yield from _quantiles("gap", lambda stream: stream.gap.seconds if stream.gap else None)
    yield "requests/s", lambda stream: f"{stream.rates.requests:,.4g}"
    yield "outputs/s", lambda stream: f"{stream.rates.outputs:,.5g} {stream.unit}s"
    yield "images/s", lambda stream: _NONE if stream.rates.images is None else f"{stream.rates.images:,.5g}"
    yield "within the objective", _goodput
    yield "batch size, mean", lambda stream: f"{stream.batch_size.mean:.3g}" if stream.batch_size.mean else _NONE
    yield "the median request", _around_p50
    for phase in PHASES:
        yield f"  {phase.replace('_', ' ')}", lambda stream, phase=phase: _phase(stream, phase)  # type: ignore[misc]


def _quantiles(
    name: str,
    summary: Callable[[StreamResult], Summary | None],
    applies: Callable[[StreamResult], bool] = lambda _: True,
) -> Iterator[tuple[str, Cell]]:
    for shown, field in _QUANTILES.items():

        def cell(stream: StreamResult, field: str = field) -> str:
            found = summary(stream)
            seconds = getattr(found, field) if found is not None and applies(stream) else None
            return _NONE if seconds is None else seconds_text(seconds)

        yield f"{name} {shown}", cell


def _count(number: int) -> str:
    return f"{number:,}" if number else _NONE


def _goodput(stream: StreamResult) -> str:
    goodput = stream.goodput
    if goodput is None or goodput.share is None:
        return _NONE
    return f"{goodput.share:.1%}, {goodput.requests:,.4g}/s"


def _around_p50(stream: StreamResult) -> str:
    return seconds_text(stream.phases.latency_around_p50_seconds) if stream.phases else _NONE


def _phase(stream: StreamResult, name: str) -> str:
    phase = stream.phases.parts.get(name) if stream.phases else None
    return _NONE if phase is None else seconds_text(phase.around_p50_seconds)
