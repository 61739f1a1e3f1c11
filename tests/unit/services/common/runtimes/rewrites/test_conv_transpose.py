"""The rewritten graph draws what the original one draws, and what does not fit is left as it is."""

import numpy as np
import onnx
import pytest

from services.common.runtimes.rewrites.conv_transpose import rewrite_conv_transposes
from tests.unit.services.common.runtimes.graphs import conv_transpose_model, generator_model, latents
from tests.unit.services.common.runtimes.onnx_run import run

FITTING = {
    "kernel 4, stride 2": {},
    "kernel 2, stride 2, as many segmentation networks have it": {"kernel": (2, 2), "pads": (0, 0, 0, 0)},
    "kernel 3 with output padding": {"kernel": (3, 3), "output_padding": (1, 1)},
    "kernel 5 with output padding": {"kernel": (5, 5), "pads": (2, 2, 2, 2), "output_padding": (1, 1)},
    "kernel 6": {"kernel": (6, 6), "pads": (2, 2, 2, 2)},
    "cut off on one side": {"kernel": (5, 5), "pads": (1, 1, 2, 2)},
    "rows and columns apart": {"kernel": (4, 2), "pads": (1, 0, 1, 0)},
    "stride 3": {"kernel": (5, 5), "strides": (3, 3), "pads": (1, 1, 1, 1)},
    "stride 4": {"kernel": (8, 8), "strides": (4, 4), "pads": (2, 2, 2, 2)},
    "groups": {"group": 2},
    "bias": {"bias": True},
    "groups and bias": {"group": 2, "bias": True},
}
OTHERS = {
    "stride 1": {"kernel": (3, 3), "strides": (1, 1)},
    "output a pixel too small": {"kernel": (3, 3)},
    "strides differ": {"strides": (2, 1), "kernel": (4, 3)},
    "dilated": {"dilations": [2, 2], "pads": (2, 2, 3, 3)},
    "padding chosen by the runtime": {"auto_pad": "SAME_UPPER", "pads": None},
    "phases without taps": {"kernel": (1, 1), "pads": (0, 0, 0, 0), "output_padding": (1, 1)},
}


@pytest.mark.parametrize("name", FITTING)
def test_what_fits_is_rewritten_and_gives_the_same(name):
    original = conv_transpose_model(**FITTING[name])
    rewritten = rewrite_conv_transposes(original)
    assert rewritten is not original
    onnx.checker.check_model(rewritten, full_check=True)
    assert "ConvTranspose" not in {node.op_type for node in rewritten.graph.node}
    feed = {"x": np.random.default_rng(3).standard_normal((4, 8, 3, 5)).astype(np.float32)}
    np.testing.assert_allclose(run(rewritten, feed), run(original, feed), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", OTHERS)
def test_what_does_not_fit_is_left_alone(name):
    model = conv_transpose_model(**OTHERS[name])
    assert rewrite_conv_transposes(model) is model


def test_a_whole_generator_and_its_original_is_untouched():
    original = generator_model()
    before = original.SerializeToString(deterministic=True)
    rewritten = rewrite_conv_transposes(original)
    assert original.SerializeToString(deterministic=True) == before
    np.testing.assert_allclose(run(rewritten, latents(5)), run(original, latents(5)), atol=1e-5)
    assert {each.name for each in rewritten.graph.initializer}.isdisjoint({"up1", "up2"})


def test_a_kernel_that_others_read_stays():
    model = conv_transpose_model()
    model.graph.node.append(onnx.helper.make_node("ReduceMax", ["w"], ["most"]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("most", onnx.TensorProto.FLOAT, None))
    assert "w" in {each.name for each in rewrite_conv_transposes(model).graph.initializer}
