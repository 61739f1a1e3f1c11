"""`tandem bench colocation`: what each service takes from the other where both run on the same cores."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from tandem.cli.bench.folder import ResultFolder
from tandem.cli.bench.options import RESULTS_DIR, ModelOptions, folder_option, timestamp
from tandem.cli.bench.progress import stages
from tandem.cli.bench.showing import show_colocation
from tandem.cli.failures import friendly_errors
from tandem.cli.grouped import grouped
from tandem.cli.options import ADDRESS, Address
from tandem.cli.packages import need_packages
from tandem.cli.terminal import Terminal
from tandem.measure.results.colocation import Settings
from tandem.measure.results.crossover import Crossover
from tandem.measure.results.files import check_writable, read_as
from tandem.measure.setting_errors import checked

FILE_NAME = "colocation.json"


@dataclass(frozen=True)
class ColocationOptions:
    """Fields of tandem.measure.results.colocation.Settings, as people give them."""

    text_model: Annotated[str, typer.Option(help=r"A language model. \[default: the first, if one is served]")] = ""
    num_rounds: Annotated[int, typer.Option("--rounds", help="How often each service, and each two, are tried.")] = 8
    trial_seconds: Annotated[float, typer.Option(metavar="SECONDS", help="Length of each trial.")] = 2.0
    seed: Annotated[int, typer.Option(help="Of arrivals, requests and the order.")] = 0


@grouped
def colocation(
    models: ModelOptions,
    options: ColocationOptions,
    fit_file: Annotated[
        Path | None, typer.Option("--fit", dir_okay=False, help="A `tandem bench fit` result, for the capacities.")
    ] = None,
    out_dir: Annotated[Path | None, folder_option("colocation")] = None,
    address: Address = ADDRESS,
) -> None:
    """Measure what each service takes from the other where both run on the same cores.

    Each service alone and both together take turns at the same loads: images at half of the capacity, and one stream of
    text at a time. Without --fit, closed loops estimate the capacities. Takes some two minutes and writes
    colocation.json. Ends with 1 if anything failed, with 130 on Ctrl-C; whole rounds are kept.
    """
    terminal = Terminal()
    with friendly_errors(terminal, address):
        fit = None if fit_file is None else read_as(fit_file, Crossover)
        folder = ResultFolder(out_dir or RESULTS_DIR / f"colocation-{timestamp()}", terminal)
        code = asyncio.run(colocated(address, models.names, vars(options), fit, folder, terminal))
        terminal.note(f"document: {folder.path / FILE_NAME}")
    raise typer.Exit(code)


async def colocated(
    address: str,
    models: tuple[str, str],
    settings: dict[str, Any],
    fit: Crossover | None,
    folder: ResultFolder,
    terminal: Terminal,
) -> int:
    """Measure, keep and show the document; return the exit code. Raises TandemRpcError and ValueError."""
    need_packages("report", "scipy")
    from tandem.measure.studies.colocation.measuring import measured

    asked = checked(Settings, {**settings, "sequential_model": models[0], "parallel_model": models[1]})
    found = () if fit is None else fit.capacities
    capacities = {each.model: each.low_per_second for each in found if each.low_per_second is not None}
    check_writable(folder.path / FILE_NAME)
    with stages(terminal) as stage:
        document = await measured(address, asked, capacities, stage.named, stage.stop)
    return folder.end(FILE_NAME, document, show_colocation, stage.stop.is_set())
