"""The part of a report that shows how the cost grows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tandem.measure.report.charts.growth import growth_charts
from tandem.measure.report.growth import METHOD, caveats, explanation, modes_between
from tandem.measure.report.report import write_report
from tandem.measure.report.sources import read_sources
from tandem.measure.report.story import tell
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.files import write_document
from tandem.measure.results.growth import Growth, Settings
from tests.unit.tandem.measure.report.conftest import a_comparison
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


def test_a_knee_beyond_the_measured_is_not_drawn() -> None:
    settings = Settings(concurrencies=(1, 2, 4))
    found = document(findings(settings, lambda number: 0.01 + 0.0001 * number), settings)
    assert "knee" not in [each.name for each in growth_charts(found, [])[0].series]


def test_drafts_lie_between_sequential_and_parallel(growth: Growth) -> None:
    modes = modes_between(growth, with_steps(a_comparison()))
    best = max((mode for mode in modes if mode.kind.startswith("drafts")), key=lambda mode: mode.outputs_per_pass)
    (parallel,) = (mode for mode in modes if mode.kind == "parallel")
    assert {(mode.outputs_per_pass, mode.speed.value) for mode in modes if mode.kind == "sequential"} == {(1.0, 1.0)}
    assert (best.name, best.outputs_per_pass) == ("sequential, drafts", 3.0)
    assert 1.0 < best.speed.value < parallel.speed.value == pytest.approx(0.063 / 0.0016)
    assert 1.0 < best.outputs_per_pass < parallel.outputs_per_pass


def with_steps(comparison: Comparison) -> Comparison:
    """Return the comparison with a sequential model that needs 49 tokens for an image."""
    first, *others = comparison.models
    assert first.paradigm == "sequential"
    return comparison.model_copy(update={"models": (first.model_copy(update={"tokens_per_image": 49}), *others)})


def test_without_drafts_there_is_nothing_between(growth: Growth) -> None:
    assert modes_between(growth.model_copy(update={"drafts": ()}), a_comparison()) == []


def test_a_partial_growth_is_marked_and_an_older_one_told_of(growth: Growth, tmp_path: Path) -> None:
    write_document(tmp_path / "first.json", growth)
    later = json.loads(growth.model_dump_json()) | {"started_at": "2099-01-01T00:00:00Z", "is_partial": True}
    (tmp_path / "later.json").write_text(json.dumps(later | {"problems": ["broken off by hand"]}))
    sources = read_sources([tmp_path])
    assert "PARTIAL: the growth was broken off: broken off by hand" in tell(sources).warnings
    assert sources.rejected[0].reason == "older than later.json; a report shows one of each kind"


def test_a_growth_of_nothing_is_no_crash(tmp_path: Path) -> None:
    empty = document(findings(Settings(), num_rounds=0), problem="broken off by hand")
    write_document(tmp_path / "growth.json", empty)
    assert page(tmp_path, tmp_path / "growth.json").figures == {}


def test_strings_of_a_document_are_only_text(growth: Growth, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    content: Any = json.loads(growth.model_dump_json())
    content["models"][0]["dtype"] = hostile
    for point in content["drafts"]:
        point["results"][1]["server"]["label"] = hostile
    (tmp_path / "growth.json").write_text(json.dumps(content))
    found = page(tmp_path, tmp_path / "growth.json")
    assert hostile in found.text
    assert not [
        note for each in found.figures.values() for trace in each["data"] for note in trace["text"] if "<" in note
    ]
