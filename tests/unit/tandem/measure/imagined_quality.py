"""How good images might be: the documents of quality that tests of reports and studies need."""

from __future__ import annotations

import numpy as np

from tandem.measure.results.comparison import JudgedImages
from tandem.measure.results.quality import Distance, Nearness, Quality, Views
from tandem.measure.statistics.intervals import of_tenths

NUM_IMAGES = 2_000


def figures(fid: float, **others: float) -> Quality:
    """Return figures with this FID, and 0.5 for all that are not given."""
    usual = dict.fromkeys(Quality.model_fields, 0.5)
    return Quality.model_validate({**usual, "num_images": NUM_IMAGES, "classes": (), **others, "fid": fid})


def distance(value: float, seed: int, margin: float = 0.1) -> Distance:
    """Return a distance whose tenths come to this value, give or take the margin, which is independent of others'."""
    noise = np.random.default_rng(seed).normal(size=10)
    noise = (noise - noise.mean()) / noise.std(ddof=1) * margin * 10**0.5 / 2.2622
    tenths = tuple((value + noise).tolist())
    found = of_tenths(tenths, NUM_IMAGES).model_copy(update={"value": value})
    return Distance(**vars(found), of_these=value + 0.2, tenths=tenths)


def views(fid: float) -> Views:
    """Return views whose pixels and gradients are the same whatever the FID."""
    seed = int(fid * 1_000)
    return Views(judge=distance(fid, seed), pixels=distance(0.25, seed + 1), gradients=distance(0.5, seed + 2))


def judged_images(fid: float, floor: float, tokenizer: float | None = None, **others: float) -> JudgedImages:
    """Return images of this FID, beside real ones, and real ones through a tokenizer if it has an FID."""
    lost = None if tokenizer is None else views(tokenizer)
    nearness = Nearness(model=views(fid), floor=views(floor), tokenizer=lost)
    return JudgedImages(model=figures(fid, **others), floor=figures(floor), views=nearness)
