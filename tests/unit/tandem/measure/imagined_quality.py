"""How good images might be: the documents of quality that tests of reports and studies need."""

from __future__ import annotations

from tandem.measure.results.comparison import JudgedImages
from tandem.measure.results.quality import Nearness, Quality, Views
from tandem.measure.results.value import Value

NUM_IMAGES = 2_000


def figures(fid: float, **others: float) -> Quality:
    """Return figures with this FID, and 0.5 for all that are not given."""
    usual = dict.fromkeys(Quality.model_fields, 0.5)
    return Quality.model_validate({**usual, "num_images": NUM_IMAGES, "classes": (), **others, "fid": fid})


def views(fid: float) -> Views:
    sure = Value(value=fid, low=fid - 0.1, high=fid + 0.1, method="t", count=NUM_IMAGES)
    return Views(judge=sure, pixels=Value(value=0.25, count=50), gradients=Value(value=0.5, count=50))


def judged_images(fid: float, floor: float, tokenizer: float | None = None, **others: float) -> JudgedImages:
    """Return images of this FID, beside real ones, and real ones through a tokenizer if it has an FID."""
    lost = None if tokenizer is None else views(tokenizer)
    nearness = Nearness(model=views(fid), floor=views(floor), tokenizer=lost)
    return JudgedImages(model=figures(fid, **others), floor=figures(floor), views=nearness)
