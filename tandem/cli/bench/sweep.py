"""`tandem bench sweep`: the same workload at one load after another; a document each, and one table."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from tandem.cli.bench.folder import keep_document
from tandem.cli.bench.options import (
    RESULTS_DIR,
    RunOptions,
    WorkloadTexts,
    closed_loop,
    folder_option,
    load_option,
    open_loop,
    parsed_workloads,
    timestamp,
)
from tandem.cli.bench.progress import measured
from tandem.cli.bench.showing import show, tell_run_problems
from tandem.cli.failures import FAILED, INTERRUPTED, friendly_errors
from tandem.cli.grouped import grouped
from tandem.cli.options import ADDRESS, Address
from tandem.cli.terminal import Terminal
from tandem.measure.generator.generator import generator
from tandem.measure.report.load import sweep_table
from tandem.measure.results.files import check_writable
from tandem.measure.results.load import Document
from tandem.measure.scenario import ClosedLoop, OpenLoop, Scenario


@grouped
def sweep(
    *,
    workload: WorkloadTexts = None,
    rates: Annotated[str | None, load_option(metavar="R,R,...", help="Open loops: requests/s of each run.")] = None,
    concurrencies: Annotated[
        str | None, load_option(metavar="N,N,...", help="Closed loops instead: callers of each.")
    ] = None,
    rounds: Annotated[int, load_option(min=1, help="How often all of it; every second round runs backwards.")] = 1,
    options: RunOptions,
    out_dir: Annotated[Path | None, folder_option("sweep", "Folder of the documents")] = None,
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
            (
                name,
                folder / f"{name}-round-{number + 1}.json",
                options.scenario(parsed_workloads(workload), load, number),
            )
            for number in range(rounds)
            for name, load in (loads if number % 2 == 0 else loads[::-1])
        ]
        check_writable(points[0][1])
        code = asyncio.run(_swept(address, points, terminal))
        terminal.note(f"documents: {folder}")
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


async def _swept(address: str, points: Sequence[tuple[str, Path, Scenario]], terminal: Terminal) -> int:
    """Carry out the scenarios in turn, each with its load's name and the file of its document; return the exit code.

    A run that was broken off ends the sweep.
    """
    runs: list[tuple[str, Document]] = []
    code = 0
    async with generator(address) as source:
        for place, (name, file, scenario) in enumerate(points):
            terminal.note(f"{place + 1} of {len(points)}: {file.stem}")
            run_result, is_interrupted = await measured(source, scenario, terminal)
            document = run_result.document
            runs.append((name, document))
            is_kept = keep_document(document, file, terminal)
            tell_run_problems(document, terminal)
            if not (is_kept and run_result.is_good):
                code = FAILED
            if document.is_partial:
                code = INTERRUPTED if is_interrupted else FAILED
                break
    show(terminal, [sweep_table(runs)])
    return code
