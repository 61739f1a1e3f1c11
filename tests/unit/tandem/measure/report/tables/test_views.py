"""The table of three views."""

from tandem.measure.report.tables.views import views_tables
from tandem.measure.report.tables.writers import markdown_table
from tests.unit.tandem.measure.imagined_quality import judged_images


def test_images_then_what_each_tokenizer_loses_once_then_real_ones() -> None:
    seen = [
        ("49 steps", "sar", judged_images(1.5, 0.3, 1.2)),
        ("8 steps", "sar", judged_images(2.5, 0.3, 1.2)),
        ("gan", "gan", judged_images(0.6, 0.3)),
    ]
    [table] = views_tables(seen)
    rows = [line.strip("| ").split(" | ") for line in markdown_table(table).splitlines()[2:]]
    assert [row[0] for row in rows] == [
        "49 steps",
        "8 steps",
        "gan",
        "real images through sar's tokenizer",
        "as many real images",
    ]
    assert rows[1] == ["8 steps", "2.5 (2.4-2.6)", "0.25 (0.15-0.35)", "0.5 (0.4-0.6)"]
    assert rows[-1][1] == "0.3 (0.2-0.4)"


def test_where_no_quality_was_measured_there_is_no_table() -> None:
    assert views_tables([("gan", "gan", None), ("ar", "ar", None)]) == []
