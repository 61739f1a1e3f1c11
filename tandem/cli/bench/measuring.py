"""What every command of `tandem bench` that puts load on a server does: run and keep."""

from collections.abc import Sequence
from pathlib import Path

import typer
from pydantic import BaseModel

from tandem.cli.bench.progress import shown_progress
from tandem.cli.failures import FAILED, INTERRUPTED
from tandem.cli.terminal import Terminal
from tandem.measure.generator.generator import Generator, stopped_by_hand
from tandem.measure.generator.run import RunResult
from tandem.measure.results.files import write_document
from tandem.measure.results.header import Header
from tandem.measure.scenario import Scenario


async def measured(
    source: Generator, scenario: Scenario, terminal: Terminal, requests: Sequence[Sequence[bytes]] = ()
) -> tuple[RunResult, bool]:
    """Carry a scenario out, progress on display; return what it came to, and whether Ctrl-C broke it off.

    `requests`: as `Generator.run` takes them.
    """
    with stopped_by_hand(source.stop), shown_progress(terminal, scenario) as show:
        return await source.run(scenario, requests=requests, on_progress=show), source.stop.is_set()


def exit_code(document: Header, is_kept: bool, is_interrupted: bool) -> int:
    """Return how a command ends that has made a document."""
    if is_interrupted:
        return INTERRUPTED
    return 0 if document.is_sound and is_kept else FAILED


def keep_document(document: BaseModel, path: Path, terminal: Terminal) -> bool:
    """Write the document; if that fails, say so and print it, so that nothing measured is lost."""
    try:
        write_document(path, document)
    except OSError as error:
        terminal.fail(f"cannot write {path}: {error.strerror or error}; the document is on standard output instead")
        typer.echo(document.model_dump_json())
        return False
    return True
