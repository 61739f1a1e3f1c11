"""What people see of a run, and a loud word when it is no good. A folder of results takes away what an earlier tradeoff
has left there, and nothing else; what decides the code.
"""

import io
from pathlib import Path

import pytest
import typer
from rich.console import Console

from tandem.cli.bench import tradeoff
from tandem.cli.bench.results import STEPS, ResultFolder, show_progress, tell_run_problems
from tandem.cli.command_line import flatten
from tandem.cli.failures import FAILED, INTERRUPTED
from tandem.cli.terminal import Terminal
from tandem.measure.generator.generator import BROKEN_OFF
from tandem.measure.generator.workers import Progress
from tandem.measure.results.files import read_result
from tandem.measure.results.record import Outcome
from tandem.shared.errors import ExpectedError
from tests.unit.tandem.measure.records import row
from tests.unit.tandem.measure.results.test_load import made
from tests.unit.tandem.measure.scenarios import open_scenario
from tests.unit.tandem.measure.studies.steps.imagined import document


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


OWN = ("comparison.json", "steps.json", "report.html", "runs/most-parallel.json", "pictures/hero.png")
OTHERS = ("notes.json", "pictures/cat.jpg", "runs/log.jsonl")


@pytest.fixture
def used(tmp_path: Path) -> Path:
    for name in (*OWN, *OTHERS):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def left(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_only_what_a_tradeoff_writes_is_taken_away(used: Path) -> None:
    ResultFolder(used, Terminal()).clear()
    assert left(used) == set(OTHERS)


def test_a_tradeoff_that_cannot_begin_keeps_the_earlier_one(used: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_server(*_: object) -> None:
        raise ExpectedError("no gateway")

    monkeypatch.setattr(tradeoff, "find_pair", no_server)
    with pytest.raises(typer.Exit):
        flatten(tradeoff.tradeoff)(out_dir=used)
    assert left(used) == {*OWN, *OTHERS}


@pytest.mark.parametrize(("problems", "code"), [((), 0), (("a request failed",), FAILED), ((BROKEN_OFF,), INTERRUPTED)])
def test_the_document_is_kept_and_its_problems_decide_the_code(
    tmp_path: Path, problems: tuple[str, ...], code: int
) -> None:
    terminal = Terminal()
    terminal.out = terminal.err = Console(file=io.StringIO(), width=100)
    folder, found = ResultFolder(tmp_path, terminal), document().model_copy(update={"problems": problems})
    assert folder.end(STEPS, found) == code
    assert read_result(tmp_path / STEPS).problems == problems
    assert folder.sources.steps is not None
