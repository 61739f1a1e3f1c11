"""The table of three views."""

from tandem.measure.report.tables.views import views_tables
from tandem.measure.report.tables.writers import markdown_table
from tandem.measure.results.comparison import JudgedImages
from tandem.measure.results.quality import Nearness, Quality, Views
from tandem.measure.results.value import Value

FIGURES = Quality.model_validate({**dict.fromkeys(Quality.model_fields, 0.5), "num_images": 30, "classes": ()})


def views(fid: float) -> Views:
    sure = Value(value=fid, low=fid - 0.1, high=fid + 0.1, method="t", count=2_000)
    return Views(judge=sure, pixels=Value(value=0.25, count=50), gradients=Value(value=0.5, count=50))


def judged(fid: float, lost: float | None = None) -> JudgedImages:
    tokenizer = None if lost is None else views(lost)
    nearness = Nearness(model=views(fid), floor=views(0.3), tokenizer=tokenizer)
    return JudgedImages(model=FIGURES, floor=FIGURES, views=nearness)


def test_images_then_what_each_tokenizer_loses_once_then_real_ones() -> None:
    seen = [("49 steps", "sar", judged(1.5, 1.2)), ("8 steps", "sar", judged(2.5, 1.2)), ("gan", "gan", judged(0.6))]
    [table] = views_tables(seen)
    rows = [line.strip("| ").split(" | ") for line in markdown_table(table).splitlines()[2:]]
    assert [row[0] for row in rows] == [
        "49 steps",
        "8 steps",
        "gan",
        "real images through sar's tokenizer",
        "as many real images",
    ]
    assert rows[1] == ["8 steps", "2.5 (2.4-2.6)", "0.25", "0.5"]
    assert rows[-1][1] == "0.3 (0.2-0.4)"


def test_documents_without_views_have_no_table() -> None:
    assert views_tables([("gan", "gan", JudgedImages(model=FIGURES, floor=FIGURES)), ("ar", "ar", None)]) == []
