"""What a calibration makes of speeds that it finds; the speeds are given, the model is real."""

from collections import Counter

import pytest

from services.common.runtimes.calibration import calibrator
from services.common.runtimes.calibration.agreement import Speed
from services.common.runtimes.calibration.calibrator import Calibrator
from services.common.runtimes.calibration.candidates import trial_sizes
from services.common.runtimes.configuration import Wish
from services.common.runtimes.onnx_file import read_onnx
from services.common.runtimes.onnx_session import open_session
from services.common.runtimes.opening import Forms
from services.common.runtimes.providers import CPU
from tests.unit.services.common.runtimes.graphs import generator_model, latents, saved


@pytest.mark.parametrize(("disturbed_races", "division"), [(1, (2, 1)), (2, (1, 2))])
def test_a_division_of_the_cores_must_win_twice(tmp_path, monkeypatch, disturbed_races, division):
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
    wish = Wish(max_batch_size=8, runtime="onnxruntime", precision="float32")
    file = saved(generator_model(), tmp_path / "generator.onnx")
    reference = open_session(file.path, [CPU], 1, "cpu")
    chosen = (
        Calibrator(Forms(read_onnx(file.path), None), wish, 2, latents(8), "image").calibrate(reference).configuration
    )
    assert (chosen.num_instances, chosen.threads_per_instance) == division


def test_the_share_of_the_cores_is_the_median_of_runs_of_one_thread_an_instance(tmp_path, monkeypatch):
    """Single runs that others disturbed do not matter, as the best counts; several threads wait for each other."""
    shares = Counter()

    def measured(sessions, num_threads, feed, output_name, seconds):
        share = 0.1 if num_threads > len(sessions) else (0.5, 0.98, 0.96)[shares.total() % 3]
        shares[share] += 1
        return Speed(1.0, 1.0, share)

    monkeypatch.setattr(calibrator, "measure", measured)
    wish = Wish(max_batch_size=8, runtime="onnxruntime", precision="float32")
    file = saved(generator_model(), tmp_path / "generator.onnx")
    reference = open_session(file.path, [CPU], 1, "cpu")
    found = Calibrator(Forms(read_onnx(file.path), None), wish, 2, latents(8), "image").calibrate(reference)
    assert shares[0.1] > 0
    assert found.core_share == 0.96
    assert found.disturbance == ""


def test_without_a_timed_run_nothing_was_disturbed(tmp_path):
    wish = Wish(max_batch_size=8, runtime="onnxruntime", precision="float32", num_instances=2)
    file = saved(generator_model(), tmp_path / "generator.onnx")
    reference = open_session(file.path, [CPU], 1, "cpu")
    found = Calibrator(Forms(read_onnx(file.path), None), wish, 2, latents(8), "image").calibrate(reference)
    assert (found.core_share, found.disturbance) == (1.0, "")
