"""The exact rewrite of transposed convolutions that enlarge an image by a whole factor, on an ONNX graph in memory.

A transposed convolution with stride s writes each of the s x s phases of its output from different taps of its kernel.
Each phase is therefore an ordinary convolution of the input with those taps, and the output is the phases interleaved
(DepthToSpace). The products and sums are the same ones; runtimes have faster kernels for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Kernel = npt.NDArray[np.float32]


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
        return self.stride > 1 and grown == self.stride and all(self._is_plain(phase) for phase in range(self.stride))

    def offsets(self, phase: int) -> range:
        """Return which input pixels make output pixel stride * q + phase, relative to q.

        Pixel q + offset meets the kernel's tap phase + before - stride * offset.
        """
        lowest = -((self.kernel - 1 - phase - self.before) // self.stride)
        return range(lowest, (phase + self.before) // self.stride + 1)

    def taps(self, phase: int) -> list[int]:
        """Return the tap of the kernel for each of the offsets."""
        return [phase + self.before - self.stride * offset for offset in self.offsets(phase)]

    def _is_plain(self, phase: int) -> bool:
        """Whether a convolution with padding >= 0 can reach the phase's pixels."""
        offsets = self.offsets(phase)
        return len(offsets) > 0 and offsets[0] <= 0 <= offsets[-1]


def rewrite_conv_transposes(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """Return the model with every transposed convolution that fits rewritten, or None if none fits."""
    rewritten = onnx.ModelProto()
    rewritten.CopyFrom(model)
    graph = rewritten.graph
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        nodes += _phases(graph, node) or [node]
    if len(nodes) == len(model.graph.node):
        return None
    del graph.node[:]
    graph.node.extend(nodes)
    _drop_unused_kernels(model.graph, graph)
    return rewritten


def _phases(graph: onnx.GraphProto, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return the nodes that take the place of `node`, their weights added to the graph; none if it does not fit."""
    kernel = _weights(graph, node.input[1]) if node.op_type == "ConvTranspose" else None
    axes = None if kernel is None else _axes(node, kernel)
    if kernel is None or axes is None or axes[0].stride != axes[1].stride:
        return []
    output = node.output[0]
    group = _attributes(node).get("group", 1)
    phases = [(row, column) for row in range(axes[0].stride) for column in range(axes[1].stride)]
    nodes = [_convolution(graph, node, kernel, axes, phase, group) for phase in phases]
    parts = [each.output[0] for each in nodes]
    nodes.append(helper.make_node("Concat", parts, [f"{output}/phases"], axis=1))
    nodes.append(helper.make_node("DepthToSpace", [f"{output}/phases"], [output], blocksize=axes[0].stride, mode="DCR"))
    return nodes


def _convolution(
    graph: onnx.GraphProto,
    node: onnx.NodeProto,
    kernel: Kernel,
    axes: tuple[Axis, Axis],
    phase: tuple[int, int],
    group: int,
) -> onnx.NodeProto:
    name = f"{node.output[0]}/phase{phase[0]}{phase[1]}"
    taps = [axis.taps(each) for axis, each in zip(axes, phase, strict=True)]
    offsets = [axis.offsets(each) for axis, each in zip(axes, phase, strict=True)]
    graph.initializer.append(numpy_helper.from_array(_phase_kernel(kernel, taps, group), f"{name}/weight"))
    inputs = [node.input[0], f"{name}/weight", *node.input[2:]]
    padding = [-each[0] for each in offsets] + [each[-1] for each in offsets]
    shape = [len(each) for each in taps]
    return helper.make_node("Conv", inputs, [name], kernel_shape=shape, pads=padding, group=group)


def _phase_kernel(kernel: Kernel, taps: list[list[int]], group: int) -> Kernel:
    """Return a phase's taps of a transposed kernel [I, O / group, H, W] as an ordinary one [O, I / group, h, w]."""
    chosen = kernel[:, :, taps[0]][:, :, :, taps[1]]
    num_inputs, num_outputs, height, width = chosen.shape
    grouped = chosen.reshape(group, num_inputs // group, num_outputs, height, width).swapaxes(1, 2)
    return np.ascontiguousarray(grouped.reshape(group * num_outputs, num_inputs // group, height, width))


def _axes(node: onnx.NodeProto, kernel: Kernel) -> tuple[Axis, Axis] | None:
    """Return the two axes of a transposed convolution over images, or None if it is none that can be rewritten."""
    found = _attributes(node)
    is_plain = found.get("auto_pad", b"NOTSET") == b"NOTSET" and not found.get("output_shape")
    if kernel.ndim != 4 or not is_plain or any(each != 1 for each in found.get("dilations", [])):
        return None
    strides, padding = found.get("strides", [1, 1]), found.get("pads", [0, 0, 0, 0])
    extra = found.get("output_padding", [0, 0])
    rows, columns = (
        Axis(strides[place], kernel.shape[2 + place], padding[place], padding[2 + place], extra[place])
        for place in range(2)
    )
    return (rows, columns) if rows.is_whole_factor and columns.is_whole_factor else None


def _weights(graph: onnx.GraphProto, name: str) -> Kernel | None:
    """Return a constant of the graph, or None if the name is not that of one with float32 values."""
    for each in graph.initializer:
        if each.name == name and each.data_type == onnx.TensorProto.FLOAT:
            return numpy_helper.to_array(each)
    return None


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def _drop_unused_kernels(before: onnx.GraphProto, after: onnx.GraphProto) -> None:
    """Take the kernels of the replaced nodes out of the graph, where nothing else reads them."""
    replaced = {node.input[1] for node in before.node if node.op_type == "ConvTranspose"}
    # A name that a body of If or Loop reads stands in no input of this graph's nodes.
    has_bodies = any(
        each.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
        for node in after.node
        for each in node.attribute
    )
    if has_bodies:
        return
    used = {name for node in after.node for name in node.input} | {each.name for each in after.output}
    for each in [each for each in after.initializer if each.name in replaced - used]:
        after.initializer.remove(each)
