"""The steps of `tandem bench tradeoff` as people give them, and a server without a model that takes any."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from tandem.cli.bench.folder import ResultFolder
from tandem.cli.bench.steps import FILE_NAME, step_numbers, step_subjects, stepped
from tandem.cli.failures import FAILED, INTERRUPTED
from tandem.cli.terminal import Terminal
from tandem.measure.generator.generator import BROKEN_OFF
from tandem.measure.results.files import read_as
from tandem.measure.results.steps import Steps
from tandem.measure.studies.comparison.request import Request
from tandem.measure.studies.steps import session, subjects
from tandem.shared.errors import ExpectedError
from tests.unit.tandem.measure.studies.comparison.seen import model, settings
from tests.unit.tandem.measure.studies.steps.imagined import SUBJECTS, document


def serve(monkeypatch: pytest.MonkeyPatch, *names_and_steps: tuple[str, bool]) -> None:
    async def served(*_: object) -> tuple[object, ...]:
        return tuple(model("sequential", name, takes_steps=takes or None) for name, takes in names_and_steps)

    monkeypatch.setattr(subjects, "served_models", served)


@pytest.mark.parametrize(("text", "numbers"), [("", ()), ("8", (8,)), ("1,8,49", (1, 8, 49))])
def test_steps_are_numbers_with_commas_between(text: str, numbers: tuple[int, ...]) -> None:
    assert step_numbers(text) == numbers


@pytest.mark.parametrize("text", ["1;8", "one", "1,", "1.5"])
def test_others_are_named(text: str) -> None:
    with pytest.raises(ExpectedError, match="is not accepted; accepted: whole numbers"):
        step_numbers(text)


def test_without_a_model_that_takes_steps_there_is_no_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is wrong only if somebody asked for steps."""
    serve(monkeypatch, ("ar", False))
    terminal, shown = Terminal(), io.StringIO()
    terminal.err = Console(file=shown, width=100)
    assert step_subjects("127.0.0.1:1", "", "", "", terminal) is None
    assert "takes steps" in shown.getvalue()
    with pytest.raises(ExpectedError, match="no sequential model that is served takes steps"):
        step_subjects("127.0.0.1:1", "", "", "8", terminal)


@pytest.mark.parametrize(("problems", "code"), [((), 0), (("a request failed",), FAILED), ((BROKEN_OFF,), INTERRUPTED)])
def test_the_document_is_kept_and_its_problems_decide_the_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, problems: tuple[str, ...], code: int
) -> None:
    asked: list[Request] = []

    def measure(request: Request, *_: object) -> Steps:
        asked.append(request)
        return document().model_copy(update={"problems": problems})

    monkeypatch.setattr(session, "measure_steps", measure)
    terminal = Terminal()
    terminal.out = terminal.err = Console(file=io.StringIO(), width=100)
    folder = ResultFolder(tmp_path, terminal)
    assert stepped(terminal, Request("127.0.0.1:1", "", "", settings(slo_seconds=0.5)), SUBJECTS, folder) == code
    assert read_as(tmp_path / FILE_NAME, Steps).problems == problems
    assert folder.sources.steps is not None
    assert asked[0].settings.slo_seconds == 0.5
