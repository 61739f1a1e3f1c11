"""What people see of a run: progress while it goes on, its table, and a loud word when it is no good."""

import io

from rich.console import Console

from tandem.cli.bench.showing import show_progress, tell_run_problems
from tandem.cli.terminal import Terminal
from tandem.measure.generator.workers import Progress
from tandem.measure.results.record import Outcome
from tests.unit.tandem.measure.records import row
from tests.unit.tandem.measure.results.test_load import made
from tests.unit.tandem.measure.scenarios import open_scenario


def terminal(is_terminal: bool) -> tuple[Terminal, io.StringIO]:
    shown, made_terminal = io.StringIO(), Terminal()
    made_terminal.err = Console(file=shown, force_terminal=is_terminal, width=100, highlight=False)
    return made_terminal, shown


def test_progress_is_shown_on_a_terminal_only():
    for is_terminal in (True, False):
        made_terminal, shown = terminal(is_terminal)
        with show_progress(made_terminal, open_scenario(warm_up_seconds=2.0)) as show:
            for elapsed in (-1.0, 5.0, 11.0):
                show(Progress(elapsed, 1000, {"outstanding": 3, "ok": 400, "error": 0}))
        assert ("400 ok" in shown.getvalue()) == is_terminal
        assert ("draining" in shown.getvalue()) == is_terminal


def test_a_run_that_is_no_good_is_called_so():
    made_terminal, shown = terminal(is_terminal=False)
    tell_run_problems(made([row(0, 1.0, 5.0, Outcome.UNFINISHED)]).document, made_terminal)
    tell_run_problems(made(reason="the server is gone").document, made_terminal)
    for part in ("INVALID", "cut off at the end of the drain", "PARTIAL", "the server is gone", "ulimit -r"):
        assert part in shown.getvalue()
    made_terminal, shown = terminal(is_terminal=False)
    tell_run_problems(made().document, made_terminal)
    assert shown.getvalue() == ""
