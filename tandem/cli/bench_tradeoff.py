"""`tandem bench tradeoff`: everything in one go: compare, fit with its load curves and its check, report."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from tandem.cli.bench_compare import Page
from tandem.cli.bench_fit import fitted
from tandem.cli.bench_folder import ResultFolder
from tandem.cli.bench_report import written
from tandem.cli.comparing import compared
from tandem.cli.comparison_progress import ProgressBar
from tandem.cli.failures import FAILED, INTERRUPTED, friendly_errors
from tandem.cli.options import ADDRESS, JUDGE_DIR, Address
from tandem.cli.packages import REPORT_PACKAGES, need_packages
from tandem.cli.terminal import Terminal

COMPARISON = "comparison.json"
REPORT = "report.html"
SHORT: dict[str, Any] = {
    "climb_seconds": 6.0,
    "check_shares": (0.5, 0.7, 0.85, 1.0, 1.15),
    "check_seconds": 4.0,
}
THOROUGH: dict[str, Any] = {
    "climb_seconds": 20.0,
    "num_rounds": 6,
    "check_shares": (0.2, 0.4, 0.6, 0.8, 0.9, 1.0, 1.1, 1.3),
    "check_seconds": 20.0,
}


def tradeoff(
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Some 25 minutes instead of 3: longer runs, more loads, more pictures.")
    ] = False,
    slo: Annotated[
        float, typer.Option(min=0.001, max=60, metavar="SECONDS", help="Objective: 99 of 100 pictures within it.")
    ] = 0.25,
    sequential_model: Annotated[str, typer.Option(help="Draws in sequence, where there is more than one.")] = "",
    parallel_model: Annotated[str, typer.Option(help="Draws in parallel, where there is more than one.")] = "",
    judge: Annotated[Path, typer.Option(help="The judge's model folder.")] = JUDGE_DIR,
    reference: Annotated[
        Path | None, typer.Option(help="Other images than Fashion-MNIST, as for `models evaluate`.")
    ] = None,
    gateway_metrics: Page = None,
    sequential_metrics: Page = None,
    parallel_metrics: Page = None,
    out_dir: Annotated[Path, typer.Option("--out", file_okay=False, help="Folder of all results.")] = Path(
        "out/tradeoff"
    ),
    address: Address = ADDRESS,
) -> None:
    """Measure everything that a report shows, and write it: what drawing in sequence costs, and what it buys.

    Compares the two models on the same work, fits service curves, checks their prediction in open loops, and writes
    report.html and PNGs. Ends with 1 if anything was wrong, with 130 on Ctrl-C; a report of what there is comes anyway.
    """
    terminal = Terminal()
    pages = {"gateway": gateway_metrics, "sequential": sequential_metrics, "parallel": parallel_metrics}
    folder = ResultFolder(out_dir, terminal)
    models = (sequential_model, parallel_model)
    with friendly_errors(terminal, address):
        need_packages("report", *REPORT_PACKAGES)
        folder.clear()
        (folder.path / REPORT).unlink(missing_ok=True)
        is_judged = reference is not None or _has_real_images(terminal)
    terminal.note("1 of 3: compare, both models in turn")
    comparison = compared(
        terminal,
        ProgressBar(terminal),
        folder.path / COMPARISON,
        address=address,
        models=models,
        preset="thorough" if thorough else "short",
        changes={"slo_seconds": slo, "quality_images": None if is_judged else 0},
        judge=judge,
        reference=reference,
        metrics={name: page for name, page in pages.items() if page is not None},
    )
    codes = [INTERRUPTED if comparison.is_interrupted else FAILED if comparison.content.problems else 0]
    if not comparison.content.is_partial:
        terminal.note("2 of 3: fit, predict, check")
        settings = {**(THOROUGH if thorough else SHORT), "slo_seconds": slo}
        with friendly_errors(terminal, address):
            codes.append(asyncio.run(fitted(address, models, settings, folder.path / COMPARISON, folder, terminal)))
    terminal.note("3 of 3: report")
    with friendly_errors(terminal, address):
        is_whole = written([folder.path], folder.path / REPORT, folder.path / "pictures", terminal)
        codes.append(0 if is_whole else FAILED)
    for code in (INTERRUPTED, FAILED):
        if code in codes:
            raise typer.Exit(code)


def _has_real_images(terminal: Terminal) -> bool:
    """Return whether quality can be measured; all the rest is worth measuring without it, so it is said and no more."""
    from bench.quality.reference import fashion_mnist

    try:
        fashion_mnist()
    except FileNotFoundError as error:
        terminal.note(f"quality will not be measured: {error}")
        return False
    return True
