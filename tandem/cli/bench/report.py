"""`tandem bench report`: results as one HTML file and images."""

from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.failures import FAILED
from tandem.cli.packages import REPORT_PACKAGES, need_packages
from tandem.cli.terminal import Terminal
from tandem.measure import formats
from tandem.measure.report.sources import Sources, read_sources
from tandem.shared.errors import ExpectedError

DEFAULT_OUT = Path("out/report.html")


def report(
    terminal: Terminal,
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULT...", help="Documents of `tandem bench`, or folders with them.")
    ],
    out: Annotated[Path, typer.Option(dir_okay=False, help="The HTML file.")] = DEFAULT_OUT,
    png_dir: Annotated[
        Path | None, typer.Option("--png", file_okay=False, help=r"Folder of the PNGs.  \[default: OUT without .html]")
    ] = None,
) -> None:
    """Write results as one HTML file that needs no network, and PNGs of its main charts.

    Takes load runs, a comparison, steps, a fit, a growth and a co-location, whatever there is. Files that are none of
    these are listed with the reason; ends with 1 if there are such.
    """
    folder = png_dir or out.with_suffix("")
    if folder == out or folder.is_file():
        raise typer.BadParameter(f"the PNGs' folder would be the file {folder}: give --png, or --out NAME.html")
    is_whole = write_report(read_sources(results), out, folder, terminal)
    if not is_whole:
        raise typer.Exit(FAILED)


def write_report(sources: Sources, out: Path, png_dir: Path, terminal: Terminal) -> bool:
    """Write the report; return whether every document could be used. Raises ExpectedError and OSError."""
    need_packages("report", *REPORT_PACKAGES)
    from tandem.measure.report import report as page
    from tandem.measure.report.report import tell
    from tandem.measure.report.tables import terminal_table

    if not sources.documents:
        reasons = "; ".join(f"{file.name}: {file.reason}" for file in sources.rejected) or "no .json files there"
        raise ExpectedError(f"nothing to report: {reasons}")
    pngs = page.write_report(sources, out, png_dir)
    story = tell(sources)
    for sentence in story.sentences:
        terminal.say(formats.printable(sentence))
    if story.gains is not None:
        terminal.out.print(terminal_table(story.gains))
    for warning in story.warnings:
        terminal.fail(formats.printable(warning))
    for file in sources.rejected:
        terminal.note(formats.printable(f"{file.name}: {file.reason}"))
    typer.echo(out)
    terminal.note(f"{out.stat().st_size / 2**20:.1f} MiB; {len(pngs)} PNGs in {png_dir}")
    return not sources.rejected
