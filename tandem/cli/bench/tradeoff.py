"""`tandem bench tradeoff`: all in one go: compare, steps, fit with its load curves and trials, co-location, report."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from tandem.cli.bench.compare import compare_to, settings_of, with_judge
from tandem.cli.bench.options import Beside, JudgeOptions, MeterOptions, ModelOptions
from tandem.cli.bench.report import write_report
from tandem.cli.bench.results import COMPARISON, PICTURES, REPORT, STEPS, TEXT, ResultFolder, Stages
from tandem.cli.bench.studies import colocate_to, fit_to
from tandem.cli.failures import FAILED, INTERRUPTED, friendly_errors
from tandem.cli.options import ADDRESS, Address
from tandem.cli.packages import REPORT_PACKAGES, need_packages
from tandem.cli.terminal import Terminal
from tandem.measure.report.sources import read_sources
from tandem.measure.results import text as texts
from tandem.measure.results.comparison import ALONE
from tandem.measure.results.files import check_writable
from tandem.measure.studies.comparison.modes import Pair, Request, find_pair, find_pair_over_steps
from tandem.shared.errors import ExpectedError
from tandem.shared.validation_errors import validate

SHORT: dict[str, Any] = {"climb_seconds": 5.0, "trial_seconds": 3.5}
THOROUGH: dict[str, Any] = {"climb_seconds": 20.0, "num_rounds": 6, "num_trials": 8, "trial_seconds": 20.0}
# Of co-location; a round has five trials where a language model is served, too.
SHORT_TOGETHER: dict[str, Any] = {"num_rounds": 4, "trial_seconds": 0.6}
THOROUGH_TEXT: dict[str, Any] = {"num_rounds": 8, "trial_seconds": 5.0, "most_seconds": 3600.0}
# Over steps, of more modes than a comparison has: two loads.
_OVER_STEPS: dict[str, Any] = {"concurrencies": (ALONE, 64), "control": False, "num_scored": 500}

_Part = tuple[str, str, Callable[[], int]]
"""One of the measurements: its name, what it is, and what carries it out and returns the exit code."""


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
    text: Annotated[
        bool,
        typer.Option(
            "--text", help="Measure instead a text model over --steps tokens a step, and as the server checks drafts."
        ),
    ] = False
    held: Annotated[
        Path | None,
        typer.Option(dir_okay=False, exists=True, help="With --text: texts to tell the bits of, blank lines between."),
    ] = None
    together: Annotated[
        bool,
        typer.Option(
            "--colocation/--no-colocation", help="Measure what each service takes from the other: another 40 s."
        ),
    ] = True


def tradeoff(
    terminal: Terminal,
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

    With --text it asks one text model for 1, 2, 3, 4 and 8 tokens a step, and as the server drafts and checks, with 1
    to 64 callers, and says at how many callers each stops paying, predicted and measured. The report then shows it
    beside the pictures that an earlier tradeoff has left in the folder.

    Ends with 1 if anything was wrong, with 130 on Ctrl-C; a report of what there is comes anyway.
    """
    folder = ResultFolder(out_dir, terminal)
    if extent.text:
        code = text_to(folder, address, models.sequential_model, extent, meters, terminal)
    else:
        request = Request(
            address=address,
            settings=settings_of("thorough" if extent.thorough else "short", slo_seconds=extent.slo),
            sequential=models.sequential_model,
            parallel=models.parallel_model,
            metrics=meters.pages,
            beside=beside,
        )
        code = pair_to(folder, request, extent, quality, terminal)
    if code:
        raise typer.Exit(code)


def pair_to(folder: ResultFolder, request: Request, extent: Extent, quality: JudgeOptions, terminal: Terminal) -> int:
    """Measure a pair of models, keep and show the documents, and write the report; return the exit code."""
    address, stages = request.address, Stages(terminal, are_many=True)
    names = request.sequential, request.parallel
    need_packages("report", *REPORT_PACKAGES)
    request = with_judge(replace(request, on_stage=stages.begin), quality, terminal)
    pair = asyncio.run(find_pair(address, *names))
    over_steps = pair_over_steps(address, *names, extent.steps, terminal) if pair.is_matched else None
    if not pair.is_matched:
        terminal.note(f"{pair.unmatched}: quality, steps and the crossover are left out")
    folder.clear()  # only now that there is something to measure
    parts = list(_further_parts(request, extent, pair, over_steps, folder, terminal))
    count = len(parts) + 2
    terminal.note(f"1 of {count}, compare: both models in turn")
    comparison, code = compare_to(folder.path / COMPARISON, request, stages, terminal)
    folder.sources.add(COMPARISON, comparison)
    codes = [code]
    try:
        codes += _measure_parts([] if comparison.is_partial else parts, count, address, terminal)
    finally:  # whatever the fit raises: what was measured by then is worth a report
        terminal.note(f"{count} of {count}, report")
        with friendly_errors(terminal, address):
            is_whole = write_report(folder.sources, folder.path / REPORT, folder.path / PICTURES, terminal)
            codes.append(0 if is_whole else FAILED)
    return next((code for code in (INTERRUPTED, FAILED) if code in codes), 0)


