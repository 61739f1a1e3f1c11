"""Whether a session draws what it should: the same bits in any batch, and nearly what the reference draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.common.runtimes.configuration import Precision
from services.common.runtimes.session import Array, Feed, Session, num_rows, rows

MAX_RMS_DIFFERENCE: dict[Precision, float] = {"float32": 1e-4, "bfloat16": 1 / 255}
"""How far from the reference outputs may lie, as root mean square over their range: for bfloat16 the step of a byte."""
INT8_TOLERANCE = 1.5
"""How many times as far outputs in int8 may lie as where that form was made: some processors add up in fewer bits."""


@dataclass(frozen=True)
class Difference:
    """How far outputs lie from the reference's, as a share of the range of those."""

    rms: float
    largest: float


def difference(outputs: Array, reference: Array) -> Difference:
    """Return how far apart two arrays of one shape are; infinitely far where one is not finite."""
    if not np.isfinite(outputs).all():
        return Difference(float("inf"), float("inf"))
    apart = np.abs(outputs.astype(np.float64) - reference) / max(float(np.ptp(reference)), np.finfo(np.float32).tiny)
    return Difference(float(np.sqrt(np.mean(apart**2))), float(apart.max()))


def depends_on_batch(session: Session, feed: Feed, output_name: str, sizes: Sequence[int]) -> int | None:
    """Return the first of the batch sizes in which some sample's bits are others than in the whole feed, or None.

    The sizes are tried at the beginning, in the middle and at the end of the feed in turn, so that places change too.
    """
    (whole,) = session.run(feed, [output_name])
    for place, size in enumerate(sizes):
        start = (num_rows(feed) - size) * (place % 3) // 2
        (part,) = session.run(rows(feed, start, start + size), [output_name])
        if part.tobytes() != whole[start : start + size].tobytes():
            return size
    return None
