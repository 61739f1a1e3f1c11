"""Reports of real documents, whole and broken: what they hold, what they need, what they say of what is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tandem.measure.report.charts.chart import Chart, Stack
from tandem.measure.report.charts.load import load_charts
from tandem.measure.report.report import charts_of, tell, write_report
from tandem.measure.report.report import page as html
from tandem.measure.report.sources import Sources, matched_runs, read_sources
from tandem.measure.results.files import Result
from tests.unit.tandem.measure.report.pages import Page, check_golden
from tests.unit.tandem.measure.report.variants import on_machine, runs, variants

HOSTILE = "<script>alert(1)</script><img src=//evil.example/x onerror=alert(2)>'\"&"


def page_of(sources: Sources, charts: Sequence[Chart | Stack] = ()) -> Page:
    """Return the page, with these charts: drawing takes long."""
    return Page(html(sources, charts))


def sources_of(*named: tuple[str, Result]) -> Sources:
    sources = Sources()
    for name, document in named:
        sources.add(f"{name}.json", on_machine(document))
    return sources


@pytest.fixture(scope="module")
def whole(results: Path) -> Sources:
    """Documents of all kinds."""
    sources = read_sources([results])
    known = variants()
    for name in ("comparison, equal terms", "steps, tokenizer known", "growth", "text", "colocation"):
        sources.add(name, known[name])
    sources.rejected.clear()
    return sources


@pytest.fixture(scope="module")
def page(whole: Sources) -> Page:
    return page_of(whole, charts_of(whole))


@pytest.fixture
def own(results: Path, tmp_path: Path) -> Path:
    """A copy of the results, to change."""
    return Path(shutil.copytree(results, tmp_path / "own"))


def changed(file: Path, change: Any) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def test_the_page_of_all_kinds(page: Page, whole: Sources) -> None:
    """In golden/; GOLDEN=1 writes it anew: read the difference."""
    check_golden("page.txt", page.text + "\n")
    assert len(page.charts) == len(set(page.charts)) == len(charts_of(whole))
    assert page.charts[0] == "cost-quality"
    story = tell(whole)
    assert all(text in page.text for text in (*story.sentences, *story.missing))


@pytest.mark.parametrize(
    "name",
    ["comparison, different work", "comparison, broken off", "comparison, CPU not known", "steps, nothing known"],
)
def test_the_first_screen(name: str) -> None:
    sources = sources_of((name, variants()[name]))
    story = tell(sources)
    check_golden(
        f"{name.replace(', ', '-').replace(' ', '-')}.txt",
        "\n".join([*story.warnings, *story.sentences, *story.missing, ""]),
    )


def test_the_page_of_runs_alone() -> None:
    sources = sources_of(*runs())
    found = page_of(sources, charts_of(sources))
    check_golden("runs.txt", found.text + "\n")
    assert found.charts == ["open", "phases", "closed", "goodput", "cdf-load"]


@pytest.mark.parametrize("kind", ["steps", "growth", "text", "colocation"])
def test_of_nothing_is_no_crash(kind: str) -> None:
    known = {name: document for name, document in variants().items() if name.partition(",")[0] == kind}
    for name, document in known.items():
        assert "Method" in page_of(sources_of((name, document))).text


def test_the_objective_of_goodput_may_be_of_the_first_output_alone(results: Path) -> None:
    own = matched_runs(read_sources([results]).runs)
    goodput = next(run.stream.goodput for run in own if run.stream.goodput is not None)
    changed_runs = []
    first_alone = goodput.model_copy(update={"slo_seconds": None, "slo_first_output_seconds": 0.05})
    for run in own:
        stream = run.stream.model_copy(update={"goodput": first_alone})
        changed_runs.append(replace(run, document=run.document.model_copy(update={"streams": (stream,)})))
    (chart,) = (each for each in load_charts(changed_runs, None) if each.key == "goodput")
    assert "within the objective (first output 50 ms)." in chart.note


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
    sources = read_sources([own])
    found = page_of(sources, [chart for chart in charts_of(sources) if chart.key in ("open", "phases", "first-output")])
    assert "<script>alert(1)</script>" in found.text
    assert [tag for tag in found.tags if tag in ("script", "img")] == [t for t in page.tags if t in ("script", "img")]
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    assert not [value for _, name, value in found.attributes if name.startswith("xlink") and value[:1] != "#"]


def test_a_report_is_a_page_and_the_pictures_of_its_main_charts(results: Path, tmp_path: Path) -> None:
    sources = read_sources([results / "comparison.json"])
    pngs = write_report(sources, tmp_path / "report.html", tmp_path / "pictures")
    shown = {"cost-quality", "compared", "phases", "cdf-callers", "first-output", "cpu"}
    assert {path.stem for path in pngs} == shown == {path.stem for path in (tmp_path / "pictures").iterdir()}
    assert set(Page((tmp_path / "report.html").read_text()).charts) == shown | {"cdf-alone"}
    assert (tmp_path / "report.html").stat().st_size < 600_000


def test_an_invalid_run_is_marked_loudly_and_left_out_of_the_curve(own: Path, tmp_path: Path) -> None:
    def spoil(content: Any) -> None:
        content["audit"]["valid"] = False
        content["audit"]["checks"][0] |= {"passed": False, "text": "sent late by 99 ms"}

    changed(own / "runs" / "trial-parallel-2.json", spoil)
    sources = read_sources([own])
    found = page_of(sources, [chart for chart in charts_of(sources) if chart.key == "open"])
    assert "INVALID: in 1 of 24 load runs" in tell(sources).warnings[0]
    assert "INVALID: sent late by 99 ms" in found.text
    assert len([title for title in found.titles if title.startswith("parallel p50, invalid run: ")]) == 1


def test_the_newest_of_each_kind_is_shown(own: Path) -> None:
    shutil.copy(own / "comparison.json", own / "later.json")
    changed(own / "later.json", lambda content: content.update(started_at="2099-01-01T00:00:00Z"))
    sources = read_sources([own])
    assert sources.comparison is not None
    assert sources.comparison.started_at.year == 2099
    assert sources.rejected[0].reason == "older than later.json; a report shows one of each kind"


def test_pictures_that_are_none_are_left_out(own: Path, tmp_path: Path) -> None:
    changed(own / "comparison.json", lambda content: content["served"][0].update(samples_png="PHN2Zz4="))
    found = page_of(read_sources([own]))
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
