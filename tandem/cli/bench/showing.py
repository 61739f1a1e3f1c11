"""What the commands of `tandem bench` and `tandem race` print of a document: tables, sentences, and what is wrong."""

from collections.abc import Iterable

from tandem.cli.terminal import Terminal
from tandem.measure.formats import printable
from tandem.measure.report.prose import answers, paragraphs, problems, tables
from tandem.measure.report.tables import Table, terminal_table
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.crossover import Crossover
from tandem.measure.results.header import Header
from tandem.measure.results.load import Document


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
    show(terminal, tables("load.run", document))
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
