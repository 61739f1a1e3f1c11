"""A folder of results: documents are written as they come, so that what was measured is kept whatever comes after."""

from collections.abc import Callable
from pathlib import Path

from tandem.cli.bench.measuring import exit_code, keep_document
from tandem.cli.terminal import Terminal
from tandem.measure.generator.run import RunResult
from tandem.measure.report.sources import Sources
from tandem.measure.results.files import R, Result

RUNS, PICTURES, REPORT = "runs", "pictures", "report.html"
DOCUMENTS = ("comparison.json", "steps.json", "crossover.json", "colocation.json")


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
        named = [self.path / name for name in (*DOCUMENTS, REPORT)]
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

    def end(self, name: str, study: R, show: Callable[[R, Terminal], None], is_interrupted: bool) -> int:
        """Keep and show the document of a whole study; return the exit code."""
        is_kept = self.keep(name, study)
        show(study, self._terminal)
        return exit_code(study, is_kept, is_interrupted)
