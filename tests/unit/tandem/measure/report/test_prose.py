"""What is said of every document: in golden/sentences.txt. GOLDEN=1 writes it anew; read the difference."""

from __future__ import annotations

import pytest

from tandem.measure.report.prose import paragraphs, problems, sentence, tables
from tandem.measure.report.tables import markdown_table
from tandem.measure.studies.fit.capacity import capacity
from tests.unit.tandem.measure.report.pages import check_golden
from tests.unit.tandem.measure.report.variants import runs, variants
from tests.unit.tandem.measure.studies.fit.test_capacity import run

TABLED = (
    "comparison, different work",
    "comparison, equal terms",
    "comparison, beside a foreign server",
    "growth",
    "steps, no rate",
    "steps, tokenizer known",
    "text",
    "colocation, too much",
    "run",
    "run, of texts",
)
BOTH = "at the 2 loads measured from 1/s to 100/s"
TABLES = {"comparison": ("tables", "race", "readme"), "load": ("run",)}
MACROS = {
    "comparison": ("headlines", "small_print", "terms", "race_note"),
    "crossover": ("capacities", "explanation", "caveats"),
    "growth": ("explanation", "caveats"),
    "steps": ("explanation", "caveats"),
    "text": ("explanation", "caveats"),
    "colocation": ("explanation",),
    "load": ("summary",),
}


def test_all_sentences() -> None:
    lines = []
    for name, document in variants().items():
        texts = [text for macro in MACROS[document.kind] for text in paragraphs(f"{document.kind}.{macro}", document)]
        lines += [f"== {name}", *texts, *problems(document), ""]
    check_golden("sentences.txt", "\n".join(lines))


def test_all_tables() -> None:
    parts = []
    for name, document in variants().items():
        if name in TABLED:
            parts.append(f"== {name}")
            for macro in TABLES.get(document.kind, ("tables",)):
                found = tables(f"{document.kind}.{macro}", document)
                parts += [f"{table.title}\n{markdown_table(table)}" for table in found]
    parts += map(markdown_table, tables("load.sweep", list(runs())))
    check_golden("tables.md", "\n".join(parts) + "\n")


@pytest.mark.parametrize(
    ("ratios", "text"),
    [
        ((4.0, 2.0), f"Parallel wins {BOTH}, by a factor of 2 to 4 (4 at 1/s, 2 at 100/s)."),
        ((1.4, 0.8), f"It is too close to tell {BOTH}: the two differ by less than a factor of 1.5."),
        ((4.0, 0.25), "Parallel wins at 1/s; sequential wins at 100/s."),
        ((4.0, 1.2), "Parallel wins at 1/s; it is too close to tell at 100/s."),
        ((3.0,), "Parallel wins at 1/s, by a factor of 3."),
    ],
)
def test_a_contest(ratios: tuple[float, ...], text: str) -> None:
    assert sentence("crossover.contest", list(zip((1.0, 100.0), ratios, strict=False)), "%s/s", 1.5) == text


@pytest.mark.parametrize(
    ("trials", "text"),
    [
        (((20, 0.999), (30, 0.5)), "between 18.8 and 30/s"),
        (
            ((10, 0.999), (20, 0.999)),
            "at least 18.8/s (at 20/s, the highest rate tried, not all trials missed the objective)",
        ),
        (((40, 0.5), (30, 0.5)), "below 30/s (at 30/s, the lowest rate tried, not all trials met the objective)"),
        (
            ((10, 1.0), (20, 0.5), (20, 1.0)),
            "at least 9.41/s (at 20/s, the highest rate tried, not all trials missed the objective); the machine was"
            " not steady: met at 20/s, missed at 20/s",
        ),
        (
            ((10, 1.0), (20, 0.98), (30, 1.0), (40, 0.5)),
            "between 9.41 and 40/s; the machine was not steady: met at 30/s, missed at 20/s",
        ),
        (
            ((20, 0.9), (30, 1.0)),
            "not known, as not all trials at 20/s, the lowest rate tried, met the objective, nor did all at 30/s, the"
            " highest, miss it; the machine was not steady: met at 30/s, missed at 20/s",
        ),
    ],
)
def test_a_capacity_in_words(trials: tuple[tuple[float, float], ...], text: str) -> None:
    found = capacity("parallel", "gan", 0.25, [run(*each) for each in trials])
    assert sentence("crossover.capacity", found) == text


def test_a_capacity_that_is_not_known_says_why() -> None:
    few = [run(rate, 1.0, num_requests=40) for rate in (10, 20)]
    assert sentence("crossover.capacity", capacity("parallel", "gan", 0.25, few)) == (
        "not known, as no trial was long enough for 300 requests"
    )


def test_a_hostile_text_is_no_template() -> None:
    audits = variants()["comparison"].audits
    hostile = audits.model_copy(update={"num_runs": 1, "invalid": ("{{ 7 * 7 }}",)})
    assert sentence("audits.problem", hostile).endswith("{{ 7 * 7 }}")
