"""What the commands of `tandem bench` and `tandem race` print of a document: tables, sentences, and what is wrong."""

from collections.abc import Iterable

from tandem.cli.terminal import Terminal
from tandem.measure.formats import printable, seconds
from tandem.measure.report import colocation, growth, load, steps
from tandem.measure.report.colocation import colocation_tables
from tandem.measure.report.growth import growth_tables
from tandem.measure.report.load import result_table
from tandem.measure.report.sentences import comparison
from tandem.measure.report.sentences.audits import audit_text, problems
from tandem.measure.report.steps import steps_tables
from tandem.measure.report.tables.comparison import comparison_tables, race_table, work_table
from tandem.measure.report.tables.table import Table
from tandem.measure.report.tables.writers import terminal_table
from tandem.measure.results.colocation import Colocation
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.crossover import Crossover
from tandem.measure.results.growth import Growth
from tandem.measure.results.header import Header
from tandem.measure.results.load import Document
from tandem.measure.results.steps import Steps

_RACE_NOTE = (
    "Medians of the client's own times, one caller who asks again when it has its answer; below them the range of the"
    " rounds.{better}\n`tandem bench compare` measures the same under load, with CPU time{quality}."
)


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
    show(terminal, texts=comparison.headlines(document))
    show(terminal, comparison_tables(document))
    for text in filter(None, comparison.small_print(document)):
        terminal.out.print(printable(text), style="dim", markup=False)


def show_race(document: Comparison, terminal: Terminal) -> None:
    show(terminal, texts=comparison.headlines(document))
    better, quality = " Better by: of the unary calls, where only the paradigm differs.", " and quality"
    if document.is_matched:
        tables, note = [race_table(document)], _RACE_NOTE.format(better=better, quality=quality)
    else:
        tables, note = [work_table(document), race_table(document)], _RACE_NOTE.format(better="", quality="")
    show(terminal, tables)
    _note(terminal, note, audit_text(document.audits))


def show_growth(document: Growth, terminal: Terminal) -> None:
    show(terminal, growth_tables(document), growth.explanation(document))
    _tell_of(document, growth.caveats(document), terminal)


def show_steps(document: Steps, terminal: Terminal) -> None:
    show(terminal, steps_tables(document), steps.explanation(document))
    _tell_of(document, steps.caveats(document), terminal)


def show_colocation(document: Colocation, terminal: Terminal) -> None:
    show(terminal, colocation_tables(document), colocation.explanation(document))
    _tell_of(document, (), terminal)


def show_crossover(document: Crossover, terminal: Terminal) -> None:
    # Brings scipy, which the other commands can do without.
    from tandem.measure.report import crossover
    from tandem.measure.report.crossover import crossover_tables

    show(terminal, crossover_tables(document))
    for capacity in document.capacities:
        slo = f"p99 within {seconds(capacity.slo_seconds)}"
        show(terminal, texts=[f"capacity, {capacity.paradigm}, {slo}: {crossover.capacity_verdict(capacity)}"])
    for answer in crossover.answers(document):
        terminal.out.print(f"\n{answer.asked}", style="bold", markup=False, soft_wrap=True)
        show(terminal, texts=[answer.text])
    _tell_of(document, crossover.caveats(document), terminal)


def show_run(document: Document, terminal: Terminal) -> None:
    show(terminal, [result_table(document)])
    _note(terminal, load.generator_text(document), load.backlog_text(document), load.control_text(document))
    _note(terminal, load.counting_text(document))


def tell_run_problems(document: Document, terminal: Terminal) -> None:
    """Say, loudly, what was wrong with a run, and what would help."""
    tell_problems(document, terminal)
    if document.audit.valid:
        return
    terminal.fail("do not use these figures")
    for check in document.audit.checks:
        if not check.passed:
            terminal.fail(f"{check.name}: {check.text} (bound: {check.bound:.4g})")
    if any(each.sender == "Python" for each in document.audit.processes):
        terminal.note(
            "the sender in Python ran, which costs most: it is for HTTP, TLS, and machines without g++ and nghttp2"
        )
    if not all(each.is_real_time for each in document.audit.processes):
        terminal.note("the generator waits for a core like everybody; as root, or after `ulimit -r 1`, it goes first")


def _tell_of(document: Header, caveats: Iterable[str], terminal: Terminal) -> None:
    """Say how good the generator was, what a reader has to know, and what was wrong."""
    _note(terminal, audit_text(document.audits), *(f"caveat: {text}" for text in caveats))
    tell_problems(document, terminal)


def _note(terminal: Terminal, *texts: str) -> None:
    for text in filter(None, texts):
        terminal.note(printable(text))
