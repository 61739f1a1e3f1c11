"""The blockwise convolution draws what the original one draws, and what does not fit is left as it is."""

import numpy as np
import onnx
import pytest

from services.common.runtimes.onnx_file import rewrite
from services.common.runtimes.rewrites.narrow_convolution import rewrite_narrow_convolutions
from tests.unit.services.common.runtimes.graphs import conv_model, generator_model, latents
from tests.unit.services.common.runtimes.onnx_run import run

FITTING = {
    "grey, blocks of 4 x 4": ({}, 4),
    "grey without a bias": ({"bias": False}, 4),
    "grey, sides that 4 does not divide": ({"size": (6, 8)}, 2),
    "colour, blocks of 2 x 2": ({"num_outputs": 3}, 2),
    "a kernel of 1": ({"kernel": (1, 1), "pads": (0, 0, 0, 0)}, 4),
    "a kernel of 7 x 5": ({"kernel": (7, 5), "pads": (3, 2, 3, 2)}, 4),
    "padding on one side": ({"pads": (2, 2, 0, 0)}, 4),
    "an output smaller than its input": ({"size": (10, 10), "pads": (0, 0, 0, 0)}, 4),
}
OTHERS = {
    "too many channels": {"num_outputs": 5},
    "odd sides": {"size": (7, 8)},
    "moves by two": {"strides": [2, 2]},
    "dilated": {"dilations": [2, 2]},
    "groups": {"group": 2, "num_outputs": 2},
    "padding chosen by the runtime": {"auto_pad": "SAME_UPPER", "pads": None},
    "size unknown": {"size": (None, None)},
}


@pytest.mark.parametrize("name", FITTING)
def test_what_fits_is_rewritten_and_gives_the_same(name):
    settings, block = FITTING[name]
    original = conv_model(**settings)
    faster = rewrite_narrow_convolutions(original)
    onnx.checker.check_model(faster, full_check=True)
    (last,) = [node for node in faster.graph.node if node.op_type == "DepthToSpace"]
    assert onnx.helper.get_node_attr_value(last, "blocksize") == block
    size = settings.get("size", (8, 12))
    feed = {"x": np.random.default_rng(3).standard_normal((3, 8, *size)).astype(np.float32)}
    np.testing.assert_allclose(run(faster, feed), run(original, feed), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", OTHERS)
def test_what_does_not_fit_is_left_alone(name):
    model = conv_model(**OTHERS[name])
    assert rewrite_narrow_convolutions(model) is model


def test_both_rewrites_of_one_generator():
    original = generator_model(has_last_convolution=True)
    faster = rewrite(original)
    kinds = [node.op_type for node in faster.graph.node]
    assert "ConvTranspose" not in kinds
    assert kinds.count("DepthToSpace") == 3
    np.testing.assert_allclose(run(faster, latents(5)), run(original, latents(5)), atol=1e-5)
