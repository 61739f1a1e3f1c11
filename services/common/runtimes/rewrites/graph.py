"""What rewrites need of an ONNX graph: attributes, constants, sizes, and one node's place taken by several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Weights = npt.NDArray[np.float32]
Replacement = Callable[[onnx.GraphProto, onnx.NodeProto], list[onnx.NodeProto]]
"""Returns the nodes to put in a node's place, their weights added to the graph; none to leave it as it is."""


def replace_nodes(model: onnx.ModelProto, replacement: Replacement) -> onnx.ModelProto:
    """Return a model in which each node that has a replacement is replaced; the model itself if none has."""
    rewritten = onnx.ModelProto()
    rewritten.CopyFrom(model)
    graph = rewritten.graph
    replaced: list[onnx.NodeProto] = []
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        others = replacement(graph, node)
        nodes += others or [node]
        replaced += [node] if others else []
    if not replaced:
        return model
    del graph.node[:]
    graph.node.extend(nodes)
    _drop_unread(replaced, graph)
    return rewritten


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def is_plain(node: onnx.NodeProto) -> bool:
    """Whether a convolution has explicit padding and no holes in its kernel."""
    found = attributes(node)
    has_padding = found.get("auto_pad", b"NOTSET") == b"NOTSET" and not found.get("output_shape")
    return has_padding and all(each == 1 for each in found.get("dilations", []))


def weights(graph: onnx.GraphProto, name: str) -> Weights | None:
    """Return a constant of the graph, or None if the name is not that of one with float32 values."""
    for each in graph.initializer:
        if each.name == name and each.data_type == onnx.TensorProto.FLOAT:
            return numpy_helper.to_array(each)
    return None


def add_weights(graph: onnx.GraphProto, name: str, values: Weights) -> str:
    """Add a constant and return its name."""
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
    return name


def interleave(inputs: list[str], output: str, stride: int) -> onnx.NodeProto:
    """Return the node that makes an image of its stride x stride phases, which are channels."""
    return helper.make_node("DepthToSpace", inputs, [output], blocksize=stride, mode="DCR")


def sizes(model: onnx.ModelProto) -> dict[str, tuple[int | None, ...]]:
    """Return the shape of each tensor of the graph as far as it can be inferred; None for what is free or unknown."""
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    values = [*graph.input, *graph.value_info, *graph.output]
    return {each.name: tuple(map(_size, each.type.tensor_type.shape.dim)) for each in values}


def _size(dimension: onnx.TensorShapeProto.Dimension) -> int | None:
    return dimension.dim_value if dimension.HasField("dim_value") else None


def _drop_unread(replaced: list[onnx.NodeProto], graph: onnx.GraphProto) -> None:
    """Take out of the graph the nodes whose outputs only replaced nodes have read, and the constants of all these."""
    bodies = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
    if any(each.type in bodies for node in graph.node for each in node.attribute):
        return  # what a body of If or Loop reads stands in no input of a node here
    read = {each.name for each in graph.output}
    for node in reversed(list(graph.node)):
        if read.isdisjoint(node.output):
            graph.node.remove(node)
            replaced.append(node)
        else:
            read.update(node.input)
    unused = {name for node in replaced for name in node.input} - read
    for each in [each for each in graph.initializer if each.name in unused]:
        graph.initializer.remove(each)
