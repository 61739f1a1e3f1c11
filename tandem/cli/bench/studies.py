"""`tandem bench fit`, `growth` and `colocation`: studies that write a document each. What varies is in their names."""

import asyncio
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from tandem.cli.bench.options import RESULTS_DIR, ModelOptions, Seed, folder_option, timestamp
from tandem.cli.bench.results import COLOCATION, FIT, ResultFolder, Stages
from tandem.cli.options import ADDRESS, Address
from tandem.cli.packages import REPORT_PACKAGES, need_packages
from tandem.cli.terminal import Terminal
from tandem.measure.results import colocation as together
from tandem.measure.results import crossover
from tandem.measure.results import growth as growing
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.files import check_writable, read_as
from tandem.measure.scenario import PARADIGMS
from tandem.shared.validation_errors import validate

_fit = partial(typer.Option, rich_help_panel="Fit")
_capacity = partial(typer.Option, rich_help_panel="Capacity")
_streams = partial(typer.Option, rich_help_panel="Streams")
_context = partial(typer.Option, rich_help_panel="Context")


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


def fit(
    terminal: Terminal,
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
    settings = {**vars(options), "delivery": "streamed" if streamed else "unary"}
    comparison = None if compare_file is None else read_as(compare_file, Comparison)
    folder = ResultFolder(out_dir or RESULTS_DIR / f"fit-{timestamp()}", terminal)
    code = fit_to(folder, address, models.names, settings, comparison, terminal)
    terminal.note(f"documents: {folder.path}")
    raise typer.Exit(code)


def fit_to(
    folder: ResultFolder,
    address: str,
    models: tuple[str, str],
    settings: dict[str, Any],
    comparison: Comparison | None,
    terminal: Terminal,
) -> int:
    """Carry the fit out, keep and show its document; return the exit code. Raises TandemRpcError and ExpectedError."""
    need_packages("report", *REPORT_PACKAGES)
    from tandem.measure.studies.fit.fit import run_fit

    asked = validate(crossover.Settings, settings)
    check_writable(folder.path / FIT)
    names = dict(zip(PARADIGMS, models, strict=True))
    with Stages(terminal) as stages:
        hooks: dict[str, Any] = {"on_stage": stages.begin, "on_progress": stages.count, "keep": folder.keep_run}
        document = asyncio.run(run_fit(address, names, asked, comparison, **hooks))
    return folder.end(FIT, document.model_copy(update={"runs": tuple(folder.runs)}))


@dataclass(frozen=True)
class ColocationOptions:
    """Fields of tandem.measure.results.colocation.Settings, as people give them."""

    text_model: Annotated[str, typer.Option(help=r"A language model. \[default: the first, if one is served]")] = ""
    num_rounds: Annotated[int, typer.Option("--rounds", help="How often each service, and each two, are tried.")] = 8
    trial_seconds: Annotated[float, typer.Option(metavar="SECONDS", help="Length of each trial.")] = 2.0
    seed: Annotated[int, typer.Option(help="Of arrivals, requests and the order.")] = 0


def colocation(
    terminal: Terminal,
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
    capacities = None if fit_file is None else read_as(fit_file, crossover.Crossover)
    folder = ResultFolder(out_dir or RESULTS_DIR / f"colocation-{timestamp()}", terminal)
    code = colocate_to(folder, address, models.names, vars(options), capacities, terminal)
    terminal.note(f"document: {folder.path / COLOCATION}")
    raise typer.Exit(code)


def colocate_to(
    folder: ResultFolder,
    address: str,
    models: tuple[str, str],
    settings: dict[str, Any],
    fit: crossover.Crossover | None,
    terminal: Terminal,
) -> int:
    """Measure, keep and show the document; return the exit code. Raises TandemRpcError and ValueError."""
    need_packages("report", "scipy")
    from tandem.measure.studies.colocation import measure_colocation

    asked = validate(together.Settings, {**settings, "sequential_model": models[0], "parallel_model": models[1]})
    ends = {one.model: one.low_per_second for one in fit.capacities} if fit else {}
    capacities = {model: low for model, low in ends.items() if low is not None}
    check_writable(folder.path / COLOCATION)
    with Stages(terminal) as stages:
        document = asyncio.run(measure_colocation(address, asked, capacities, stages.begin))
    return folder.end(COLOCATION, document)


@dataclass(frozen=True)
class GrowthOptions:
    """Fields of tandem.measure.results.growth.Settings, as people give them."""

    model: Annotated[str, typer.Option(help="A sequential text model, where there is more than one.")] = ""
    concurrencies: Annotated[str, _streams("--concurrency", metavar="N,N,...", help="Streams at a time.")] = (
        "1,2,4,8,16,32,48,64"
    )
    prompt_tokens: Annotated[int, _streams("--prompt", help="Tokens of their prompts.")] = 64
    new_tokens: Annotated[int, _streams("--tokens", help="New tokens of each.")] = 64
    contexts: Annotated[str, _context("--context", metavar="N,N,...", help="Tokens of a lone stream's prompt.")] = (
        "64,128,256,512,1024,2000"
    )
    context_new_tokens: Annotated[int, _context("--context-tokens", help="New tokens behind it.")] = 32
    num_rounds: Annotated[int, typer.Option("--rounds", help="How often each point is measured.")] = 5
    seed: Annotated[int, typer.Option(help="Of prompts and order.")] = 0


def growth(
    terminal: Terminal,
    options: GrowthOptions,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help=rf"The document.  \[default: {RESULTS_DIR}/growth-TIME.json]")
    ] = None,
    address: Address = ADDRESS,
) -> None:
    """Measure how the cost of generating in sequence grows, with the streams at a time and with the context.

    Finds the knee, where what streams share of a step costs as much as what each adds, and says why. Five rounds take
    some three minutes at 1,000 tokens/s. `tandem bench report` shows the document. Ends with 1 if anything failed, with
    130 on Ctrl-C; what was measured is kept.
    """
    need_packages("report", *REPORT_PACKAGES)
    from tandem.measure.studies.growth import measure_growth

    settings = validate(growing.Settings, vars(options))
    file = out or RESULTS_DIR / f"growth-{timestamp()}.json"
    check_writable(file)
    with Stages(terminal) as stages:
        document = asyncio.run(measure_growth(address, settings, stages.begin))
    code = ResultFolder(file.parent, terminal).end(file.name, document)
    terminal.note(f"document: {file}")
    raise typer.Exit(code)
