"""Batches of any size are split into compiled passes, and come out as they went in."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations_with_replacement

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.runtimes import openvino_session
from services.common.runtimes.calibrator import MAX_RMS_DIFFERENCE, depends_on_batch, difference
from services.common.runtimes.onnx_session import open_session
from services.common.runtimes.openvino_session import (
    LARGEST_COMPILED,
    BatchPlan,
    OpenVinoModel,
    is_installed,
    native_precisions,
    sizes_up_to,
    unmeasured,
)
from services.common.runtimes.session import rows
from tandem.shared.models import ModelError
from tests.unit.services.common.runtimes.graphs import generator_model, latents, saved


@pytest.mark.parametrize(
    ("max_batch_size", "sizes"),
    [
        (1, (1,)),
        (3, (1, 2, 3)),
        (64, (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64)),
        (40, (1, 2, 4, 6, 8, 12, 16, 24, 32, 40)),
        (4096, sizes_up_to(64)),
    ],
)
def test_sizes(max_batch_size, sizes):
    assert sizes_up_to(max_batch_size) == sizes
    assert sizes[-1] <= LARGEST_COMPILED


def cost(parts, seconds):
    return sum(seconds[each] for each in parts) + 0.5 * min(seconds.values()) * len(parts)


@given(st.dictionaries(st.sampled_from([1, 2, 4, 8]), st.floats(0.01, 10), min_size=1), st.integers(1, 8))
def test_no_other_split_is_cheaper(seconds, count):
    largest = max(seconds)
    count = min(count, largest)
    parts = BatchPlan(seconds).split(count)
    assert sum(parts) >= count
    assert sum(parts) - parts[-1] < count, "a pass without a sample"
    choices = (each for n in range(1, count + 1) for each in combinations_with_replacement(sorted(seconds), n))
    best = min(cost(each, seconds) for each in choices if sum(each) >= count)
    assert cost(parts, seconds) == pytest.approx(best)


def test_before_anything_was_measured_each_compiled_size_is_one_pass():
    sizes = sizes_up_to(64)
    plan = BatchPlan(unmeasured(sizes))
    assert [list(plan.split(size)) for size in sizes] == [[size] for size in sizes]
    assert list(plan.split(40)) == [32, 8]
    assert list(plan.split(23)) == [24]


pytestmark = pytest.mark.skipif(not is_installed(), reason="OpenVINO is not installed")

PLAN = BatchPlan({1: 1.0, 2: 1.5, 8: 3.0})


@pytest.fixture(params=["small", "large"])
def file(request, tmp_path, monkeypatch):
    if request.param == "large":
        monkeypatch.setattr(openvino_session, "_MAX_SMALL_BYTES", 0)
    return saved(generator_model(), tmp_path / "generator.onnx")


@pytest.fixture
def reference(file):
    return open_session(file.path)


def expected(reference, feed):
    return reference.run(feed, ["image"])[0]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 21])
def test_any_batch_gives_what_the_reference_gives(file, reference, count):
    session = OpenVinoModel(file, "float32", 1, 1).session(PLAN)
    (images,) = session.run(latents(count), ["image"])
    np.testing.assert_allclose(images, expected(reference, latents(count)), atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_bits_are_the_same_in_any_batch(file, reference, precision):
    if precision not in native_precisions():
        pytest.skip(f"{precision} is not native to this processor")
    session = OpenVinoModel(file, precision, 2, 1).session(PLAN)
    assert depends_on_batch(session, latents(21), "image", range(1, 21)) is None
    (images,) = session.run(latents(21), ["image"])
    assert difference(images, expected(reference, latents(21))) <= MAX_RMS_DIFFERENCE[precision]


def test_results_are_the_caller_s_own(file):
    session = OpenVinoModel(file, "float32", 1, 1).session(PLAN)
    (first,) = session.run(latents(2), ["image"])
    kept = first.copy()
    session.run({"z": -latents(2)["z"]}, ["image"])
    assert np.array_equal(first, kept)


def test_sessions_that_run_at_the_same_time_do_not_disturb_each_other(file, reference):
    model = OpenVinoModel(file, "float32", 2, 1)
    sessions = [model.session(PLAN) for _ in range(3)]
    feeds = [{"z": latents(9)["z"] * factor} for factor in (1, -1, 2)]

    def runs(place):
        return [sessions[place].run(feeds[place], ["image"])[0] for _ in range(20)]

    with ThreadPoolExecutor(len(sessions)) as pool:
        for place, images in enumerate(pool.map(runs, range(len(sessions)))):
            for each in images:
                np.testing.assert_array_equal(each, images[0])
            np.testing.assert_allclose(images[0], expected(reference, feeds[place]), atol=1e-5)


def test_the_latent_s_size_may_be_free_in_the_file(tmp_path, reference):
    model = generator_model()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "latent"
    session = OpenVinoModel(saved(model, tmp_path / "free.onnx"), "float32", 1, 1).session(PLAN)
    (images,) = session.run(latents(3), ["image"])
    np.testing.assert_allclose(images, expected(reference, latents(3)), atol=1e-5)


def test_a_sample_that_is_not_finite_leaves_its_neighbours_alone(file):
    session = OpenVinoModel(file, "float32", 1, 1).session(PLAN)
    (sound,) = session.run(latents(3), ["image"])
    spoilt = latents(3)
    spoilt["z"][1] = np.nan
    (images,) = session.run(spoilt, ["image"])
    assert np.array_equal(images[[0, 2]], sound[[0, 2]])
    (after,) = session.run(rows(latents(3), 0, 1), ["image"])
    assert np.array_equal(after, sound[:1])


def test_an_operator_that_openvino_lacks_is_a_model_error(tmp_path):
    model = generator_model()
    model.graph.node[-1].op_type, model.graph.node[-1].domain = "Unheard", "of.it"
    model.opset_import.append(onnx.helper.make_opsetid("of.it", 1))
    file = saved(model, tmp_path / "odd.onnx")
    with pytest.raises(ModelError, match="OpenVINO cannot run it"):
        OpenVinoModel(file, "float32", 1, 1).session(PLAN)


def test_a_graph_that_holds_its_batch_size_is_a_model_error(tmp_path):
    model = generator_model()
    (start,) = [each for each in model.graph.initializer if each.name == "start"]
    start.CopyFrom(onnx.numpy_helper.from_array(np.array([1, 16, 4, 4]), "start"))
    file = saved(model, tmp_path / "fixed.onnx")
    with pytest.raises(ModelError, match="OpenVINO"):
        OpenVinoModel(file, "float32", 1, 1).session(PLAN)


def test_openvino_starts_without_its_telemetry():
    program = (
        "import sys, threading; from services.common.runtimes.openvino_session import native_precisions;"
        "native_precisions();"
        "print([each for each in sys.modules if each.startswith('openvino_telemetry.')], threading.active_count())"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["[]", "1"]
