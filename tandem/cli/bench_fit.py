"""`tandem bench fit`: service curves, what they predict, and whether the prediction holds."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.load.files import check_writable
from tandem.cli.bench_folder import ResultFolder
from tandem.cli.bench_options import RESULTS_DIR, Seed, timestamp
from tandem.cli.bench_stages import stages
from tandem.cli.failures import FAILED, INTERRUPTED, friendly_errors
from tandem.cli.options import ADDRESS, Address
from tandem.cli.packages import REPORT_PACKAGES, need_packages
from tandem.cli.terminal import Terminal

FILE_NAME = "crossover.json"
_FIT, _CHECK = "Fit", "Check"


def fit(
    sequential_model: Annotated[str, typer.Option(help="Draws in sequence, where there is more than one.")] = "",
    parallel_model: Annotated[str, typer.Option(help="Draws in parallel, where there is more than one.")] = "",
    concurrency: Annotated[
        int, typer.Option(help="Callers of a closed loop that finds the most that comes out.", rich_help_panel=_FIT)
    ] = 64,
    climb_seconds: Annotated[
        float, typer.Option(help="Length of an open loop whose rate climbs to that.", rich_help_panel=_FIT)
    ] = 6.0,
    rounds: Annotated[int, typer.Option(help="How often each model's load climbs.", rich_help_panel=_FIT)] = 2,
    slo: Annotated[
        float, typer.Option(metavar="SECONDS", help="Objective: 99 of 100 images within it.", rich_help_panel=_CHECK)
    ] = 0.25,
    check_shares: Annotated[
        str,
        typer.Option(
            metavar="S,S,...",
            help="Rates of the held-out open loops, of the capacity predicted.",
            rich_help_panel=_CHECK,
        ),
    ] = "0.5,0.7,0.85,1,1.15",
    check_seconds: Annotated[float, typer.Option(help="Each of them.", rich_help_panel=_CHECK)] = 5.0,
    streamed: Annotated[bool, typer.Option("--streamed", help="Ask for streams; unary calls by default.")] = False,
    text_model: Annotated[
        str,
        typer.Option(metavar="NAME", help="Measure this language model, too, for illustration: its length is free."),
    ] = "",
    compare_file: Annotated[
        Path | None, typer.Option("--compare", dir_okay=False, help="A `tandem bench compare` result: tells the cost.")
    ] = None,
    seed: Seed = 0,
    out_dir: Annotated[
        Path | None, typer.Option("--out", file_okay=False, help=rf"Folder.  \[default: {RESULTS_DIR}/fit-TIME]")
    ] = None,
    address: Address = ADDRESS,
) -> None:
    """Fit service curves, predict the capacity within an objective, and check that in runs the fit has not seen.

    sequential: t0 + L * t_step(batch); parallel: t0 + t_batch(batch). Says at which load, batch and length parallel
    wins, on p50, p99, throughput and cost. Writes crossover.json, and the document of each run beside it.
    """
    terminal = Terminal()
    with friendly_errors(terminal, address):
        settings = {
            "delivery": "streamed" if streamed else "unary",
            "concurrency": concurrency,
            "climb_seconds": climb_seconds,
            "num_rounds": rounds,
            "slo_seconds": slo,
            "check_shares": check_shares,
            "check_seconds": check_seconds,
            "text_model": text_model,
            "seed": seed,
        }
        folder = ResultFolder(out_dir or RESULTS_DIR / f"fit-{timestamp()}", terminal)
        code = asyncio.run(
            fitted(address, (sequential_model, parallel_model), settings, compare_file, folder, terminal)
        )
        terminal.note(f"documents: {folder.path}")
    if code:
        raise typer.Exit(code)


async def fitted(
    address: str,
    models: tuple[str, str],
    settings: dict[str, Any],
    compare_file: Path | None,
    folder: ResultFolder,
    terminal: Terminal,
) -> int:
    """Carry the fit out, keep and show its document; return the exit code. Raises TandemRpcError and ValueError."""
    need_packages("report", *REPORT_PACKAGES)
    from bench.compare.document import read_comparison
    from bench.crossover.crossover import crossover
    from bench.crossover.runs import BrokenOff, Models, conductor, settings_of
    from tandem.cli.bench_fit_tables import show_crossover

    checked = settings_of(settings)
    comparison = None if compare_file is None else read_comparison(compare_file)
    check_writable(folder.path / FILE_NAME)
    with stages(terminal) as stage:
        run = conductor(address, stage.progressed, stage.stop, folder.keep_run)
        try:
            found = await crossover(run, Models(*models), checked, comparison, stage.named, address)
        except BrokenOff as error:
            terminal.fail(str(error))
            return INTERRUPTED if stage.stop.is_set() else FAILED
    found = found.model_copy(update={"runs": tuple(folder.runs)})
    is_kept = folder.keep(FILE_NAME, found)
    show_crossover(found, terminal)
    if stage.stop.is_set():
        return INTERRUPTED
    return FAILED if found.is_partial or found.problems or not is_kept else 0
