"""`tandem bench compare`: the same image from a sequential and a parallel model, in four ways, with what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tandem.cli.comparing import compared
from tandem.cli.comparison_markdown import comparison_markdown
from tandem.cli.comparison_progress import ProgressBar
from tandem.cli.comparison_table import comparison_tables
from tandem.cli.options import ADDRESS, JUDGE_DIR, Address
from tandem.cli.terminal import Terminal

WHAT, HOW, AGAINST, METERS = "What to compare", "How much", "Quality", "CPU time"
_PAGE = "Its metrics page; found by itself where the gateway is at the default port."

Page = Annotated[str | None, typer.Option(metavar="HOST:PORT", help=_PAGE, rich_help_panel=METERS)]


def compare(
    sequential_model: Annotated[
        str, typer.Option(help=r"A sequential image model. \[default: the only one]", rich_help_panel=WHAT)
    ] = "",
    parallel_model: Annotated[
        str, typer.Option(help=r"A parallel one of the same images. \[default: the only one]", rich_help_panel=WHAT)
    ] = "",
    thorough: Annotated[
        bool,
        typer.Option(
            "--thorough",
            help="400 pairs, 8 rounds, 10,000 images for quality, capacity by search: some 10 minutes, not 90 s.",
            rich_help_panel=HOW,
        ),
    ] = False,
    pairs: Annotated[
        int | None, typer.Option(min=1, help="How often to ask each way alone.", rich_help_panel=HOW)
    ] = None,
    callers: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            max=400,
            help=r"Callers at a time; repeat it for a curve. \[default: 1, 8, 64]",
            rich_help_panel=HOW,
        ),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="How often to visit each load.", rich_help_panel=HOW)
    ] = None,
    visit: Annotated[
        float | None,
        typer.Option(min=0.05, max=600, metavar="SECONDS", help="Length of a visit, at least.", rich_help_panel=HOW),
    ] = None,
    slo: Annotated[
        float,
        typer.Option(min=0.001, max=60, metavar="SECONDS", help="Objective: p99 of the image.", rich_help_panel=HOW),
    ] = 0.25,
    capacity: Annotated[
        Literal["curve", "search"] | None,
        typer.Option(
            help=r"The highest rate within the objective: read off the curve, or searched for by open-loop runs.",
            rich_help_panel=HOW,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Of classes, seeds and the order.", rich_help_panel=HOW)
    ] = 1,
    quality_images: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=10_000,
            help="Images of each model to measure quality of; 0: not at all. Rounds are added until there are enough.",
            rich_help_panel=AGAINST,
        ),
    ] = None,
    judge: Annotated[Path, typer.Option(help="The judge's model folder.", rich_help_panel=AGAINST)] = JUDGE_DIR,
    reference: Annotated[
        Path | None,
        typer.Option(help="Other images than Fashion-MNIST, as for `models evaluate`.", rich_help_panel=AGAINST),
    ] = None,
    gateway_metrics: Page = None,
    sequential_metrics: Page = None,
    parallel_metrics: Page = None,
    json_file: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the document here.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table instead.")] = False,
    address: Address = ADDRESS,
) -> None:
    """Compare a sequential and a parallel model on the same work: one image of a class.

    The four ways {sequential, parallel} x {streamed, unary} take turns in random order, alone and under load, so that a
    noisy machine hurts all alike. Ends with 1 if anything failed, with 130 on Ctrl-C; what was measured is kept.
    """
    terminal = Terminal()
    pages = {"gateway": gateway_metrics, "sequential": sequential_metrics, "parallel": parallel_metrics}
    document = compared(
        terminal,
        ProgressBar(terminal),
        json_file,
        address=address,
        models=(sequential_model, parallel_model),
        preset="thorough" if thorough else "short",
        changes={
            "num_pairs": pairs,
            "concurrencies": tuple(sorted(set(callers))) if callers else None,
            "num_rounds": rounds,
            "visit_seconds": visit,
            "slo_seconds": slo,
            "capacity_method": capacity,
            "quality_images": quality_images,
            "seed": seed,
        },
        judge=judge,
        reference=reference,
        metrics={name: page for name, page in pages.items() if page is not None},
    )
    if markdown:
        typer.echo(comparison_markdown(document.content))
    else:
        terminal.out.print(comparison_tables(document.content))
    document.end()
