"""A tradeoff without real images, without steps, or whose fit fails, is worth a report all the same."""

import io
from pathlib import Path

import numpy as np
import pytest
import typer
from rich.console import Console

from tandem.cli.bench import tradeoff
from tandem.cli.bench.options import JudgeOptions, MeterOptions
from tandem.cli.bench.results import ResultFolder
from tandem.cli.command_line import flatten
from tandem.cli.terminal import Terminal
from tandem.measure.quality import reference
from tandem.measure.results.crossover import Crossover
from tandem.measure.results.files import read_as, write_document
from tandem.measure.results.text import TextStudy
from tandem.measure.studies.comparison import modes
from tandem.measure.studies.text import study as text_study
from tandem.shared.errors import ExpectedError
from tests.unit.tandem.measure.report.conftest import a_comparison, results  # noqa: F401  a fixture
from tests.unit.tandem.measure.studies.colocation.imagined import document as colocation
from tests.unit.tandem.measure.studies.comparison.seen import model
from tests.unit.tandem.measure.studies.steps.imagined import PAIR, document
from tests.unit.tandem.measure.studies.text import imagined as texts


@pytest.fixture
def terminal():
    shown = Terminal()
    shown.err = Console(file=io.StringIO(), width=100)
    return shown


@pytest.mark.parametrize("is_installed", [True, False])
def test_missing_images_are_no_obstacle_but_are_told_of(monkeypatch, terminal, is_installed):
    def load_split(name):
        if not is_installed:
            raise FileNotFoundError(f"{name} is missing: install it")
        return np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.int64)

    monkeypatch.setattr(reference, "load_split", load_split)
    assert JudgeOptions().problem(terminal) == ("" if is_installed else "train is missing: install it")
    assert ("quality will not be measured: train is missing" in terminal.err.file.getvalue()) is not is_installed
    assert JudgeOptions(reference=Path("own.npz")).problem(terminal) == ""


def test_outside_a_checkout_there_is_no_judge(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert "there is no judge at models/fashion-judge" in JudgeOptions().problem(Terminal())
    assert JudgeOptions(judge=Path("own"), reference=Path("own.npz")).problem(Terminal()) == ""


@pytest.mark.parametrize("text", ["1;8", "one", "1,", "1.5"])
def test_steps_are_numbers_with_commas_between(text, terminal):
    with pytest.raises(ExpectedError, match="is not accepted; accepted: whole numbers"):
        tradeoff.pair_over_steps("127.0.0.1:1", "", "", text, terminal)


def test_without_a_model_that_takes_steps_there_is_no_curve(monkeypatch, terminal):
    """That is wrong only if somebody asked for steps."""

    async def served(*_):
        return (model("sequential", "ar"),)

    monkeypatch.setattr(modes, "served_models", served)
    assert tradeoff.pair_over_steps("127.0.0.1:1", "", "", "", terminal) is None
    assert "takes steps" in terminal.err.file.getvalue()
    with pytest.raises(ExpectedError, match="no sequential model that is served takes steps"):
        tradeoff.pair_over_steps("127.0.0.1:1", "", "", "1,8", terminal)


@pytest.fixture
def reported():
    """What reports are made of."""
    return []


@pytest.fixture
def measured(monkeypatch, reported):
    """All but the fit and co-location, which a test sets."""

    def write_report(sources, *_):
        reported.append(sources)
        return True

    async def find_pair(*_):
        return PAIR

    monkeypatch.setattr(tradeoff, "find_pair", find_pair)
    monkeypatch.setattr(tradeoff, "compare_to", lambda *given: (document() if len(given) > 4 else a_comparison(), 0))
    monkeypatch.setattr(tradeoff, "pair_over_steps", lambda *_: PAIR)
    monkeypatch.setattr(tradeoff, "write_report", write_report)
    return monkeypatch


@pytest.mark.parametrize(("error", "ends_with"), [(ExpectedError("too little"), typer.Exit), (RuntimeError(), None)])
def test_a_fit_that_raises_still_yields_a_report(measured, reported, tmp_path, error, ends_with):
    def fit_to(*_):
        raise error

    measured.setattr(tradeoff, "fit_to", fit_to)
    with pytest.raises(ends_with or type(error)):
        flatten(tradeoff.tradeoff)(out_dir=tmp_path, together=True)
    assert {found.kind for found in reported[0].documents} == {"comparison", "steps"}


@pytest.mark.parametrize("is_wanted", [True, False])
def test_co_location_is_measured_at_the_capacities_of_the_fit_unless_it_is_not_wanted(
    measured,
    reported,
    results,  # noqa: F811
    tmp_path,
    is_wanted,
):
    crossover = read_as(results / "crossover.json", Crossover)
    asked = []

    def fit_to(folder, *_):
        folder.keep("crossover.json", crossover)
        return 0

    def colocate_to(folder, address, names, settings, fit, terminal):
        asked.append((names, settings, fit))
        folder.keep("colocation.json", colocation())
        return 0

    measured.setattr(tradeoff, "fit_to", fit_to)
    measured.setattr(tradeoff, "colocate_to", colocate_to)
    measured.setattr(tradeoff, "pair_over_steps", lambda *_: None)
    flatten(tradeoff.tradeoff)(out_dir=tmp_path, together=is_wanted)
    assert asked == ([(("", ""), tradeoff.SHORT_TOGETHER, crossover)] if is_wanted else [])
    assert (reported[0].colocation is not None) is is_wanted


def test_texts_are_shown_beside_the_pictures_that_are_there(monkeypatch, terminal, tmp_path, capsys):
    asked = []

    async def measured(address, settings, metrics, held, on_stage):
        asked.append((address, settings.model, settings.tokens_per_step, settings.num_rounds, metrics, held))
        return texts.study()

    monkeypatch.setattr(text_study, "measure_text", measured)
    write_document(tmp_path / "steps.json", document())
    held = tmp_path / "held.txt"
    held.write_text("One text.\n\nAnother one.")
    extent = tradeoff.Extent(text=True, thorough=True, steps="2,4", held=held)
    meters, folder = MeterOptions(sequential_metrics="127.0.0.1:9"), ResultFolder(tmp_path, terminal)
    assert tradeoff.text_to(folder, "127.0.0.1:1", "own", extent, meters, terminal) == 0
    told = ["One text.", "Another one."]
    assert asked == [("127.0.0.1:1", "own", (2, 4), 8, {"sequential": "127.0.0.1:9"}, told)]
    assert len(read_as(tmp_path / "text.json", TextStudy).modes) == 6
    page = (tmp_path / "report.html").read_text()
    assert "several tokens a step" in page
    assert "What each step costs and buys" in page
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {
        "cost-quality.png",
        "steps-law.png",
        "text-modes.png",
    }
    assert "One caller: K = 8 tokens a step is fastest" in capsys.readouterr().out


def test_texts_alone_are_what_a_report_of_them_opens_with(monkeypatch, terminal, tmp_path):
    async def measured(*_):
        return texts.study()

    monkeypatch.setattr(text_study, "measure_text", measured)
    extent, folder = tradeoff.Extent(text=True), ResultFolder(tmp_path, terminal)
    assert tradeoff.text_to(folder, "127.0.0.1:1", "", extent, MeterOptions(), terminal) == 0
    page = (tmp_path / "report.html").read_text()
    assert page.index("One caller:") < page.index("text-modes") < page.index("Figures of texts")
    with pytest.raises(ExpectedError, match="whole numbers"):
        tradeoff.text_to(folder, "127.0.0.1:1", "", tradeoff.Extent(steps="two"), MeterOptions(), terminal)
