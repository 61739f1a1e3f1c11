"""`tandem bench run` and `sweep`: one load, its table and its document; or one load after another, and one table."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

from tandem.cli.bench.options import (
    RESULTS_DIR,
    ApiOptions,
    MethodOptions,
    Requests,
    RunOptions,
    WorkloadTexts,
    folder_option,
    load_option,
    parse_workloads,
    timestamp,
)
from tandem.cli.bench.results import keep_document, run_shown, show, show_run, tell_run_problems
from tandem.cli.failures import FAILED, INTERRUPTED
from tandem.cli.options import ADDRESS, Address
from tandem.cli.terminal import Terminal
from tandem.measure.generator.control import control_of, slice_of
from tandem.measure.generator.generator import generator, stopped_by_hand
from tandem.measure.generator.run import RunResult
from tandem.measure.report.llmd import llmd_report
from tandem.measure.report.prose import tables
from tandem.measure.results.curve import curve_of
from tandem.measure.results.files import check_writable, write_requests
from tandem.measure.results.load import Document
from tandem.measure.scenario import ClosedLoop, OpenLoop, Scenario
from tandem.measure.trace import TraceRow, read_trace
from tandem.shared.validation_errors import validate

Load = OpenLoop | ClosedLoop
N = TypeVar("N", int, float)

DEFAULT_RATE = 10.0
CURVE = "curve.json"


@dataclass(frozen=True)
class LoadOptions:
    """The load: an open loop, or a closed one, or a trace."""

    rate: Annotated[float | None, load_option(help=rf"Open loop: requests/s.  \[default: {DEFAULT_RATE:g}]")] = None
    concurrency: Annotated[
        int | None, load_option(help="Closed loop instead: callers, one request each at a time.")
    ] = None
    ramp_to: Annotated[
        float | None, load_option(help="Rate, or callers, at the end: a linear ramp over the duration.")
    ] = None

    trace: Annotated[
        Path | None,
        load_option(
            dir_okay=False, help="Mooncake's JSONL instead: requests when it says, with its prompts in common."
        ),
    ] = None
    trace_speed: Annotated[float, load_option(min=0.001, help="So many times as fast.")] = 1.0

    def rows(self) -> tuple[TraceRow, ...]:
        """Return the requests of the trace, if there is one. Raises ExpectedError, OSError, BadParameter."""
        if self.trace is None:
            return ()
        if (self.rate, self.concurrency, self.ramp_to) != (None, None, None):
            raise typer.BadParameter(
                "--trace says when requests come; --rate, --concurrency, --ramp-to do not go with it"
            )
        return read_trace(self.trace, self.trace_speed)

    def loop(self, arrivals: str) -> Load:
        """Raises typer.BadParameter and ValueError."""
        if self.rate is not None and self.concurrency is not None:
            raise typer.BadParameter("give one of --rate (open loop) and --concurrency (closed loop)")
        if self.concurrency is not None:
            return validate(ClosedLoop, {"concurrency": self.concurrency, "end_concurrency": self.ramp_to})
        rate = DEFAULT_RATE if self.rate is None else self.rate
        return _open_loop(rate, arrivals, self.ramp_to)


def _open_loop(rate: float, arrivals: str, end_rate: float | None = None) -> OpenLoop:
    """Raises ValueError."""
    return validate(OpenLoop, {"rate_per_second": rate, "arrivals": arrivals, "end_rate_per_second": end_rate})


def run(
    terminal: Terminal,
    *,
    workload: WorkloadTexts = None,
    api: ApiOptions,
    method: MethodOptions,
    load: LoadOptions,
    options: RunOptions,
    control: Annotated[
        bool,
        load_option(
            "--control",
            help="The load twice more, in alternating slices: how large must a difference be to mean anything here?",
        ),
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, help=rf"The document.  \[default: {RESULTS_DIR}/TIME.json]")
    ] = None,
    document_format: Annotated[
        Literal["tandem", "llm-d"], typer.Option("--format", help="Of the document. llm-d: its Benchmark Report 0.2.1.")
    ] = "tandem",
    jsonl_file: Annotated[
        Path | None, typer.Option("--jsonl", dir_okay=False, help="Write a JSON line of each request here.")
    ] = None,
    address: Address = ADDRESS,
) -> None:
    """Put one load on a server and measure what it does.

    An open loop by default: requests start when they are due, and latency counts from then. Ends with 1 if anything
    failed or the generator itself was not good enough, with 130 on Ctrl-C; what was measured is kept.
    """
    workloads, messages = asyncio.run(method.workloads(address, workload, api))
    if document_format == "llm-d" and len(workloads) > 1:
        raise typer.BadParameter("--format llm-d: a report is of one workload")
    trace = load.rows()
    if trace:
        scenario = options.of_trace(workloads, trace, has_control=control)
    else:
        scenario = options.scenario(workloads, load.loop(options.arrivals))
    path = json_file or RESULTS_DIR / f"{timestamp()}.json"
    for file in (path, jsonl_file):
        if file is not None:
            check_writable(file)
    run_result, is_interrupted = asyncio.run(_run(address, scenario, messages, trace, control, terminal))
    is_kept = _report(run_result, path, jsonl_file, document_format, terminal)
    if is_interrupted:
        raise typer.Exit(INTERRUPTED)
    if not (is_kept and run_result.is_good):
        raise typer.Exit(FAILED)


async def _run(
    address: str,
    scenario: Scenario,
    messages: Requests,
    trace: Sequence[TraceRow],
    has_control: bool,
    terminal: Terminal,
) -> tuple[RunResult, bool]:
    if has_control:
        slice_of(scenario)  # before the run, not after it
    async with generator(address) as source:
        run_result, is_interrupted = await run_shown(source, scenario, terminal, requests=messages, trace=trace)
        if not has_control or is_interrupted or run_result.document.is_partial:
            return run_result, is_interrupted
        with stopped_by_hand(source.stop):
            terminal.note("control: the same load twice more, in slices")
            control = await control_of(source, run_result.document.scenario, messages)
        document = run_result.document.model_copy(update={"control": control})
        return replace(run_result, document=document), source.stop.is_set()


def _report(
    run_result: RunResult, path: Path, jsonl_file: Path | None, document_format: str, terminal: Terminal
) -> bool:
    """Show and keep everything; return whether all files could be written."""
    document = run_result.document
    show_run(document, terminal)
    is_kept = keep_document(document if document_format == "tandem" else llmd_report(document), path, terminal)
    if is_kept:
        terminal.note(f"document: {path}")
    if jsonl_file is not None:
        try:
            write_requests(jsonl_file, document.scenario, run_result.record)
        except OSError as error:
            terminal.fail(f"cannot write {jsonl_file}: {error.strerror or error}")
            is_kept = False
    tell_run_problems(document, terminal)
    return is_kept


def sweep(
    terminal: Terminal,
    *,
    workload: WorkloadTexts = None,
    rates: Annotated[str | None, load_option(metavar="R,R,...", help="Open loops: requests/s of each run.")] = None,
    concurrencies: Annotated[
        str | None, load_option(metavar="N,N,...", help="Closed loops instead: callers of each.")
    ] = None,
    api: ApiOptions,
    rounds: Annotated[int, load_option(min=1, help="How often all of it; every second round runs backwards.")] = 1,
    options: RunOptions,
    out_dir: Annotated[Path | None, folder_option("sweep", "Folder of the documents")] = None,
    address: Address = ADDRESS,
) -> None:
    """Put one load after another on a server: the curve of latency and throughput.

    Rounds run there and back, so that a machine that drifts hurts all loads alike; each round has a seed of its own.
    """
    loads = _loads(rates, concurrencies, options.arrivals)
    folder = out_dir or RESULTS_DIR / f"sweep-{timestamp()}"
    points = [
        (
            name,
            folder / f"{name}-round-{number + 1}.json",
            options.scenario(parse_workloads(workload, api.api, api.model), load, number),
        )
        for number in range(rounds)
        for name, load in (loads if number % 2 == 0 else loads[::-1])
    ]
    check_writable(points[0][1])
    code = asyncio.run(_sweep(address, points, folder / CURVE, terminal))
    terminal.note(f"documents: {folder}")
    raise typer.Exit(code)


def _loads(rates: str | None, concurrencies: str | None, arrivals: str) -> list[tuple[str, Load]]:
    if (rates is None) == (concurrencies is None):
        raise typer.BadParameter("give one of --rates (open loops) and --concurrencies (closed loops)")
    loads: list[tuple[str, Load]]
    if rates is not None:
        loads = [(f"rate-{rate:g}", _open_loop(rate, arrivals)) for rate in _numbers("--rates", rates, float)]
    else:
        callers = _numbers("--concurrencies", concurrencies or "", int)
        loads = [(f"concurrency-{number}", validate(ClosedLoop, {"concurrency": number})) for number in callers]
    names = [name for name, _ in loads]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise typer.BadParameter(
            f"two loads have the name {twice}, by which files are told apart; --rounds repeats loads"
        )
    return loads


def _numbers(option: str, text: str, kind: type[N]) -> list[N]:
    try:
        return [kind(word) for word in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not accepted: numbers with commas between", param_hint=option) from None


async def _sweep(
    address: str, points: Sequence[tuple[str, Path, Scenario]], curve_file: Path, terminal: Terminal
) -> int:
    """Carry out the scenarios in turn, each with its load's name and the file of its document; return the exit code.

    A run that was broken off ends the sweep.
    """
    runs: list[tuple[str, Document]] = []
    code = 0
    async with generator(address) as source:
        for place, (name, file, scenario) in enumerate(points):
            terminal.note(f"{place + 1} of {len(points)}: {file.stem}")
            run_result, is_interrupted = await run_shown(source, scenario, terminal)
            document = run_result.document
            runs.append((name, document))
            is_kept = keep_document(document, file, terminal)
            tell_run_problems(document, terminal)
            if not (is_kept and run_result.is_good):
                code = FAILED
            if document.is_partial:
                code = INTERRUPTED if is_interrupted else FAILED
                break
    show(terminal, tables("load.sweep", runs))
    if (curve := curve_of([document for _, document in runs])) is not None:
        show(terminal, tables("load.curve", curve))
        if not keep_document(curve, curve_file, terminal):
            code = FAILED
    return code
