"""What becomes of a measurement: how far it is, on a terminal; its document, written as it comes, so that what was
measured is kept whatever comes after; what is shown of it, in tables, sentences and what is wrong; and the exit
code.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import typer
from pydantic import BaseModel
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

from tandem.cli.failures import FAILED, INTERRUPTED
from tandem.cli.terminal import Terminal
from tandem.measure.formats import printable
from tandem.measure.generator.generator import BROKEN_OFF, Generator, stopped_by_hand
from tandem.measure.generator.run import RunResult
from tandem.measure.generator.workers import Progress as Counts
from tandem.measure.report.prose import answers, paragraphs, problems, tables
from tandem.measure.report.sources import Sources
from tandem.measure.report.tables import Table, terminal_table
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.crossover import Crossover
from tandem.measure.results.files import Result, write_document
from tandem.measure.results.header import Header
from tandem.measure.results.load import Document
from tandem.measure.scenario import Scenario


async def run_shown(source: Generator, scenario: Scenario, terminal: Terminal, **given: Any) -> tuple[RunResult, bool]:
    """Carry a scenario out, progress on display; return what it came to, and whether Ctrl-C broke it off.

    `given`: as `Generator.run` takes it.
    """
    with stopped_by_hand(source.stop), show_progress(terminal, scenario) as show:
        return await source.run(scenario, **given, on_progress=show), source.stop.is_set()


@contextmanager
def show_progress(terminal: Terminal, scenario: Scenario) -> Iterator[Callable[[Counts], None]]:
    """Yield what takes the counts of a run as they come."""
    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[counts]}"),
    )
    with terminal.progress(*columns) as progress:
        task = progress.add_task("warm-up", total=1.0, counts="")

        def show(counts: Counts) -> None:
            done = _share_done(scenario, counts)
            name = "warm-up" if counts.elapsed_seconds < 0.0 else "measuring" if done < 1.0 else "draining"
            # What is not zero, and how many went well.
            shown = {outcome: number for outcome, number in counts.counts.items() if number or outcome == "ok"}
            text = " · ".join(f"{number:,} {outcome}" for outcome, number in shown.items())
            progress.update(task, completed=done, description=name, counts=text)

        yield show


def _share_done(scenario: Scenario, counts: Counts) -> float:
    """Return how much of the run, warm-up included, is done: by time or by number, whichever is further."""
    shares = [0.0]
    if scenario.duration_seconds is not None:
        whole = scenario.warm_up_seconds + scenario.duration_seconds
        shares.append((counts.elapsed_seconds + scenario.warm_up_seconds) / whole)
    if counts.num_planned:
        ended = sum(number for name, number in counts.counts.items() if name != "outstanding")
        shares.append(ended / counts.num_planned)
    return min(1.0, max(shares))


class Stages:
    """What runs now of a study: a line on a terminal. Elsewhere a note of each stage, unless there are many: of these
    the line is drawn only between two measurements, so that it disturbs none.
    """

    def __init__(self, terminal: Terminal, are_many: bool = False) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.fields[counts]}"))
        self._progress = terminal.progress(*columns, TimeElapsedColumn(), auto_refresh=not are_many)
        self._task = self._progress.add_task("connecting", total=None, counts="")
        self._terminal = terminal
        self._are_many = are_many

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, stage: str) -> None:
        """Show what comes next."""
        self._progress.update(self._task, description=stage, counts="", refresh=self._are_many)
        if self._progress.disable and not self._are_many:
            self._terminal.note(stage)

    def count(self, counts: Counts) -> None:
        """Show how many replies there are."""
        self._progress.update(self._task, counts=f"{counts.counts.get('ok', 0):,} replies")


def show(terminal: Terminal, tables: Iterable[Table] = (), texts: Iterable[str] = ()) -> None:
    """Print tables, and sentences below them."""
    for table in tables:
        terminal.out.print(terminal_table(table))
    for text in filter(None, texts):
        terminal.say(printable(text))


def tell_problems(document: Header, terminal: Terminal) -> None:
    """Say, loudly, what was wrong with a measurement."""
    for problem in problems(document):
        terminal.fail(printable(problem))


def show_comparison(document: Comparison, terminal: Terminal) -> None:
    show(terminal, texts=paragraphs("comparison.headlines", document))
    show(terminal, tables("comparison.tables", document))
    for text in paragraphs("comparison.small_print", document):
        terminal.out.print(printable(text), style="dim", markup=False)


def show_race(document: Comparison, terminal: Terminal) -> None:
    show(terminal, texts=paragraphs("comparison.headlines", document))
    show(terminal, tables("comparison.race", document))
    _note(terminal, *paragraphs("comparison.race_note", document), *paragraphs("audits.text", document.audits))


def show_study(document: Header, terminal: Terminal) -> None:
    """Show all but a comparison: its tables, what they say, how good the generator was, and what was wrong."""
    kind = document.kind
    show(terminal, tables(f"{kind}.tables", document))
    if isinstance(document, Crossover):
        show(terminal, texts=paragraphs("crossover.capacities", document))
        for answer in answers(document):
            terminal.out.print(f"\n{answer.asked}", style="bold", markup=False, soft_wrap=True)
            show(terminal, texts=[answer.text])
    else:
        show(terminal, texts=paragraphs(f"{kind}.explanation", document))
    caveats = [] if kind == "colocation" else paragraphs(f"{kind}.caveats", document)
    _note(terminal, *paragraphs("audits.text", document.audits), *(f"caveat: {text}" for text in caveats))
    tell_problems(document, terminal)


def show_run(document: Document, terminal: Terminal) -> None:
    show(terminal, [*tables("load.run", document), *tables("load.turns", document)])
    _note(terminal, *paragraphs("load.summary", document))


def tell_run_problems(document: Document, terminal: Terminal) -> None:
    """Say, loudly, what was wrong with a run, and what would help."""
    tell_problems(document, terminal)
    if document.audit.valid:
        return
    terminal.fail("do not use these figures")
    for check in document.audit.checks:
        if not check.passed:
            terminal.fail(f"{check.name}: {check.text} (bound: {check.bound:.4g})")
    if any(process.sender == "Python" for process in document.audit.processes):
        terminal.note(
            "the sender in Python ran, which costs most: it is for HTTP, TLS, and machines without g++ and nghttp2"
        )
    if not all(process.is_real_time for process in document.audit.processes):
        terminal.note("the generator waits for a core like everybody; as root, or after `ulimit -r 1`, it goes first")


def _note(terminal: Terminal, *texts: str) -> None:
    for text in filter(None, texts):
        terminal.note(printable(text))


RUNS, PICTURES, REPORT = "runs", "pictures", "report.html"
COMPARISON, STEPS, FIT, COLOCATION, TEXT = (
    f"{name}.json" for name in ("comparison", "steps", "crossover", "colocation", "text")
)


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
        named = [self.path / name for name in (COMPARISON, STEPS, FIT, COLOCATION, TEXT, REPORT)]
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
