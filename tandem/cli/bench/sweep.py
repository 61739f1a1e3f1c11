"""`tandem bench sweep`: the same workload at one load after another; a document each, and one table."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from tandem.cli.bench.measuring import keep_document, measured
from tandem.cli.bench.options import (
    LOAD,
    RESULTS_DIR,
    RunOptions,
    WorkloadTexts,
    closed_loop,
    open_loop,
    parsed_workloads,
    timestamp,
)
from tandem.cli.bench.showing import show, tell_run_problems
from tandem.cli.failures import FAILED, INTERRUPTED, friendly_errors
from tandem.cli.grouped import grouped
from tandem.cli.options import ADDRESS, Address
from tandem.cli.terminal import Terminal
from tandem.measure.generator.generator import Generator, generator
from tandem.measure.report.load import sweep_table
from tandem.measure.results.files import check_writable
from tandem.measure.results.load import Document
from tandem.measure.scenario import ClosedLoop, OpenLoop, Scenario


@dataclass(frozen=True)
class Point:
    """One run of a sweep."""

    scenario: Scenario
    file: Path
    name: str


@grouped
def sweep(
    *,
    workload: WorkloadTexts = None,
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
    options: RunOptions,
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
        loads = _loads(rates, concurrencies, options.arrivals)
        folder = out_dir or RESULTS_DIR / f"sweep-{timestamp()}"
        points = [
            Point(
                options.scenario(parsed_workloads(workload), load, number),
                folder / f"{name}-round-{number + 1}.json",
                name,
            )
            for number in range(rounds)
            for name, load in (loads if number % 2 == 0 else loads[::-1])
        ]
        check_writable(points[0].file)
        code = asyncio.run(_swept(address, points, terminal))
        terminal.note(f"documents: {folder}")
    if code:
        raise typer.Exit(code)


def _loads(rates: str | None, concurrencies: str | None, arrivals: str) -> list[tuple[str, OpenLoop | ClosedLoop]]:
    if (rates is None) == (concurrencies is None):
        raise typer.BadParameter("give one of --rates (open loops) and --concurrencies (closed loops)")
    loads: list[tuple[str, OpenLoop | ClosedLoop]]
    if rates is not None:
        loads = [(f"rate-{each:g}", open_loop(each, arrivals)) for each in _numbers("--rates", rates, float)]
    else:
        found = _numbers("--concurrencies", concurrencies or "", int)
        loads = [(f"concurrency-{each}", closed_loop(each)) for each in found]
    names = [name for name, _ in loads]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise typer.BadParameter(
            f"two loads have the name {twice}, by which files are told apart; --rounds repeats loads"
        )
    return loads


N = TypeVar("N", int, float)


def _numbers(option: str, text: str, kind: type[N]) -> list[N]:
    try:
        return [kind(word) for word in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not accepted: numbers with commas between", param_hint=option) from None


async def _swept(address: str, points: Sequence[Point], terminal: Terminal) -> int:
    async with generator(address) as source:
        return await _sweep(source, points, terminal)


async def _sweep(source: Generator, points: Sequence[Point], terminal: Terminal) -> int:
    """Run the points in turn; return the exit code. A run that was broken off ends the sweep."""
    runs: list[tuple[str, Document]] = []
    code = 0
    for place, point in enumerate(points):
        terminal.note(f"{place + 1} of {len(points)}: {point.file.stem}")
        run_result, is_interrupted = await measured(source, point.scenario, terminal)
        document = run_result.document
        runs.append((point.name, document))
        is_kept = keep_document(document, point.file, terminal)
        tell_run_problems(document, terminal)
        if not (is_kept and run_result.is_good):
            code = FAILED
        if document.is_partial:
            code = INTERRUPTED if is_interrupted else FAILED
            break
    show(terminal, [sweep_table(runs)])
    return code
