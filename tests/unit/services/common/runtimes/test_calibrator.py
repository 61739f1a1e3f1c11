"""Sessions are judged by their bits and by their time; what a calibration makes of speeds that are given to it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from services.common.runtimes import calibrator
from services.common.runtimes.calibrator import Calibrator, Speed, depends_on_batch, difference, measure
from services.common.runtimes.configuration import Wish
from services.common.runtimes.onnx_session import open_session
from services.common.runtimes.session import Array, Feed, TensorInfo
from services.common.runtimes.ways import Forms, trial_sizes
from tests.unit.services.common.runtimes.graphs import batch_normalising_model, generator_model, latents, saved


@pytest.mark.parametrize(("model", "size"), [(batch_normalising_model(), 1), (generator_model(), None)])
def test_samples_that_depend_on_their_company(tmp_path, model, size):
    file = saved(model, tmp_path / "model.onnx")
    session = open_session(file.path)
    assert depends_on_batch(session, latents(16), "image", [1, 3, 16]) == size


def test_difference_is_relative_to_the_range():
    reference = np.array([[0.0, 10.0], [5.0, 5.0]])
    assert difference(reference + np.array([[0.0, 0.0], [0.0, 1.0]]), reference) == pytest.approx(0.05)
    assert difference(reference, reference) == 0
    assert difference(reference * np.nan, reference) == np.inf


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


@pytest.fixture
def calibrate(tmp_path):
    file = saved(generator_model(), tmp_path / "generator.onnx")
    reference = open_session(file.path)

    def calibrate(**wish):
        wish = Wish(max_batch_size=8, runtime="onnxruntime", precision="float32", **wish)
        return Calibrator(Forms(file), wish, 2, latents(8), reference).calibrate()

    return calibrate


@pytest.mark.parametrize(("disturbed_races", "division"), [(1, (2, 1)), (2, (1, 2))])
def test_a_division_of_the_cores_must_win_twice(calibrate, monkeypatch, disturbed_races, division):
    """Two instances of a thread are the faster ones, but something else slows them down in the first races."""
    num_calls = calibrator.NUM_ROUNDS * len(trial_sizes(8))
    seen = Counter()

    def speed(self, configuration, sessions, size):
        count = configuration.num_instances
        seen[count] += 1
        is_disturbed = count == 2 and seen[count] <= disturbed_races * num_calls
        by_clock = 1.0 if is_disturbed else float(1 + count)
        return Speed(by_clock, by_clock, 1.0)

    monkeypatch.setattr(Calibrator, "_speed", speed)
    chosen = calibrate().configuration
    assert (chosen.num_instances, chosen.threads_per_instance) == division


def test_the_share_of_the_cores_is_the_median_of_runs_of_one_thread_an_instance(calibrate, monkeypatch):
    """Single runs that others disturbed do not matter, as the best counts; several threads wait for each other."""
    shares = Counter()

    def measured(sessions, num_threads, feed, output_name, seconds):
        share = 0.1 if num_threads > len(sessions) else (0.5, 0.98, 0.96)[shares.total() % 3]
        shares[share] += 1
        return Speed(1.0, 1.0, share)

    monkeypatch.setattr(calibrator, "measure", measured)
    found = calibrate()
    assert shares[0.1] > 0
    assert (found.core_share, found.disturbance) == (0.96, "")
    assert calibrate(num_instances=2).core_share == 1.0, "without a timed run nothing was disturbed"
