"""What becomes of a document: written as it comes, so that what was measured is kept whatever comes after; shown; and
the exit code that it comes to.
"""

from pathlib import Path

import typer
from pydantic import BaseModel

from tandem.cli.bench.showing import show_study
from tandem.cli.failures import FAILED, INTERRUPTED
from tandem.cli.terminal import Terminal
from tandem.measure.generator.generator import BROKEN_OFF
from tandem.measure.generator.run import RunResult
from tandem.measure.report.sources import Sources
from tandem.measure.results.files import Result, write_document
from tandem.measure.results.header import Header

RUNS, PICTURES, REPORT = "runs", "pictures", "report.html"
COMPARISON, STEPS, FIT, COLOCATION = "comparison.json", "steps.json", "crossover.json", "colocation.json"


def exit_code(document: Header, is_kept: bool) -> int:
    """Return how a command ends that has made a document."""
    if BROKEN_OFF in document.problems:
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


class ResultFolder:
    """Documents of load runs go into `runs/`, all others beside it. What can't be written goes to standard output.

    `sources`: all of them, for a report.
    """

    def __init__(self, path: Path, terminal: Terminal) -> None:
        self.path = path
        self.runs: list[str] = []
        self.sources = Sources()
        self._terminal = terminal

    def clear(self) -> None:
        """Take away what an earlier tradeoff has left: a report must not mix it with new figures. Other files stay."""
        named = [self.path / name for name in (COMPARISON, STEPS, FIT, COLOCATION, REPORT)]
        for path in (*named, *(self.path / RUNS).glob("*.json"), *(self.path / PICTURES).glob("*.png")):
            path.unlink(missing_ok=True)
        self.path.mkdir(parents=True, exist_ok=True)

    def keep_run(self, name: str, run_result: RunResult) -> None:
        file = f"{RUNS}/{name}.json"
        if self.keep(file, run_result.document):
            self.runs.append(file)

    def keep(self, name: str, document: Result) -> bool:
        self.sources.add(name, document)
        return keep_document(document, self.path / name, self._terminal)

    def end(self, name: str, document: Result) -> int:
        """Keep and show the document of a whole study; return the exit code."""
        is_kept = self.keep(name, document)
        show_study(document, self._terminal)
        return exit_code(document, is_kept)
