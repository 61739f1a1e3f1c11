"""The part of a report that shows what each step costs and buys."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tandem.measure.report.charts.quality import law_chart
from tandem.measure.report.report import write_report
from tandem.measure.report.sources import read_sources
from tandem.measure.report.steps import METHOD, caveats, explanation, steps_tables
from tandem.measure.report.story import tell
from tandem.measure.results.files import write_document
from tandem.measure.results.steps import Steps
from tests.unit.tandem.measure.report.pages import Page
from tests.unit.tandem.measure.studies.steps.imagined import STEPS, document

KEYS = {"cost-quality", "steps-law"}


@pytest.fixture(scope="module")
def steps() -> Steps:
    return document()


def page(folder: Path, *paths: Path) -> Page:
    write_report(read_sources(list(paths)), folder / "report.html", folder / "pictures")
    return Page((folder / "report.html").read_text())


def test_steps_alone_make_a_report(steps: Steps, tmp_path: Path) -> None:
    write_document(tmp_path / "steps.json", steps)
    found = page(tmp_path, tmp_path / "steps.json")
    assert set(found.figures) == KEYS
    for text in (*explanation(steps), *METHOD, *caveats(steps)):
        assert text.replace("`", "") in found.text
    assert {path.stem for path in (tmp_path / "pictures").glob("*.png")} == KEYS


def test_beside_the_others_they_have_a_section_of_their_own(steps: Steps, results: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(results, tmp_path / "own"))
    without = page(tmp_path, own)
    write_document(own / "steps.json", steps)
    found = page(tmp_path, own)
    assert set(found.figures) == set(without.figures) | KEYS
    assert [each.about for each in tell(read_sources([results])).sentences] == ["What it costs", "What it buys"]
    costs, *others = tell(read_sources([own])).sentences
    assert "closed loops" not in costs.text  # the fit's open loops tell more
    assert others == list(tell(read_sources([tmp_path / "own" / "steps.json"])).sentences[1:])


def test_the_line_is_what_the_costs_foretell_and_the_points_what_was_measured(steps: Steps) -> None:
    measured, foretold = law_chart(steps).series
    assert list(measured.x) == list(map(float, STEPS[:-1]))
    assert list(foretold.x) == [1.0, 2.0, 4.0, 8.0]
    assert list(foretold.y) == pytest.approx([1.1 * bits for bits in list(measured.y)[:4]])


def test_the_tables_have_a_row_each_and_mark_the_front(steps: Steps) -> None:
    costs, quality, _ = steps_tables(steps)
    for table in (costs, quality):
        names = [str(row.cells[0]) for row in table.rows]
        assert names == ["1 step", *(f"{number} steps" for number in STEPS[1:]), "ar", "gan"]
    assert str(costs.rows[0].cells[1]).startswith("6 ms")
    assert [str(row.cells[-1]) for row in quality.rows] == [""] * 8 + ["yes"]


def test_the_text_says_how_far_the_prediction_is_off(steps: Steps) -> None:
    """At one step 1.98 bits are foretold, of 1.8."""
    (text,) = explanation(steps)
    assert "1.980 in 1, where 1.800" in text
    assert "up to 0.180 bits" in text


def test_where_nothing_is_foretold_the_text_says_why(steps: Steps) -> None:
    points = tuple(each.model_copy(update={"predicted_over_most": None}) for each in steps.points)
    (unforetold,) = explanation(steps.model_copy(update={"points": points}))
    (unscored,) = explanation(steps.model_copy(update={"num_scored": 0}))
    assert "costs of the model's steps were not at hand" in unforetold
    assert "the server gave no likelihoods" in unscored


def test_a_model_that_meets_the_objective_at_no_load_tried_is_told_of(steps: Steps) -> None:
    point = steps.points[0]
    assert point.mode.capacity is not None
    none = point.mode.model_copy(
        update={"capacity": point.mode.capacity.model_copy(update={"images_per_second": None})}
    )
    told = list(caveats(steps.model_copy(update={"points": (point.model_copy(update={"mode": none}),)})))
    assert any("sar in 1 step has no rate within the objective: no load that was tried" in each for each in told)


def test_a_partial_measurement_is_marked(steps: Steps, tmp_path: Path) -> None:
    broken = document(stop_reason="broken off by hand")
    write_document(tmp_path / "steps.json", broken)
    warnings = tell(read_sources([tmp_path])).warnings
    assert "PARTIAL: the measurement over steps was broken off: broken off by hand" in warnings


def test_nothing_judged_and_nothing_measured_is_no_crash(steps: Steps, tmp_path: Path) -> None:
    bare = [
        point.model_copy(update={"quality": None, "mode": point.mode.model_copy(update={"curve": ()})})
        for point in steps.points
    ]
    empty = steps.model_copy(update={"points": tuple(bare)})
    write_document(tmp_path / "steps.json", empty)
    assert set(page(tmp_path, tmp_path / "steps.json").figures) == {"steps-law"}
    assert steps_tables(empty) == []


def test_strings_of_a_document_are_only_text(steps: Steps, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    content: Any = json.loads(steps.model_dump_json())
    content["models"][0]["name"] = hostile
    for point in content["points"]:
        point["mode"]["model"] = hostile
        point["quality"]["views"]["tokenizer"] = point["quality"]["views"]["model"]
    (tmp_path / "steps.json").write_text(json.dumps(content))
    found = page(tmp_path, tmp_path / "steps.json")
    assert hostile in found.text
    assert not [
        note for each in found.figures.values() for trace in each["data"] for note in trace["text"] if "<" in note
    ]
    names = [each["text"] for figure in found.figures.values() for each in figure["layout"].get("annotations", ())]
    assert names
    assert not [name for name in names if "<" in name]
