"""The rewrite of convolutions with few output channels, as the last one of a generator has them: one for grey, three.

Kernels compute 16 channels at a time, so most of what they do for such a convolution is thrown away. A convolution that
makes the s x s pixels of a block at once, as so many channels, with a kernel that is s - 1 wider and moves by s, does
the same work in fewer products; its output is the blocks' pixels interleaved.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import onnx
from onnx import helper

from services.common.runtimes.rewrites.graph import (
    Weights,
    add_weights,
    attributes,
    interleave,
    is_plain,
    replace_nodes,
    sizes,
    weights,
)

NUM_CHANNELS_AT_A_TIME = 16
BLOCKS = (4, 2)

Sizes = dict[str, tuple[int | None, ...]]


def rewrite_narrow_convolutions(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with every convolution that fits rewritten; the model itself if none does."""
    return replace_nodes(model, partial(_blockwise, sizes(model)))


def _blockwise(known: Sizes, graph: onnx.GraphProto, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    kernel = weights(graph, node.input[1]) if node.op_type == "Conv" else None
    if kernel is None or kernel.ndim != 4 or not _moves_by_one(node):
        return []
    block = _largest_block(len(kernel), known.get(node.output[0], ()))
    has_constant_bias = len(node.input) < 3 or weights(graph, node.input[2]) is not None
    if block is None or not has_constant_bias:
        return []
    output = node.output[0]
    inputs = [node.input[0], add_weights(graph, f"{output}/blocks/weight", block_kernel(kernel, block))]
    for bias in node.input[2:]:
        values = weights(graph, bias)
        assert values is not None  # noqa: S101  checked above
        inputs.append(add_weights(graph, f"{output}/blocks/bias", np.tile(values, block * block)))
    shape, padding = [each + block - 1 for each in kernel.shape[2:]], attributes(node).get("pads", [0, 0, 0, 0])
    fixed = {"kernel_shape": shape, "strides": [block, block], "pads": padding}
    return [
        helper.make_node("Conv", inputs, [f"{output}/blocks"], **fixed),
        interleave([f"{output}/blocks"], output, block),
    ]


def block_kernel(kernel: Weights, block: int) -> Weights:
    """Return the kernel [block * block * O, I, H + block - 1, W + block - 1] that makes all pixels of a block.

    The channels of its first pixel come first, so that they interleave as DepthToSpace does it.
    """
    num_outputs, num_inputs, height, width = kernel.shape
    shape = (block, block, num_outputs, num_inputs, height + block - 1, width + block - 1)
    whole = np.zeros(shape, kernel.dtype)
    for row in range(block):
        for column in range(block):
            whole[row, column, :, :, row : row + height, column : column + width] = kernel
    return whole.reshape(-1, *shape[3:])


def _largest_block(num_channels: int, output: tuple[int | None, ...]) -> int | None:
    """Return the side of the largest blocks whose pixels fit a kernel and which divide the image, or None."""
    if len(output) != 4 or output[2] is None or output[3] is None:
        return None
    height, width = output[2], output[3]
    fitting = (each for each in BLOCKS if num_channels * each * each <= NUM_CHANNELS_AT_A_TIME)
    return next((each for each in fitting if height % each == 0 and width % each == 0), None)


def _moves_by_one(node: onnx.NodeProto) -> bool:
    found = attributes(node)
    strides = found.get("strides", [1, 1])
    return is_plain(node) and all(each == 1 for each in strides) and found.get("group", 1) == 1
