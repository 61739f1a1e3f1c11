"""`tandem bench run`: one load, its table, and its document."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bench.load.files import check_writable, write_requests
from bench.load.run import Outcome, planned
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
from tandem.cli.bench_table import generator_text, result_table
from tandem.cli.failures import FAILED, INTERRUPTED, friendly_errors
from tandem.cli.options import ADDRESS, Address
from tandem.cli.terminal import Terminal

DEFAULT_RATE = 10.0


def run(
    work: WorkTexts = None,
    rate: Annotated[
        float | None,
        typer.Option(help=rf"Open loop: requests/s.  \[default: {DEFAULT_RATE:g}]", rich_help_panel=LOAD),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Closed loop instead: callers, one request each at a time.", rich_help_panel=LOAD)
    ] = None,
    ramp_to: Annotated[
        float | None,
        typer.Option(help="Rate, or callers, at the end: a linear ramp over the duration.", rich_help_panel=LOAD),
    ] = None,
    arrivals: Arrivals = "poisson",
    duration: Duration = None,
    requests: Requests = None,
    warm_up: WarmUp = 2.0,
    seed: Seed = 0,
    drain: Drain = 60.0,
    processes: Processes = 1,
    connections: Connections = 4,
    max_outstanding: MaxOutstanding = 4000,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", dir_okay=False, help=rf"The document.  \[default: {RESULTS_DIR}/TIME.json]"),
    ] = None,
    jsonl_file: Annotated[
        Path | None, typer.Option("--jsonl", dir_okay=False, help="Write a JSON line of each request here.")
    ] = None,
    address: Address = ADDRESS,
) -> None:
    """Put one load on a server and measure what it does.

    An open loop by default: requests start when they are due, and latency counts from then. Ends with 1 if anything
    failed or the generator itself was not good enough, with 130 on Ctrl-C; what was measured is kept.
    """
    terminal = Terminal()
    with friendly_errors(terminal, address):
        scenario = scenario_of(
            work,
            _load(rate, concurrency, ramp_to, arrivals),
            duration_seconds=duration,
            num_requests=requests,
            warm_up_seconds=warm_up,
            drain_seconds=drain,
            num_processes=processes,
            connections_per_process=connections,
            max_outstanding_per_process=max_outstanding,
            seed=seed,
        )
        path = json_file or RESULTS_DIR / f"{timestamp()}.json"
        for file in (path, jsonl_file):
            if file is not None:
                check_writable(file)
        outcome, is_interrupted = asyncio.run(_measured(address, scenario, terminal))
        is_kept = _report(outcome, path, jsonl_file, terminal)
    if is_interrupted:
        raise typer.Exit(INTERRUPTED)
    if not (is_kept and outcome.is_good):
        raise typer.Exit(FAILED)


def _load(rate: float | None, concurrency: int | None, ramp_to: float | None, arrivals: str) -> OpenLoop | ClosedLoop:
    if rate is not None and concurrency is not None:
        raise typer.BadParameter("give one of --rate (open loop) and --concurrency (closed loop)")
    if concurrency is not None:
        return closed_loop(concurrency, ramp_to)
    return open_loop(DEFAULT_RATE if rate is None else rate, arrivals, ramp_to)


async def _measured(address: str, scenario: Scenario, terminal: Terminal) -> tuple[Outcome, bool]:
    return await measured(await planned(address, scenario), terminal)


def _report(outcome: Outcome, path: Path, jsonl_file: Path | None, terminal: Terminal) -> bool:
    """Show and keep everything; return whether all files could be written."""
    document = outcome.document
    terminal.out.print(result_table(document))
    terminal.note(generator_text(document))
    is_kept = keep_document(document, path, terminal)
    if is_kept:
        terminal.note(f"document: {path}")
    if jsonl_file is not None:
        try:
            write_requests(jsonl_file, document.scenario, outcome.record)
        except OSError as error:
            terminal.fail(f"cannot write {jsonl_file}: {error.strerror or error}")
            is_kept = False
    tell_problems(document, terminal)
    return is_kept
