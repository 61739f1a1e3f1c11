"""`tandem bench tradeoff`: all in one go: compare, steps, fit with its load curves and trials, co-location, report."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from tandem.cli.bench.colocation import colocated
from tandem.cli.bench.comparison.comparing import compared, settings_of
from tandem.cli.bench.fit import fitted
from tandem.cli.bench.folder import PICTURES, REPORT, ResultFolder
from tandem.cli.bench.options import Beside, JudgeOptions, MeterOptions, ModelOptions
from tandem.cli.bench.progress import ProgressBar
from tandem.cli.bench.report import written
from tandem.cli.bench.steps import step_subjects, stepped
from tandem.cli.failures import FAILED, INTERRUPTED, friendly_errors
from tandem.cli.grouped import grouped
from tandem.cli.options import ADDRESS, Address
from tandem.cli.packages import REPORT_PACKAGES, need_packages
from tandem.cli.terminal import Terminal
from tandem.measure.results.comparison import Comparison
from tandem.measure.studies.comparison.modes import Pair, find_pair
from tandem.measure.studies.comparison.request import Request
from tandem.measure.studies.steps.subjects import Subjects

COMPARISON = "comparison.json"
SHORT: dict[str, Any] = {"climb_seconds": 5.0, "trial_seconds": 3.5}
THOROUGH: dict[str, Any] = {"climb_seconds": 20.0, "num_rounds": 6, "num_trials": 8, "trial_seconds": 20.0}
# Of co-location; a round has five trials where a language model is served, too.
SHORT_TOGETHER: dict[str, Any] = {"num_rounds": 4, "trial_seconds": 0.6}


@dataclass(frozen=True)
class Extent:
    """What is measured, and for how long."""

    thorough: Annotated[
        bool, typer.Option("--thorough", help="Several times as long: longer runs, more loads, more images.")
    ] = False
    slo: Annotated[
        float, typer.Option(min=0.001, max=60, metavar="SECONDS", help="Objective: 99 of 100 images within it.")
    ] = 0.25
    steps: Annotated[
        str,
        typer.Option(
            metavar="K,K,...",
            help=r"Numbers of steps for a sequential model that takes steps, if one is served."
            r" \[default: 1,2,4,8,12,24,49]",
        ),
    ] = ""
    together: Annotated[
        bool,
        typer.Option(
            "--colocation/--no-colocation", help="Measure what each service takes from the other: another 40 s."
        ),
    ] = True


@grouped
def tradeoff(
    models: ModelOptions,
    quality: JudgeOptions,
    meters: MeterOptions,
    extent: Extent,
    beside: Beside = "",
    out_dir: Annotated[
        Path,
        typer.Option("--out", file_okay=False, help="Folder of all results; replaces those of an earlier tradeoff."),
    ] = Path("out/tradeoff"),
    address: Address = ADDRESS,
) -> None:
    """Measure everything that a report shows, and write it: what drawing in sequence costs, and what it buys.

    Compares the two models on the same workload, fits service curves, finds the capacity of each in open loops, runs
    both services at once, and writes report.html and PNGs: some 4 minutes. Where a sequential model is served that
    draws in any number of steps, such as fashion-sar, it is measured over these beside both, which takes longer than
    all the rest. Of two models that do different work it compares only what each costs.

    Ends with 1 if anything was wrong, with 130 on Ctrl-C; a report of what there is comes anyway.
    """
    terminal = Terminal()
    folder = ResultFolder(out_dir, terminal)
    with friendly_errors(terminal, address):
        need_packages("report", *REPORT_PACKAGES)
        unjudged = quality.problem(terminal)
        pair = asyncio.run(find_pair(address, *models.names))
        subjects = step_subjects(address, *models.names, extent.steps, terminal) if pair.is_matched else None
        if not pair.is_matched:
            terminal.note(f"{pair.unmatched}: quality, steps and the crossover are left out")
        folder.clear()  # only now that there is something to measure
    stages = iter(_stages(subjects is not None, pair.is_matched, extent.together))
    terminal.note(f"{next(stages)}: both models in turn")
    changes = {"slo_seconds": extent.slo, "quality_images": 0 if unjudged else None}
    settings = settings_of("thorough" if extent.thorough else "short", **changes)
    judges = (quality.judge, quality.reference)
    request = Request(address, *models.names, settings, *judges, meters.pages, beside=beside, unjudged=unjudged)
    comparison, code = compared(terminal, ProgressBar(terminal), request, folder.path / COMPARISON)
    folder.sources.add(COMPARISON, comparison)
    codes = [code]
    try:
        if not comparison.is_partial:
            codes += _further_parts(request, extent, pair, subjects, comparison, stages, folder, terminal)
    finally:  # whatever the fit raises: what was measured by then is worth a report
        *_, last = stages
        terminal.note(last)
        with friendly_errors(terminal, address):
            is_whole = written(folder.sources, folder.path / REPORT, folder.path / PICTURES, terminal)
            codes.append(0 if is_whole else FAILED)
    for code in (INTERRUPTED, FAILED):
        if code in codes:
            raise typer.Exit(code)


def _further_parts(
    request: Request,
    extent: Extent,
    pair: Pair,
    subjects: Subjects | None,
    comparison: Comparison,
    stages: Iterator[str],
    folder: ResultFolder,
    terminal: Terminal,
) -> Iterator[int]:
    """Measure what comes behind a comparison, and yield the exit code of each part; Ctrl-C in one is the end of all."""
    names, code = (request.sequential, request.parallel), 0
    if subjects is not None:
        terminal.note(f"{next(stages)}: {', '.join(map(str, subjects.steps))} of {subjects.pair.sequential.name}")
        code = stepped(terminal, request, subjects, folder)
        yield code
    with friendly_errors(terminal, request.address):
        if pair.is_matched and code != INTERRUPTED:
            terminal.note(f"{next(stages)}: service curves, and the capacity of both")
            settings = {**(THOROUGH if extent.thorough else SHORT), "slo_seconds": extent.slo}
            code = asyncio.run(fitted(request.address, names, settings, comparison, folder, terminal))
            yield code
        if extent.together and code != INTERRUPTED:
            terminal.note(f"{next(stages)}: each service alone, and both at once")
            settings = {} if extent.thorough else SHORT_TOGETHER
            if pair.sequential.modality == "text":
                names, settings = ("", names[1]), {**settings, "text_model": pair.sequential.name}
            fit = folder.sources.crossover
            yield asyncio.run(colocated(request.address, names, settings, fit, folder, terminal))


def _stages(has_steps: bool, is_matched: bool, has_colocation: bool) -> list[str]:
    are_there = {"compare": True, "steps": has_steps, "fit": is_matched, "co-location": has_colocation, "report": True}
    names = [name for name, is_there in are_there.items() if is_there]
    return [f"{number} of {len(names)}, {name}" for number, name in enumerate(names, 1)]
