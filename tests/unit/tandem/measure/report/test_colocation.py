"""The part of a report that shows what each service takes from the other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tandem.measure.report.colocation import METHOD, colocation_tables, explanation
from tandem.measure.report.report import write_report
from tandem.measure.report.sources import read_sources
from tandem.measure.report.story import tell
from tandem.measure.report.tables.writers import markdown_table
from tandem.measure.results.colocation import Colocation
from tandem.measure.results.files import write_document
from tests.unit.tandem.measure.report.pages import Page
from tests.unit.tandem.measure.studies.colocation.imagined import document, rounds

TITLE = "Both at once: what each service takes from the other"


@pytest.fixture(scope="module")
def colocation() -> Colocation:
    return document()


def page(folder: Path, *paths: Path) -> Page:
    write_report(read_sources(list(paths)), folder / "report.html", folder / "pictures")
    return Page((folder / "report.html").read_text())


def test_it_makes_a_section_alone_and_beside_the_others(colocation: Colocation, results: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(results, tmp_path / "own"))
    without = page(tmp_path, own)
    assert TITLE not in without.text
    write_document(own / "colocation.json", colocation)
    for path in (own, own / "colocation.json"):
        found = page(tmp_path, path)
        for text in (TITLE, *explanation(colocation), *METHOD):
            assert text in found.text
    assert tell(read_sources([own])).sentences == tell(read_sources([results])).sentences


def test_the_sentences_say_what_each_keeps(colocation: Colocation) -> None:
    image, first, text, second = explanation(colocation)
    assert image == (
        "Beside gan (500 images/s, half of its capacity), an image of ar takes 2 (2 to 2) times as long at p50,"
        " 40.8 ms instead of 20.4 ms, and 2 (2 to 2) times at p99."
    )
    assert first.startswith("Beside ar (50 images/s, half of its capacity), an image of gan takes 1.5 (1.5 to 1.5)")
    assert text == (
        "Beside gan (500 images/s, half of its capacity), a stream of lm keeps 50 (50 to 50) % of its rate:"
        " 49.3 tokens/s instead of 98.5."
    )
    assert second.startswith("Beside lm (one stream at a time), an image of gan takes")


def test_a_queue_that_grew_is_told_of() -> None:
    told = [each for each in explanation(document(rounds(4, grows=True))) if "more than this machine" in each]
    assert told[0] == (
        "Both are more than this machine carries: the queue of gan grew in 4 of 4 rounds, and its latency depends on"
        " how long that lasts."
    )


def test_a_table_has_a_row_a_figure_of_either_service(colocation: Colocation) -> None:
    _, text = colocation_tables(colocation)
    assert (text.title, text.heads[1:3]) == ("lm beside gan", ("alone", "together"))
    rows = {str(row.cells[0]): [str(cell) for cell in row.cells[1:]] for row in text.rows}
    assert list(rows)[:2] == ["lm, one stream at a time", "  tokens/s of a stream"]
    assert rows["  images/s delivered"] == ["50 (50-50)", "50 (50-50)", "1x (1-1)"]
    assert "| latency p50 |" in markdown_table(text).replace("|   latency", "| latency")


def test_requests_that_failed_are_marked() -> None:
    table, _ = colocation_tables(document(rounds(4, num_failed=3)))
    (bad,) = (row for row in table.rows if row.is_bad)
    assert [str(cell) for cell in bad.cells] == ["  failed requests", "", "12 of 400", ""]


def test_more_than_one_failed_request_in_a_hundred_is_told_of() -> None:
    told = next(each for each in explanation(document(rounds(4, num_failed=3))) if "failed" in each)
    assert told == ("12 of 400 requests of gan failed while both ran; its latency is that of the others alone.")
    assert not any("failed" in each for each in explanation(document(rounds(4, num_failed=1))))


def test_a_partial_one_is_marked_and_one_of_nothing_is_no_crash(tmp_path: Path) -> None:
    write_document(tmp_path / "colocation.json", document([], "broken off by hand"))
    assert TITLE not in page(tmp_path, tmp_path / "colocation.json").text
    warnings = tell(read_sources([tmp_path])).warnings
    assert "PARTIAL: the measurement of co-location was broken off: broken off by hand" in warnings


def test_strings_of_a_document_are_only_text(colocation: Colocation, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    content: Any = json.loads(colocation.model_dump_json())
    for pairing in content["pairings"]:
        pairing["sequential"]["load"]["workload"]["model"] = hostile
    (tmp_path / "colocation.json").write_text(json.dumps(content))
    found = page(tmp_path, tmp_path / "colocation.json")
    assert hostile in found.text
