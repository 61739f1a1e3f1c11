"""The part of `tandem bench tradeoff` that measures over steps: who is measured, how much, the document, exit codes."""

import asyncio
from dataclasses import replace
from typing import Any

from tandem.cli.bench.folder import ResultFolder
from tandem.cli.bench.progress import ProgressBar
from tandem.cli.bench.showing import show_steps
from tandem.cli.failures import friendly_errors
from tandem.cli.terminal import Terminal
from tandem.measure.results.comparison import ALONE
from tandem.measure.studies.comparison.request import Request
from tandem.measure.studies.steps.subjects import Subjects, find_subjects
from tandem.shared.errors import ExpectedError

FILE_NAME = "steps.json"
# Of more modes than a comparison has: two loads.
_CHANGES: dict[str, Any] = {"concurrencies": (ALONE, 64), "control": False}
_NUM_SCORED = 500


def step_subjects(address: str, sequential: str, parallel: str, steps: str, terminal: Terminal) -> Subjects | None:
    """Return the models to measure over `steps`, K,K,... or empty for the defaults; None and a note if none takes any.

    Raises TandemRpcError, TandemError, and ExpectedError for steps that cannot be.
    """
    found = asyncio.run(find_subjects(address, sequential, parallel, step_numbers(steps)))
    if found is None and steps:
        raise ExpectedError("steps: no sequential model that is served takes steps")
    if found is None:
        terminal.note("no sequential model that is served takes steps, so there is no curve over steps")
    return found


def step_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of K,K,...; none of an empty text. Raises ExpectedError."""
    try:
        return tuple(int(each) for each in text.split(",")) if text else ()
    except ValueError:
        raise ExpectedError(f"steps: {text!r} is not accepted; accepted: whole numbers with commas between") from None


def stepped(terminal: Terminal, request: Request, subjects: Subjects, folder: ResultFolder) -> int:
    """Measure over steps, keep and show the document; return the exit code. `request` is the comparison's.

    Raises typer.Exit if it can't begin.
    """
    from tandem.measure.generator.generator import BROKEN_OFF
    from tandem.measure.studies.steps.session import measure_steps

    own = replace(request, beside="", settings=request.settings.model_copy(update=_CHANGES))
    with friendly_errors(terminal, request.address):
        with ProgressBar(terminal) as observer:
            document = measure_steps(own, subjects, _NUM_SCORED, observer)
        return folder.end(FILE_NAME, document, show_steps, BROKEN_OFF in document.problems)
