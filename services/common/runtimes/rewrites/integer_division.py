"""The rewrite of divisions of whole numbers that a graph makes of floats, as exporters write `tokens // 8`.

Computed in bfloat16, which has no number between 256 and 258, such a division takes one token for another.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from services.common.runtimes.rewrites.graph import attributes, replace_nodes, weights

Makers = dict[str, onnx.NodeProto]


def rewrite_integer_divisions(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with inputs divided as integers, not as floats that are rounded down; itself if none are.

    Inputs are tokens and classes, which are not negative: the two give the same up to 2**24.
    """
    makers = {name: node for node in model.graph.node for name in node.output}
    numbers = {each.name for each in model.graph.input if each.type.tensor_type.elem_type == TensorProto.INT64}
    return replace_nodes(model, partial(_divided, makers, numbers))


def _divided(makers: Makers, numbers: set[str], graph: onnx.GraphProto, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    floor = _maker(makers, node, "Floor")
    division = _maker(makers, floor, "Div")
    cast = _maker(makers, division, "Cast")
    if division is None or cast is None or attributes(node).get("to") != TensorProto.INT64:
        return []
    divisors = weights(graph, division.input[1])
    view = _maker(makers, cast, "Reshape") or cast
    if divisors is None or (divisors < 1).any() or (divisors % 1).any() or view.input[0] not in numbers:
        return []
    name = f"{node.output[0]}/divisors"
    graph.initializer.append(numpy_helper.from_array(divisors.astype(np.int64), name))
    return [helper.make_node("Div", [cast.input[0], name], list(node.output))]


def _maker(makers: Makers, node: onnx.NodeProto | None, kind: str) -> onnx.NodeProto | None:
    """Return the node that makes a node's first input, None if that is of another kind."""
    made = None if node is None or not node.input else makers.get(node.input[0])
    return made if made is not None and made.op_type == kind else None
