"""How a comparison is shown: the table of the four modes, quality, and Markdown."""

import re

import pytest
from rich.console import Console, Group

from tandem.cli.bench.compare import readme_text
from tandem.measure.report.sentences.comparison import headlines, small_print
from tandem.measure.report.tables.comparison import comparison_tables
from tandem.measure.report.tables.writers import terminal_table
from tandem.measure.results.comparison import Comparison, Judgement
from tests.unit.tandem.measure.imagined_quality import judged_images
from tests.unit.tandem.measure.studies.comparison.seen import findings, made, trial

TIMES = {"sequential unary": 0.2, "sequential streamed": 0.4, "parallel unary": 0.01, "parallel streamed": 0.02}


@pytest.fixture(scope="module")
def document() -> Comparison:
    trials = [
        (number, trial(mode, callers, [seconds] * 120, lasted=seconds * 120 / callers))
        for number in range(2)
        for callers in (1, 4)
        for mode, seconds in TIMES.items()
    ]
    quality = {"sequential": judged_images(4.0, 0.3), "parallel": judged_images(2.0, 0.3)}
    judgement = Judgement(reason="", data_set="d", num_test_images=9, judge="j", judge_sha256="0")
    found = findings(trials=trials, quality=quality, judgement=judgement)
    return made(found)


def text_of(what: object) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(what)
    return capture.get()


def row(text: str, name: str) -> list[str]:
    """Return the cells of the first row called so; they are apart by a bar, or by two blanks."""
    lines = [re.split(r"\s*\|\s?|\s{2,}", line.strip(" |")) for line in text.splitlines()]
    return next(line[1:] for line in lines if line[0].strip() == name)


def test_every_figure_is_in_its_place(document: Comparison) -> None:
    tables = map(terminal_table, comparison_tables(document))
    text = text_of(Group(*tables, *headlines(document), *small_print(document)))
    assert row(text, "whole image") == ["400 ms", "200 ms", "20 ms", "10 ms", "20x"]
    assert row(text, "1 caller: images/s") == ["2.5", "5", "50", "100", "20x"]
    assert row(text, "4 callers: images/s") == ["10", "20", "200", "400", "20x"]
    assert row(text, "images/s, p99 within") == ["none", "≥ 20", "≥ 200", "≥ 400"]
    assert row(text, "FID (lower is better)") == ["4.00", "2.00", "0.30"]
    assert "Quality: of 2,000 images of each model, the same number of each class;" in text
    assert "With 4 callers at a time: 400 images/s in parallel, 20 in sequence." in text


def test_markdown_has_the_least_and_the_greatest_load(document: Comparison) -> None:
    text = readme_text(document)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 3 + 2 * 6 + 5
    assert {line.count("|") for line in lines} == {7}
    assert row(text, "whole image") == [
        "400 ms (400-400)",
        "200 ms (200-200)",
        "20 ms (20-20)",
        "10 ms (10-10)",
        "20x (20-20)",
    ]
    assert row(text, "4 callers: images/s")[:2] == ["10 (10-10)", "20 (20-20)"]
    assert row(text, "FID (lower is better)") == ["4.00", "4.00", "2.00", "2.00"]
