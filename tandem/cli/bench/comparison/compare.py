"""`tandem bench compare`: the same image from a sequential and a parallel model, in four modes, with what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.bench.comparison.comparing import compared, settings_of
from tandem.cli.bench.comparison.progress import ProgressBar
from tandem.cli.bench.options import JudgeOptions, MeterOptions, ModelOptions
from tandem.cli.bench.showing import show_comparison
from tandem.cli.grouped import grouped
from tandem.cli.options import ADDRESS, Address
from tandem.cli.terminal import Terminal
from tandem.measure.report.sentences.audits import audit_text
from tandem.measure.report.sentences.comparison import control_text
from tandem.measure.report.tables.comparison import readme_table
from tandem.measure.report.tables.writers import markdown_table
from tandem.measure.results.comparison import Comparison
from tandem.measure.studies.comparison.request import ForeignRequest, Request

_HOW, _FOREIGN = "How much", "A foreign server"


@dataclass(frozen=True)
class Amounts:
    """Fields of tandem.measure.results.comparison.Settings that are to be other than the preset's; None: as there."""

    num_pairs: Annotated[
        int | None, typer.Option("--pairs", min=1, help="How often to ask each mode alone.", rich_help_panel=_HOW)
    ] = None
    concurrencies: Annotated[
        list[int] | None,
        typer.Option(
            "--callers",
            min=1,
            max=400,
            help=r"Callers at a time; repeat it for a curve. \[default: 1, 8, 64]",
            rich_help_panel=_HOW,
        ),
    ] = None
    num_rounds: Annotated[
        int | None, typer.Option("--rounds", min=1, help="How often to try each load.", rich_help_panel=_HOW)
    ] = None
    trial_seconds: Annotated[
        float | None,
        typer.Option(
            "--trial", min=0.05, max=600, metavar="SECONDS", help="Length of a trial, at least.", rich_help_panel=_HOW
        ),
    ] = None
    slo_seconds: Annotated[
        float,
        typer.Option(
            "--slo", min=0.001, max=60, metavar="SECONDS", help="Objective: p99 of the image.", rich_help_panel=_HOW
        ),
    ] = 0.25
    control: Annotated[
        bool,
        typer.Option(
            "--control/--no-control",
            help="Measure the unary modes twice: how much do they differ by chance?",
            rich_help_panel=_HOW,
        ),
    ] = True
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Of classes, seeds and the order.", rich_help_panel=_HOW)
    ] = 1
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
        typer.Option(
            metavar="URL",
            help="Beside ours, ask this server by OpenAI's API for texts of as many tokens as an image has.",
            rich_help_panel=_FOREIGN,
        ),
    ] = None
    foreign_model: Annotated[
        str, typer.Option(help=r"Its model. \[default: the first it lists]", rich_help_panel=_FOREIGN)
    ] = ""

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
        typer.Option(
            "--thorough",
            help="400 pairs, 8 rounds, 10,000 images for quality: several times as long as the usual 100 s.",
            rich_help_panel=_HOW,
        ),
    ] = False,
    amounts: Amounts,
    quality: JudgeOptions,
    meters: MeterOptions,
    json_file: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the document here.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table instead.")] = False,
    address: Address = ADDRESS,
) -> None:
    """Compare a sequential and a parallel model on the same workload: one image of a class.

    The four modes {sequential, parallel} x {streamed, unary} take turns in random order, alone and under load, so that
    a noisy machine hurts all alike. Ends with 1 if anything failed, with 130 on Ctrl-C; what was measured is kept.
    """
    terminal = Terminal()
    settings = settings_of("thorough" if thorough else "short", **vars(amounts))
    unjudged = quality.problem(terminal) if settings.quality_images else ""
    if unjudged:
        settings = settings.model_copy(update={"quality_images": 0})
    judges = (quality.judge, quality.reference)
    request = Request(address, *models.names, settings, *judges, meters.pages, foreign.request, unjudged)
    found = compared(terminal, ProgressBar(terminal), request, json_file)
    if markdown:
        typer.echo(readme_text(found.content))
    else:
        show_comparison(found.content, terminal)
    found.end()


def readme_text(document: Comparison) -> str:
    """Return a comparison under load as a Markdown table, and below it what the control and the audits say."""
    parts = (markdown_table(readme_table(document)), *control_text(document), audit_text(document.audits))
    return "\n\n".join(filter(None, parts))
