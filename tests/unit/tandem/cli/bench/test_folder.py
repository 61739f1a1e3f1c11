"""A folder of results takes away what an earlier tradeoff has left there, and nothing else."""

from pathlib import Path

import pytest
import typer

from tandem.cli.bench import colocation, fit, steps, tradeoff
from tandem.cli.bench.folder import DOCUMENTS, ResultFolder
from tandem.cli.terminal import Terminal
from tandem.shared.errors import ExpectedError

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


def test_all_documents_of_a_tradeoff_are_known() -> None:
    assert set(DOCUMENTS) == {tradeoff.COMPARISON, steps.FILE_NAME, fit.FILE_NAME, colocation.FILE_NAME}


def test_a_tradeoff_that_cannot_begin_keeps_the_earlier_one(used: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_server(*_: object) -> None:
        raise ExpectedError("no gateway")

    monkeypatch.setattr(tradeoff, "step_subjects", no_server)
    with pytest.raises(typer.Exit):
        tradeoff.tradeoff(out_dir=used)
    assert left(used) == {*OWN, *OTHERS}
