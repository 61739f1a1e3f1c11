"""`tandem bench compare` and `tandem race`: the same image from a sequential and a parallel model, in four modes, with
what it costs; under load and with quality, or by one caller and live.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from PIL import Image
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tandem.cli.bench.options import Beside, JudgeOptions, MeterOptions, ModelOptions
from tandem.cli.bench.results import Stages, exit_code, keep_document, show_comparison, show_race, tell_problems
from tandem.cli.options import ADDRESS, Address
from tandem.cli.packages import need_packages
from tandem.cli.terminal import Terminal
from tandem.cli.use.terminal_images import image_lines
from tandem.measure.generator.requests.reading import Pixels
from tandem.measure.report.prose import paragraphs, tables
from tandem.measure.report.tables import markdown_table
from tandem.measure.results.comparison import ALONE, Comparison, Settings
from tandem.measure.results.files import check_writable
from tandem.measure.scenario import Paradigm
from tandem.measure.studies.comparison.modes import Mode, Pair, Request

CONTROL_HELP = "Measure the unary modes twice: how much do they differ by chance?"
SEED_HELP, MAX_SEED = "Of classes, seeds and the order.", 2**63 - 1

Preset = Literal["race", "short", "thorough"]
PRESETS: dict[Preset, Settings] = {
    "race": Settings(concurrencies=(ALONE,), trial_seconds=0.25, quality_images=0),
    "short": Settings(),
    "thorough": Settings(num_rounds=8, trial_seconds=1.0, quality_images=10_000),
}


def settings_of(preset: Preset, **changes: Any) -> Settings:
    """Return a preset's settings with those changes that are not None."""
    given = {name: value for name, value in changes.items() if value is not None}
    if "concurrencies" in given:
        given["concurrencies"] = tuple(sorted({ALONE, *given["concurrencies"]}))
    return PRESETS[preset].model_copy(update=given)


_TITLES: dict[Paradigm, str] = {"sequential": "in sequence", "parallel": "in parallel"}
_how = partial(typer.Option, rich_help_panel="How much")
_foreign = partial(typer.Option, rich_help_panel="A foreign server")


@dataclass(frozen=True)
class Amounts:
    """Fields of tandem.measure.results.comparison.Settings that are to be other than the preset's; None: as there."""

    concurrencies: Annotated[
        list[int] | None,
        _how(
            "--callers", min=1, max=400, help=r"Callers at a time beside one; repeat it for a curve. \[default: 8, 64]"
        ),
    ] = None
    num_rounds: Annotated[int | None, _how("--rounds", min=1, help="How often to try each load.")] = None
    trial_seconds: Annotated[
        float | None, _how("--trial", min=0.05, max=600, metavar="SECONDS", help="Length of a trial, at least.")
    ] = None
    slo_seconds: Annotated[
        float, _how("--slo", min=0.001, max=60, metavar="SECONDS", help="Objective: p99 of the image.")
    ] = 0.25
    control: Annotated[bool, _how("--control/--no-control", help=CONTROL_HELP)] = True
    seed: Annotated[int, _how(min=0, max=MAX_SEED, help=SEED_HELP)] = 1
    quality_images: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=10_000,
            help="Images of each model to measure quality of; 0: not at all. Rounds are added until there are enough.",
            rich_help_panel="Quality",
        ),
    ] = None


@dataclass(frozen=True)
class ForeignOptions:
    """A third-party server to put beside ours."""

    foreign_openai: Annotated[
        str | None,
        _foreign(
            metavar="URL",
            help="Beside ours, ask this server by OpenAI's API for texts of as many tokens as an image has.",
        ),
    ] = None
    foreign_model: Annotated[str, _foreign(help=r"Its model. \[default: the first it lists]")] = ""

    @property
    def server(self) -> tuple[str, str] | None:
        """Its address and model. Raises typer.BadParameter."""
        if self.foreign_openai is None:
            if self.foreign_model:
                raise typer.BadParameter("--foreign-model belongs to --foreign-openai, which is not given")
            return None
        return self.foreign_openai, self.foreign_model