def text_to(
    folder: ResultFolder, address: str, model: str, extent: Extent, meters: MeterOptions, terminal: Terminal
) -> int:
    """Measure a text model in its modes, keep and show the document, and write the report; return the exit code."""
    need_packages("report", *REPORT_PACKAGES)
    from tandem.measure.studies.text.document import text_document
    from tandem.measure.studies.text.study import measure_text

    given: dict[str, Any] = {"tokens_per_step": whole_numbers(extent.steps)} if extent.steps else {}
    settings = validate(texts.Settings, {**(THOROUGH_TEXT if extent.thorough else {}), **given, "model": model})
    held = [] if extent.held is None else extent.held.read_text().split("\n\n")
    check_writable(folder.path / TEXT)
    with Stages(terminal, are_many=True) as stages:
        study = asyncio.run(measure_text(address, settings, meters.pages, held, stages.begin))
    document = text_document(study)
    code = folder.end(TEXT, document)
    write_report(read_sources([folder.path]), folder.path / REPORT, folder.path / PICTURES, terminal)
    return code


def _measure_parts(parts: Sequence[_Part], count: int, address: str, terminal: Terminal) -> list[int]:
    """Measure the second and further ones of `count` parts until Ctrl-C; return their exit codes."""
    codes: list[int] = []
    for number, (name, what, measure) in enumerate(parts, 2):
        terminal.note(f"{number} of {count}, {name}: {what}")
        with friendly_errors(terminal, address):
            codes.append(measure())
        if codes[-1] == INTERRUPTED:
            break
    return codes


def _further_parts(
    request: Request, extent: Extent, pair: Pair, over_steps: Pair | None, folder: ResultFolder, terminal: Terminal
) -> Iterator[_Part]:
    """Yield what is measured after a comparison."""
    address, names, sources = request.address, (request.sequential, request.parallel), folder.sources
    if over_steps is not None:
        steps = f"{', '.join(map(str, over_steps.steps))} of {over_steps.sequential.name}"
        yield "steps", steps, lambda: steps_to(folder, request, over_steps, terminal)
    if pair.is_matched:
        fit = {**(THOROUGH if extent.thorough else SHORT), "slo_seconds": extent.slo}
        curves = "service curves, and the capacity of both"
        yield "fit", curves, lambda: fit_to(folder, address, names, fit, sources.comparison, terminal)
    if extent.together:
        settings, both = {} if extent.thorough else SHORT_TOGETHER, names
        if pair.sequential.modality == "text":
            both, settings = ("", names[1]), {**settings, "text_model": pair.sequential.name}
        what = "each service alone, and both at once"
        yield "co-location", what, lambda: colocate_to(folder, address, both, settings, sources.crossover, terminal)


def pair_over_steps(address: str, sequential: str, parallel: str, steps: str, terminal: Terminal) -> Pair | None:
    """Return the models to measure over `steps`, K,K,... or empty for the defaults; None and a note if none takes any.

    Raises TandemRpcError, TandemError, and ExpectedError for steps that cannot be.
    """
    numbers = whole_numbers(steps)
    pair = asyncio.run(find_pair_over_steps(address, sequential, parallel, numbers))
    if pair is None and steps:
        raise ExpectedError("steps: no sequential model that is served takes steps")
    if pair is None:
        terminal.note("no sequential model that is served takes steps, so there is no curve over steps")
    return pair


def whole_numbers(steps: str) -> list[int]:
    """Return the numbers of K,K,...; none of an empty text. Raises ExpectedError."""
    try:
        return [int(number) for number in steps.split(",")] if steps else []
    except ValueError:
        raise ExpectedError(f"steps: {steps!r} is not accepted; accepted: whole numbers with commas between") from None


def steps_to(folder: ResultFolder, request: Request, pair: Pair, terminal: Terminal) -> int:
    """Measure over steps, keep and show the document; return the exit code. `request` is the comparison's.

    Raises typer.Exit if it can't begin.
    """
    stages, settings = Stages(terminal, are_many=True), request.settings.model_copy(update=_OVER_STEPS)
    own = replace(request, beside="", settings=settings, on_stage=stages.begin)
    return folder.end(STEPS, compare_to(None, own, stages, terminal, pair)[0])
