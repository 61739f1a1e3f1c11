"""A folder of results takes away what an earlier tradeoff has left there, and nothing else; what decides the code."""

import io
from pathlib import Path

import pytest
import typer
from rich.console import Console

from tandem.cli.bench import tradeoff
from tandem.cli.bench.results import STEPS, ResultFolder
from tandem.cli.failures import FAILED, INTERRUPTED
from tandem.cli.terminal import Terminal
from tandem.measure.generator.generator import BROKEN_OFF
from tandem.measure.results.files import read_result
from tandem.shared.errors import ExpectedError
from tests.unit.tandem.measure.studies.steps.imagined import document

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
        tradeoff.tradeoff(out_dir=used)
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