def compare(
    terminal: Terminal,
    *,
    models: ModelOptions,
    foreign: ForeignOptions,
    thorough: Annotated[
        bool,
        _how(
            "--thorough", help="8 rounds of 1 s, 10,000 images for quality: several times as long as the usual 100 s."
        ),
    ] = False,
    amounts: Amounts,
    quality: JudgeOptions,
    meters: MeterOptions,
    beside: Beside = "",
    json_file: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the document here.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table instead.")] = False,
    address: Address = ADDRESS,
) -> None:
    """Compare a sequential and a parallel model on the same workload: one image of a class.

    The four modes {sequential, parallel} x {streamed, unary} take turns in random order, with one caller and more, so
    that a noisy machine hurts all alike. Ends with 1 if anything failed, with 130 on Ctrl-C; what was measured is kept.
    """
    stages = Stages(terminal, are_many=True)
    request = Request(
        address=address,
        settings=settings_of("thorough" if thorough else "short", **vars(amounts)),
        sequential=models.sequential_model,
        parallel=models.parallel_model,
        metrics=meters.pages,
        foreign=foreign.server,
        beside=beside,
        on_stage=stages.begin,
    )
    document, code = compare_to(json_file, with_judge(request, quality, terminal), stages, terminal)
    if markdown:
        typer.echo(readme_text(document))
    else:
        show_comparison(document, terminal)
    tell_problems(document, terminal)
    raise typer.Exit(code)


def with_judge(request: Request, quality: JudgeOptions, terminal: Terminal) -> Request:
    """Return the request with what the quality of images is measured with, or why it is not."""
    problem = quality.problem(terminal) if request.settings.quality_images else ""
    settings = request.settings.model_copy(update={"quality_images": 0}) if problem else request.settings
    judge, reference = quality.judge, quality.reference
    return replace(request, settings=settings, judge=judge, reference=reference, unjudged=problem)


def compare_to(
    json_file: Path | None,
    request: Request,
    display: AbstractContextManager[object],
    terminal: Terminal,
    pair: Pair | None = None,
) -> tuple[Comparison, int]:
    """Compare, and write the document; return it and the exit code. `pair`: as `run_comparison` takes it. Raises
    typer.Exit.
    """
    need_packages("quality", "scipy")
    from tandem.measure.studies.comparison.compare import run_comparison

    if json_file is not None:
        check_writable(json_file)
    with display:
        document = run_comparison(request, pair)
    is_kept = json_file is None or keep_document(document, json_file, terminal)
    return document, exit_code(document, is_kept)


def readme_text(document: Comparison) -> str:
    """Return a comparison under load as a Markdown table, and below it what the control and the audits say."""
    texts = [*paragraphs("comparison.control", document), *paragraphs("audits.text", document.audits)]
    return "\n\n".join((*map(markdown_table, tables("comparison.readme", document)), *texts))


def race(
    terminal: Terminal,
    models: ModelOptions,
    rounds: Annotated[int, typer.Option(min=1, help="How often each of the four modes has its turn.")] = PRESETS[
        "race"
    ].num_rounds,
    control: Annotated[bool, typer.Option("--control/--no-control", help=CONTROL_HELP)] = True,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help=SEED_HELP)] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the figures here.")] = None,
    address: Address = ADDRESS,
) -> None:
    """Ask both paradigms for the same images, again and again, and time them: the same workload, by one caller.

    In each round four modes take turns in random order, for a quarter of a second each: in sequence and in parallel,
    streamed and in one reply. `tandem bench compare` goes on from here: under load, with quality.
    """
    settings = settings_of("race", num_rounds=rounds, seed=seed, control=control)
    display, (sequential, parallel) = RaceDisplay(terminal), models.names
    request = Request(
        address=address, settings=settings, sequential=sequential, parallel=parallel, on_image=display.show
    )
    document, code = compare_to(json_file, request, display.live, terminal)
    show_race(document, terminal)
    tell_problems(document, terminal)
    raise typer.Exit(code)


class RaceDisplay:
    """The newest image of both models: on a terminal redrawn in place, gone at the end; elsewhere nothing is shown.
    Draws only between two loads, never while something is measured.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._console = terminal.out
        self.live = terminal.redrawn()
        self._images: dict[Paradigm, Pixels] = {}

    def show(self, mode: Mode, image: Pixels) -> None:
        """Show the last image of a trial."""
        if self._console.is_terminal:
            self._images[mode.paradigm] = image
            self.live.update(self.images(), refresh=True)

    def images(self) -> RenderableType:
        """Return the images that there are so far, side by side."""
        grid = Table.grid(padding=(0, 3))
        shown = [(_TITLES[paradigm], self._lines(self._images[paradigm])) for paradigm in sorted(self._images)]
        grid.add_row(*(Text(title) for title, _ in shown))
        grid.add_row(*(Group(*lines) for _, lines in shown))
        return grid

    def _lines(self, image: Pixels) -> list[Text]:
        return image_lines(self._console, Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image))
