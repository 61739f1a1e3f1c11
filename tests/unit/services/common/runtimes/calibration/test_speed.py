"""What a measurement says of the cores that it had."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from services.common.runtimes.calibration.speed import measure
from services.common.runtimes.session import Array, Feed, TensorInfo


class Waiting:
    """A session whose passes wait and compute nothing, as if others had the cores."""

    inputs: Sequence[TensorInfo] = ()
    outputs: Sequence[TensorInfo] = ()
    providers: list[str] = []

    def run(self, feed: Feed, output_names: list[str]) -> list[Array]:
        time.sleep(0.005)
        return []


def test_passes_that_did_not_compute_had_no_share_of_the_cores() -> None:
    feed = {"z": np.zeros((4, 1), np.float32)}
    speed = measure([Waiting(), Waiting()], 2, feed, "image", 0.03)
    assert 0 <= speed.core_share < 0.5
    assert speed.by_clock > 0
