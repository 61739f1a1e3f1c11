"""`tandem bench sweep`: the same work at one load after another; a document each, and one table."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.table import Table

from bench.load.document import Document
from bench.load.files import check_writable
from bench.load.run import planned
from bench.load.scenario import ClosedLoop, OpenLoop, Scenario
from tandem.cli.bench_measuring import keep_document, measured, tell_problems
from tandem.cli.bench_options import (
    LOAD,
    RESULTS_DIR,
    Arrivals,
    Connections,
    Drain,
    Duration,
    MaxOutstanding,
    Processes,
    Requests,
    Seed,
    WarmUp,
    WorkTexts,
    closed_loop,
    open_loop,
    scenario_of,
    timestamp,
)
from tandem.cli.failures import FAILED, INTERRUPTED, friendly_errors
from tandem.cli.options import ADDRESS, Address
from tandem.cli.terminal import Terminal, seconds_text


@dataclass(frozen=True)
class Point:
    """One run of a sweep."""

    scenario: Scenario
    file: Path
    name: str


def sweep(
    work: WorkTexts = None,
    rates: Annotated[
        str | None,
        typer.Option(metavar="R,R,...", help="Open loops: requests/s of each run.", rich_help_panel=LOAD),
    ] = None,
    concurrencies: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Closed loops instead: callers of each.", rich_help_panel=LOAD)
    ] = None,
    rounds: Annotated[
        int,
        typer.Option(min=1, help="How often all of it; every second round runs backwards.", rich_help_panel=LOAD),
    ] = 1,
    arrivals: Arrivals = "poisson",
    duration: Duration = None,
    requests: Requests = None,
    warm_up: WarmUp = 2.0,
    seed: Seed = 0,
    drain: Drain = 60.0,
    processes: Processes = 1,
    connections: Connections = 4,
    max_outstanding: MaxOutstanding = 4000,
    out_dir: Annotated[
        Path | None,
        typer.Option("--out", file_okay=False, help=rf"Folder of the documents.  \[default: {RESULTS_DIR}/sweep-TIME]"),
    ] = None,
    address: Address = ADDRESS,
) -> None:
    """Put one load after another on a server: the curve of latency and throughput.

    Rounds run there and back, so that a machine that drifts hurts all loads alike; each round has a seed of its own.
    """
    terminal = Terminal()
    with friendly_errors(terminal, address):
        loads = _loads(rates, concurrencies, arrivals)
        folder = out_dir or RESULTS_DIR / f"sweep-{timestamp()}"
        settings = {
            "duration_seconds": duration,
            "num_requests": requests,
            "warm_up_seconds": warm_up,
            "drain_seconds": drain,
            "num_processes": processes,
            "connections_per_process": connections,
            "max_outstanding_per_process": max_outstanding,
        }
        points = [
            Point(
                scenario_of(work, load, seed=seed + number, **settings),
                folder / f"{name}-round-{number + 1}.json",
                name,
            )
            for number in range(rounds)
            for name, load in (loads if number % 2 == 0 else loads[::-1])
        ]
        check_writable(points[0].file)
        code = asyncio.run(_sweep(address, points, terminal))
        terminal.note(f"documents: {folder}")
    if code:
        raise typer.Exit(code)


def _loads(rates: str | None, concurrencies: str | None, arrivals: str) -> list[tuple[str, OpenLoop | ClosedLoop]]:
    if (rates is None) == (concurrencies is None):
        raise typer.BadParameter("give one of --rates (open loops) and --concurrencies (closed loops)")
    if rates is not None:
        return [(f"rate-{each:g}", open_loop(each, arrivals)) for each in _numbers("--rates", rates, float)]
    found = _numbers("--concurrencies", concurrencies or "", int)
    return [(f"concurrency-{each}", closed_loop(each)) for each in found]


N = TypeVar("N", int, float)


def _numbers(option: str, text: str, kind: type[N]) -> list[N]:
    try:
        return [kind(word) for word in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not accepted: numbers with commas between", param_hint=option) from None


async def _sweep(address: str, points: Sequence[Point], terminal: Terminal) -> int:
    """Run the points in turn; return the exit code. A run that was broken off ends the sweep."""
    table = _table(points[0].scenario)
    code = 0
    for place, point in enumerate(points):
        terminal.note(f"{place + 1} of {len(points)}: {point.file.stem}")
        outcome, is_interrupted = await measured(await planned(address, point.scenario), terminal)
        document = outcome.document
        _add_rows(table, point.name, document)
        is_kept = keep_document(document, point.file, terminal)
        tell_problems(document, terminal)
        if not (is_kept and outcome.is_good):
            code = FAILED
        if document.is_partial:
            code = INTERRUPTED if is_interrupted else FAILED
            break
    terminal.out.print(table)
    return code


def _table(scenario: Scenario) -> Table:
    works = ", ".join(f"{work.name} ({work.unit}s)" for work in scenario.works)
    table = Table("load", title=works, title_justify="left")
    if len(scenario.works) > 1:
        table.add_column("stream")
    for name in ("ok", "requests/s", "outputs/s", "p50", "p99", "first p50"):
        table.add_column(name, justify="right")
    table.add_column("valid")
    return table


def _add_rows(table: Table, name: str, document: Document) -> None:
    for stream in document.streams:
        latency, first = stream.latency.seconds, stream.first_output.seconds
        names = (name, stream.name) if len(document.streams) > 1 else (name,)
        table.add_row(
            *names,
            f"{stream.fates.ok:,} of {stream.fates.planned:,}",
            f"{stream.rates.requests:,.4g}",
            f"{stream.rates.outputs:,.5g}",
            *("-" if seconds is None else seconds_text(seconds) for seconds in (latency.p50, latency.p99, first.p50)),
            "yes" if document.audit.valid and not document.is_partial else "NO",
        )
