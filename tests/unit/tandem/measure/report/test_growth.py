"""The part of a report that shows how the cost grows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tandem.measure.report.charts.growth import growth_charts
from tandem.measure.report.growth import METHOD, caveats, explanation
from tandem.measure.report.report import write_report
from tandem.measure.report.sources import read_sources
from tandem.measure.report.story import tell
from tandem.measure.results.files import write_document
from tandem.measure.results.growth import Growth, Settings
from tests.unit.tandem.measure.report.pages import Page
from tests.unit.tandem.measure.studies.growth.imagined import document, findings

KEYS = {"growth-streams", "growth-context", "growth-prefill", "growth-middle"}


@pytest.fixture(scope="module")
def growth() -> Growth:
    return document()


def page(folder: Path, *paths: Path) -> Page:
    write_report(read_sources(list(paths)), folder / "report.html", folder / "pictures")
    return Page((folder / "report.html").read_text())


def test_a_growth_alone_makes_a_report(growth: Growth, tmp_path: Path) -> None:
    write_document(tmp_path / "growth.json", growth)
    found = page(tmp_path, tmp_path / "growth.json")
    assert set(found.figures) == KEYS
    assert "How the cost grows imagined-text, int4 on cpu" in found.text
    for text in (*explanation(growth), *METHOD, *caveats(growth)):
        assert text in found.text
    assert {path.stem for path in (tmp_path / "pictures").glob("*.png")} == KEYS - {"growth-prefill"}


def test_beside_the_others_it_has_a_section_of_its_own(growth: Growth, results: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(results, tmp_path / "own"))
    without = page(tmp_path, own)
    assert "How the cost grows" not in without.text
    write_document(own / "growth.json", growth)
    found = page(tmp_path, own)
    assert set(found.figures) == set(without.figures) | KEYS
    assert tell(read_sources([own])).sentences == tell(read_sources([results])).sentences


def test_charts_hold_what_was_measured_and_the_knee_lies_on_the_fit(growth: Growth) -> None:
    streams = growth_charts(growth, [])[0]
    series = {each.name: each for each in streams.series}
    assert series["while all generate"].y == [each.decode_tokens_per_second.value for each in growth.concurrency]
    assert series["while all generate"].low == [each.decode_tokens_per_second.low for each in growth.concurrency]
    fit = growth.step_fit
    assert fit is not None
    assert fit.knee is not None
    assert fit.most_tokens_per_second is not None
    assert series["knee"].x == [fit.knee.value]
    assert series["knee"].y == pytest.approx([fit.most_tokens_per_second / 2])
    assert series["most that batching brings"].y == [fit.most_tokens_per_second] * 2


def test_a_poor_fit_is_said() -> None:
    found = document(findings(Settings(), lambda number: 0.01 * (1 + (number in (2, 8, 32)))))
    assert "POOR: the fit of the step's time over the number of streams" in " ".join(explanation(found))
