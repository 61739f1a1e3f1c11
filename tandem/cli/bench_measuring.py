"""What every command of `tandem bench` that puts load on a server does: run, keep, say what is wrong."""

import asyncio
import signal
from pathlib import Path

import typer
from pydantic import BaseModel

from bench.load.document import Document
from bench.load.files import write_document
from bench.load.plan import Plan
from bench.load.run import Outcome, conduct
from tandem.cli.bench_progress import shown_progress
from tandem.cli.terminal import Terminal


async def measured(plan: Plan, terminal: Terminal) -> tuple[Outcome, bool]:
    """Carry a plan out, progress on display; return what it came to, and whether Ctrl-C broke it off."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    try:
        with shown_progress(terminal, plan.scenario) as show:
            return await conduct(plan, show, stop), stop.is_set()
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def keep_document(document: BaseModel, path: Path, terminal: Terminal) -> bool:
    """Write the document; if that fails, say so and print it, so that nothing measured is lost."""
    try:
        write_document(path, document)
    except OSError as error:
        terminal.fail(f"cannot write {path}: {error.strerror or error}; the document is on standard output instead")
        typer.echo(document.model_dump_json())
        return False
    return True


def tell_problems(document: Document, terminal: Terminal) -> None:
    """Say, loudly, what was wrong with a run."""
    if document.is_partial:
        terminal.fail(f"PARTIAL: this run did not go to its end; {document.window.seconds:.3g} s of it were measured")
    for problem in document.problems:
        terminal.fail(problem)
    if not document.audit.valid:
        terminal.fail("INVALID: the load generator was not good enough; do not use these figures")
    for check in document.audit.checks:
        if not check.passed:
            terminal.fail(f"{check.name}: {check.text} (bound: {check.bound:.4g})")
    if not document.audit.valid and not all(each.is_real_time for each in document.audit.processes):
        terminal.note("the generator waits for a core like everybody; as root, or after `ulimit -r 1`, it goes first")
