"""`tandem bench compare`: the same image from a sequential and a parallel model, in four modes, with what it costs."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.bench.comparison.comparing import CONTROL_HELP, MAX_SEED, SEED_HELP, compared, settings_of
from tandem.cli.bench.options import Beside, JudgeOptions, MeterOptions, ModelOptions
from tandem.cli.bench.progress import ProgressBar
from tandem.cli.bench.showing import show_comparison, tell_problems
from tandem.cli.grouped import grouped
from tandem.cli.options import ADDRESS, Address
from tandem.cli.terminal import Terminal
from tandem.measure.report.sentences.audits import audit_text
from tandem.measure.report.sentences.comparison import control_text
from tandem.measure.report.tables.comparison import readme_table
from tandem.measure.report.tables.writers import markdown_table
from tandem.measure.results.comparison import Comparison
from tandem.measure.studies.comparison.request import ForeignRequest, Request

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
    """A server of another make to put beside ours."""

    foreign_openai: Annotated[
        str | None,
        _foreign(
            metavar="URL",
            help="Beside ours, ask this server by OpenAI's API for texts of as many tokens as an image has.",
        ),
    ] = None
    foreign_model: Annotated[str, _foreign(help=r"Its model. \[default: the first it lists]")] = ""

    @property
    def request(self) -> ForeignRequest | None:
        """Raises typer.BadParameter."""
        if self.foreign_openai is None:
            if self.foreign_model:
                raise typer.BadParameter("--foreign-model belongs to --foreign-openai, which is not given")
            return None
        return ForeignRequest(self.foreign_openai, self.foreign_model)


@grouped
def compare(
    *,
    models: ModelOptions,
    foreign: ForeignOptions,
    thorough: Annotated[
        bool,
        _how(
            "--thorough",
            help="8 rounds of 1 s, 10,000 images for quality: several times as long as the usual 100 s.",
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
    terminal = Terminal()
    settings = settings_of("thorough" if thorough else "short", **vars(amounts))
    unjudged = quality.problem(terminal) if settings.quality_images else ""
    if unjudged:
        settings = settings.model_copy(update={"quality_images": 0})
    judges = (quality.judge, quality.reference)
    pages = meters.pages
    request = Request(address, *models.names, settings, *judges, pages, foreign.request, beside, unjudged)
    document, code = compared(terminal, ProgressBar(terminal), request, json_file)
    if markdown:
        typer.echo(readme_text(document))
    else:
        show_comparison(document, terminal)
    tell_problems(document, terminal)
    raise typer.Exit(code)


def readme_text(document: Comparison) -> str:
    """Return a comparison under load as a Markdown table, and below it what the control and the audits say."""
    parts = (markdown_table(readme_table(document)), *control_text(document), audit_text(document.audits))
    return "\n\n".join(filter(None, parts))
