"""The rewrite of transposed convolutions that enlarge an image by a whole factor, as generators have them.

A transposed convolution with stride s writes each of the s x s phases of its output from different taps of its kernel.
Each phase is therefore an ordinary convolution of the input with those taps, and the output is the phases interleaved.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import helper

from services.common.runtimes.rewrites.graph import (
    Weights,
    add_weights,
    attributes,
    interleave,
    is_plain,
    replace_nodes,
    weights,
)


@dataclass(frozen=True)
class Axis:
    """A transposed convolution along one axis. Sizes in pixels; `before` and `after` are what its padding cuts off."""

    stride: int
    kernel: int
    before: int
    after: int
    output_padding: int

    @property
    def is_whole_factor(self) -> bool:
        """Whether the output is `stride` times as large as the input, for every input, and all phases have taps."""
        grown = self.kernel - self.before - self.after + self.output_padding
        return self.stride > 1 and grown == self.stride and all(map(self._can_be_reached, range(self.stride)))

    def offsets(self, phase: int) -> range:
        """Return which input pixels make output pixel stride * q + phase, relative to q.

        Pixel q + offset meets the kernel's tap phase + before - stride * offset.
        """
        lowest = -((self.kernel - 1 - phase - self.before) // self.stride)
        return range(lowest, (phase + self.before) // self.stride + 1)

    def taps(self, phase: int) -> list[int]:
        """Return the tap of the kernel for each of the offsets."""
        return [phase + self.before - self.stride * offset for offset in self.offsets(phase)]

    def _can_be_reached(self, phase: int) -> bool:
        """Whether a convolution with padding >= 0 makes the phase's pixels."""
        offsets = self.offsets(phase)
        return len(offsets) > 0 and offsets[0] <= 0 <= offsets[-1]


def rewrite_conv_transposes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with every transposed convolution that fits rewritten; the model itself if none does."""
    return replace_nodes(model, _phases)


def _phases(graph: onnx.GraphProto, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    kernel = weights(graph, node.input[1]) if node.op_type == "ConvTranspose" else None
    axes = None if kernel is None else _axes(node, kernel)
    if kernel is None or axes is None or axes[0].stride != axes[1].stride:
        return []
    output, stride = node.output[0], axes[0].stride
    phases = [(row, column) for row in range(stride) for column in range(stride)]
    nodes = [_convolution(graph, node, kernel, axes, phase) for phase in phases]
    parts = [each.output[0] for each in nodes]
    joined = helper.make_node("Concat", parts, [f"{output}/phases"], axis=1)
    return [*nodes, joined, interleave([f"{output}/phases"], output, stride)]


def _convolution(
    graph: onnx.GraphProto, node: onnx.NodeProto, kernel: Weights, axes: tuple[Axis, Axis], phase: tuple[int, int]
) -> onnx.NodeProto:
    """Return the ordinary convolution that makes one phase."""
    name, group = f"{node.output[0]}/phase{phase[0]}{phase[1]}", attributes(node).get("group", 1)
    taps = [axis.taps(each) for axis, each in zip(axes, phase, strict=True)]
    offsets = [axis.offsets(each) for axis, each in zip(axes, phase, strict=True)]
    weight = add_weights(graph, f"{name}/weight", _phase_kernel(kernel, taps, group))
    padding = [-each[0] for each in offsets] + [each[-1] for each in offsets]
    inputs, shape = [node.input[0], weight, *node.input[2:]], [len(each) for each in taps]
    return helper.make_node("Conv", inputs, [name], kernel_shape=shape, pads=padding, group=group)


def _phase_kernel(kernel: Weights, taps: list[list[int]], group: int) -> Weights:
    """Return a phase's taps of a transposed kernel [I, O / group, H, W] as an ordinary one [O, I / group, h, w]."""
    chosen = kernel[:, :, taps[0]][:, :, :, taps[1]]
    num_inputs, num_outputs, height, width = chosen.shape
    grouped = chosen.reshape(group, num_inputs // group, num_outputs, height, width).swapaxes(1, 2)
    return grouped.reshape(group * num_outputs, num_inputs // group, height, width)


def _axes(node: onnx.NodeProto, kernel: Weights) -> tuple[Axis, Axis] | None:
    """Return the two axes of a transposed convolution over images, or None if it is none that can be rewritten."""
    found = attributes(node)
    if kernel.ndim != 4 or not is_plain(node):
        return None
    strides, padding = found.get("strides", [1, 1]), found.get("pads", [0, 0, 0, 0])
    extra = found.get("output_padding", [0, 0])
    rows, columns = (
        Axis(strides[place], kernel.shape[2 + place], padding[place], padding[2 + place], extra[place])
        for place in range(2)
    )
    return (rows, columns) if rows.is_whole_factor and columns.is_whole_factor else None
