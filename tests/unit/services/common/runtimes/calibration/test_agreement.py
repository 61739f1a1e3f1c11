"""Sessions are judged by their bits and by their time."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest

from services.common.runtimes.calibration.agreement import depends_on_batch, difference, measure
from services.common.runtimes.onnx_session import open_session
from services.common.runtimes.providers import CPU
from services.common.runtimes.session import Array, Feed, TensorInfo
from tests.unit.services.common.runtimes.graphs import batch_normalising_model, generator_model, latents, saved


@pytest.mark.parametrize(("model", "size"), [(batch_normalising_model(), 1), (generator_model(), None)])
def test_samples_that_depend_on_their_company(tmp_path, model, size):
    file = saved(model, tmp_path / "model.onnx")
    session = open_session(file.path, [CPU], 1, "cpu")
    assert depends_on_batch(session, latents(16), "image", [1, 3, 16]) == size


def test_difference_is_relative_to_the_range():
    reference = np.array([[0.0, 10.0], [5.0, 5.0]])
    found = difference(reference + np.array([[0.0, 0.0], [0.0, 1.0]]), reference)
    assert (found.rms, found.largest) == (pytest.approx(0.05), pytest.approx(0.1))
    assert difference(reference, reference).rms == 0


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
