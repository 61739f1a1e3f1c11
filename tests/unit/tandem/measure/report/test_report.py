"""Reports of real documents, whole and broken: what they hold, what they need, what they say of what is wrong."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tandem.measure.formats import rounded
from tandem.measure.report.charts.load import load_charts
from tandem.measure.report.crossover import answers
from tandem.measure.report.report import page as html
from tandem.measure.report.report import write_report
from tandem.measure.report.sections import sections
from tandem.measure.report.sources import Sources, matched_runs, read_sources
from tandem.measure.report.story import tell
from tandem.measure.results.crossover import Crossover
from tandem.measure.results.files import read_as
from tandem.measure.results.load import Document
from tests.unit.tandem.measure.report.pages import Page

HOSTILE = "<script>alert(1)</script><img src=//evil.example/x onerror=alert(2)>'\"&"


def written(sources: Sources, folder: Path) -> Page:
    write_report(sources, folder / "report.html", folder / "pictures")
    return Page((folder / "report.html").read_text())


@pytest.fixture(scope="module")
def page(results: Path, tmp_path_factory: Any) -> Page:
    return written(read_sources([results]), tmp_path_factory.mktemp("report"))


@pytest.fixture
def own(results: Path, tmp_path: Path) -> Path:
    """A copy of the results, to change."""
    return Path(shutil.copytree(results, tmp_path / "own"))


def changed(file: Path, change: Any) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def test_the_first_screen_has_the_answer_with_the_numbers_of_these_runs(results: Path, page: Page) -> None:
    story = tell(read_sources([results]))
    costs, buys = story.sentences
    assert costs.text.startswith("39 times the wait (63 ms for an image against 1.6 ms in parallel)")
    sequential, parallel = read_as(results / "crossover.json", Crossover).capacities
    rates = [
        f"{rounded(each.low_per_second or 0.0)} to {rounded(each.high_per_second or 0.0)}"
        for each in (sequential, parallel)
    ]
    assert costs.text.endswith(f"2 cores of Imagined CPU serve {rates[0]} images a second against {rates[1]}.")
    assert buys.text.startswith("images worse by FID")
    assert story.gains is not None
    assert [each.text for each in story.gains.rows[0].whole_cells][1:] == ["1.44", "0.68", "worse"]
    for sentence in story.sentences:
        assert sentence.text in page.text
    assert all(text.replace("`", "") in page.text for text in story.missing)
    assert story.warnings == ()


def test_the_first_picture_is_cost_against_quality(page: Page) -> None:
    ids = [value for _, name, value in page.attributes if name == "id" and value in page.figures]
    assert ids[0] == "cost-quality"
    (alone,) = (trace for trace in page.figures["cost-quality"]["data"] if trace["name"] == "gan")
    assert alone["error_x"]["array"][0] >= 0.0
    assert alone["mode"] == "markers+text"


def test_what_is_folded_says_what_it_is(page: Page) -> None:
    assert page.tags.count("details") == page.tags.count("summary") > 4
    assert "Service curves, and the trials behind the capacity" in page.text


def test_answers_are_those_of_the_document(results: Path, page: Page) -> None:
    crossover = read_sources([results]).crossover
    assert crossover is not None
    told = answers(crossover)
    assert {each.key for each in told} >= {"p50", "p99", "capacity"}
    assert all(each.text in page.text for each in told)


def test_pictures_of_both_models_stand_side_by_side(page: Page) -> None:
    pictures = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    assert len(pictures) == 2
    assert "The judge takes 88% for the class asked for" in page.text
    assert "The judge takes 92% for the class asked for" in page.text


def test_everything_is_shown(page: Page) -> None:
    keys = [
        "open",
        "closed",
        "goodput",
        "compared",
        "phases",
        "cdf-alone",
        "cdf-callers",
        "cdf-load",
        "first-output",
    ]
    keys += ["cpu", "fit-unit", "fit-whole"]
    keys += ["cost-quality"]
    # One number of callers makes no curve, so there is no closed loop but the comparison's.
    assert set(page.figures) == set(keys) - {"closed"}
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert set(page.figures) <= set(ids)
    assert len(ids) == len(set(ids))


def test_parts_sum_to_what_the_client_waited(page: Page) -> None:
    rows = page.figures["phases"]["data"]
    for place in range(4):
        assert sum(trace["x"][place] for trace in rows) == pytest.approx(100.0)
    assert "sequential unary, 1 caller<br>63 ms" in rows[0]["y"]
    assert "outside" in [trace["name"] for trace in rows]


def test_curves_hold_what_was_measured(results: Path, page: Page) -> None:
    runs = [read_as(file, Document) for file in sorted((results / "runs").glob("trial-parallel-*.json"))]
    (curve,) = (trace for trace in page.figures["open"]["data"] if trace["name"] == "parallel p50")
    points = sorted(zip(curve["x"], curve["y"], strict=True))
    measured = ((run.scenario.load.rate_per_second, run.streams[0].latency.seconds.p50) for run in runs)  # type: ignore[union-attr]
    assert points == [(rate, pytest.approx((p50 or 0.0) * 1e3)) for rate, p50 in sorted(measured)]
    assert curve["x"] == sorted(curve["x"])


def test_the_objective_of_goodput_may_be_of_the_first_output_alone(results: Path) -> None:
    runs = matched_runs(read_sources([results]).runs)
    goodput = next(run.stream.goodput for run in runs if run.stream.goodput is not None)
    changed_runs = []
    first_alone = goodput.model_copy(update={"slo_seconds": None, "slo_first_output_seconds": 0.05})
    for run in runs:
        stream = run.stream.model_copy(update={"goodput": first_alone})
        changed_runs.append(replace(run, document=run.document.model_copy(update={"streams": (stream,)})))
    (chart,) = (each for each in load_charts(changed_runs, None) if each.key == "goodput")
    assert "within the objective (first output 50 ms)." in chart.note


def test_a_cdf_ends_at_one_and_never_falls(page: Page) -> None:
    for trace in page.figures["cdf-load"]["data"]:
        assert trace["y"] == sorted(trace["y"])
        assert (trace["y"][0], trace["y"][-1]) == (0.0, 1.0)


def test_paradigms_have_their_colours_everywhere(page: Page) -> None:
    for figure in page.figures.values():
        for trace in figure["data"]:
            role = trace["meta"]["role"]
            for paradigm in ("sequential", "parallel"):
                if trace["name"].startswith(paradigm):
                    assert role == paradigm


def test_nothing_is_loaded_from_anywhere(page: Page) -> None:
    loading = [
        (tag, name, value) for tag, name, value in page.attributes if name in ("src", "href", "action", "srcset")
    ]
    assert all(value.startswith("data:image/png;base64,") for _, _, value in loading)
    assert not {"link", "iframe", "object", "embed", "base"} & set(page.tags)
    (policy,) = (value for _, name, value in page.attributes if name == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'")


def test_strings_of_documents_are_only_text(own: Path, tmp_path: Path, page: Page) -> None:
    def hostile(content: Any) -> None:
        content["machine"]["cpu_model"] = HOSTILE
        content["models"][0]["licence"] = HOSTILE
        content["problems"] = [HOSTILE]

    def hostile_names(content: Any) -> None:
        hostile(content)
        content["streams"][0]["name"] = content["streams"][0]["model"] = HOSTILE

    def hostile_modes(content: Any) -> None:
        hostile(content)
        content["modes"][0]["name"] = content["served"][0]["model"] = HOSTILE

    for file in own.rglob("*.json"):
        change = {"comparison": hostile_modes, "crossover": hostile}.get(file.stem, hostile_names)
        changed(file, change)
    (own / f"{HOSTILE.replace('/', '')}.json").write_text("{}")
    found = written(read_sources([own]), tmp_path / "report")
    assert HOSTILE in found.text
    assert [tag for tag in found.tags if tag in ("script", "img")] == [t for t in page.tags if t in ("script", "img")]
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    names = [trace["name"] for figure in found.figures.values() for trace in figure["data"]]
    assert not [name for name in names if "<" in name]


def test_the_pngs_are_pictures(results: Path, tmp_path: Path) -> None:
    pngs = write_report(read_sources([results]), tmp_path / "report.html", tmp_path / "pictures")
    shown = {
        "cost-quality",
        "open",
        "compared",
        "goodput",
        "phases",
        "cdf-callers",
        "first-output",
        "cpu",
        "fit-whole",
    }
    assert {path.stem for path in pngs} == shown
    for path in pngs:
        with Image.open(path) as image:
            assert image.width > 900
            assert len(set(image.convert("L").tobytes())) > 20


def test_an_invalid_run_is_marked_loudly_and_left_out_of_the_curve(own: Path, tmp_path: Path) -> None:
    def spoil(content: Any) -> None:
        content["audit"]["valid"] = False
        content["audit"]["checks"][0] |= {"passed": False, "text": "sent late by 99 ms"}

    changed(own / "runs" / "trial-parallel-2.json", spoil)
    sources = read_sources([own])
    found = written(sources, tmp_path / "report")
    assert "INVALID: in 1 of 24 load runs" in tell(sources).warnings[0]
    assert "INVALID: sent late by 99 ms" in found.text
    traces = {trace["name"]: trace for trace in found.figures["open"]["data"]}
    assert len(traces["parallel p50"]["x"]) == 9
    assert len(traces["parallel p50, invalid run"]["x"]) == 1
    assert traces["parallel p50, invalid run"]["marker"]["symbol"] == "x-thin"


def test_a_partial_comparison_is_marked(own: Path) -> None:
    changed(own / "comparison.json", lambda content: content.update(is_partial=True, problems=["broken off by hand"]))
    assert "PARTIAL: the comparison was broken off: broken off by hand" in tell(read_sources([own])).warnings


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("[1]", "not a JSON object"),
        ('{"kind": "comparison"}', "it has no schema version"),
        ('{"kind": "crossover", "schema_version": 99}', "it has schema version 99, and this tandem reads 9 alone"),
        ('{"schema_version": 1}', "it has schema version 1, and this tandem reads 9 alone"),
        ("[" * 100_000, "recursion"),
        ("\x00\x01", "Expecting value"),
    ],
)
def test_a_foreign_file_is_told_of_and_no_crash(text: str, reason: str, results: Path, tmp_path: Path) -> None:
    (tmp_path / "foreign.json").write_text(text)
    sources = read_sources([results / "comparison.json", tmp_path / "foreign.json"])
    (rejected,) = sources.rejected
    assert rejected.name == "foreign.json"
    assert reason in rejected.reason
    assert "1 files could not be used; see the list of files." in tell(sources).warnings
    assert rejected.reason in html(sources, sections(sources))


@pytest.mark.parametrize("names", [["comparison.json"], ["crossover.json"], ["runs"]])
def test_a_report_of_a_part_shows_that_part(names: list[str], results: Path, tmp_path: Path) -> None:
    found = written(read_sources([results / name for name in names]), tmp_path / "report")
    assert found.figures
    assert "Method" in found.text


def test_the_newest_of_each_kind_is_shown(own: Path) -> None:
    shutil.copy(own / "comparison.json", own / "later.json")
    changed(own / "later.json", lambda content: content.update(started_at="2099-01-01T00:00:00Z"))
    sources = read_sources([own])
    assert sources.comparison is not None
    assert sources.comparison.started_at.year == 2099
    assert sources.rejected[0].reason == "older than later.json; a report shows one of each kind"


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere: no such file or folder"):
        read_sources([tmp_path / "nowhere"])


def test_pictures_that_are_none_are_left_out(own: Path, tmp_path: Path) -> None:
    changed(own / "comparison.json", lambda content: content["served"][0].update(samples_png="PHN2Zz4="))
    found = written(read_sources([own]), tmp_path / "report")
    assert len([tag for tag in found.tags if tag == "img"]) == 1
    assert "no images were kept" in found.text


def test_only_one_image_a_request_at_a_steady_load_is_comparable(own: Path) -> None:
    file = own / "runs" / "trial-parallel-1.json"
    changed(
        file, lambda content: content["scenario"]["workloads"][0].update(images={"shape": "fixed", "parameters": [8]})
    )
    names = {run.name for run in matched_runs(read_sources([own]).runs)}
    assert "runs/trial-parallel-1.json" not in names
    assert "runs/trial-parallel-2.json" in names
