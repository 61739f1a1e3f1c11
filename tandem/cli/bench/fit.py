"""`tandem bench fit`: service curves, and how much load each model carries within an objective."""

import asyncio
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from tandem.cli.bench.folder import ResultFolder
from tandem.cli.bench.options import RESULTS_DIR, ModelOptions, Seed, folder_option, timestamp
from tandem.cli.bench.progress import stages
from tandem.cli.bench.showing import show_crossover
from tandem.cli.failures import FAILED, INTERRUPTED, friendly_errors
from tandem.cli.grouped import grouped
from tandem.cli.options import ADDRESS, Address
from tandem.cli.packages import REPORT_PACKAGES, need_packages
from tandem.cli.terminal import Terminal
from tandem.measure.generator.generator import BrokenOff, generator
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.crossover import Settings
from tandem.measure.results.files import check_writable, read_as
from tandem.measure.scenario import PARADIGMS
from tandem.measure.setting_errors import checked

FILE_NAME = "crossover.json"
_fit = partial(typer.Option, rich_help_panel="Fit")
_capacity = partial(typer.Option, rich_help_panel="Capacity")


@dataclass(frozen=True)
class FitOptions:
    """Fields of tandem.measure.results.crossover.Settings, as people give them."""

    concurrency: Annotated[int, _fit(help="Callers of a closed loop that finds the most that comes out.")] = 64
    climb_seconds: Annotated[float, _fit(help="Length of an open loop whose rate climbs to that.")] = 6.0
    num_rounds: Annotated[int, _fit("--rounds", help="How often each model's load climbs.")] = 2
    slo_seconds: Annotated[
        float, _capacity("--slo", metavar="SECONDS", help="Objective: 99 of 100 images within it.")
    ] = 0.25
    num_trials: Annotated[
        int, _capacity("--trials", help="Open loops at steady rates for each model, by bisection.")
    ] = 5
    trial_seconds: Annotated[float, _capacity(help="Each of them; up to 4 times as long for 300 requests.")] = 5.0
    text_model: Annotated[
        str,
        typer.Option(metavar="NAME", help="Measure this language model, too, for illustration: its length is free."),
    ] = ""
    seed: Seed = 0


@grouped
def fit(
    models: ModelOptions,
    options: FitOptions,
    streamed: Annotated[bool, typer.Option("--streamed", help="Ask for streams; unary calls by default.")] = False,
    compare_file: Annotated[
        Path | None, typer.Option("--compare", dir_okay=False, help="A `tandem bench compare` result, for the costs.")
    ] = None,
    out_dir: Annotated[Path | None, folder_option("fit")] = None,
    address: Address = ADDRESS,
) -> None:
    """Fit service curves, and measure between which rates the capacity of each model within an objective lies.

    sequential: t0 + L * t_step(batch); parallel: t0 + t_batch(batch). Says who was faster at loads that both carried,
    how much each carries, and what each costs. Writes crossover.json, and the document of each run beside it.
    """
    terminal = Terminal()
    with friendly_errors(terminal, address):
        settings = {**vars(options), "delivery": "streamed" if streamed else "unary"}
        comparison = None if compare_file is None else read_as(compare_file, Comparison)
        folder = ResultFolder(out_dir or RESULTS_DIR / f"fit-{timestamp()}", terminal)
        code = asyncio.run(fitted(address, models.names, settings, comparison, folder, terminal))
        terminal.note(f"documents: {folder.path}")
    raise typer.Exit(code)


async def fitted(
    address: str,
    models: tuple[str, str],
    settings: dict[str, Any],
    comparison: Comparison | None,
    folder: ResultFolder,
    terminal: Terminal,
) -> int:
    """Carry the fit out, keep and show its document; return the exit code. Raises TandemRpcError and ExpectedError."""
    need_packages("report", *REPORT_PACKAGES)
    from tandem.measure.studies.crossover.crossover import crossover
    from tandem.measure.studies.crossover.runs import conductor

    asked = checked(Settings, settings)
    check_writable(folder.path / FILE_NAME)
    with stages(terminal) as stage:
        try:
            async with generator(address, stage.stop) as source:
                run = conductor(source, stage.progressed, folder.keep_run)
                by_paradigm = dict(zip(PARADIGMS, models, strict=True))
                found = await crossover(run, by_paradigm, asked, comparison, stage.named, address)
        except BrokenOff as error:
            terminal.fail(str(error))
            return INTERRUPTED if stage.stop.is_set() else FAILED
    found = found.model_copy(update={"runs": tuple(folder.runs)})
    return folder.end(FILE_NAME, found, show_crossover, stage.stop.is_set())
