"""Tokens that a graph divides as floats are divided as integers, with the same results."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from services.common.runtimes.rewrites.integer_division import rewrite_integer_divisions
from tests.unit.services.common.runtimes.onnx_run import run


def division_model(
    divisors: tuple[float, ...] = (1, 8, 64), source: int = TensorProto.INT64, to: int = TensorProto.INT64
) -> onnx.ModelProto:
    """Return a model: "tokens" [batch, 1] to "parts" [batch, divisors]."""
    nodes = [
        helper.make_node("Reshape", ["tokens", "shape"], ["view"]),
        helper.make_node("Cast", ["view"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["floats", "divisors"], ["shares"]),
        helper.make_node("Floor", ["shares"], ["whole"]),
        helper.make_node("Cast", ["whole"], ["parts"], to=to),
    ]
    constants = {"shape": np.array([-1, 1]), "divisors": np.array([divisors], np.float32)}
    entry = helper.make_tensor_value_info("tokens", source, ["batch", 1])
    exit_ = helper.make_tensor_value_info("parts", to, ["batch", len(divisors)])
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "division", [entry], [exit_], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_tokens_are_divided_as_integers():
    original = division_model()
    rewritten = rewrite_integer_divisions(original)
    onnx.checker.check_model(rewritten, full_check=True)
    assert [node.op_type for node in rewritten.graph.node] == ["Reshape", "Div"]
    assert [each.name for each in rewritten.graph.initializer] == ["shape", "parts/divisors"]
    tokens = {"tokens": np.array([*range(600), 2**24 - 1])[:, None]}
    assert (run(rewritten, tokens) == run(original, tokens)).all()


@pytest.mark.parametrize(
    "settings",
    [{"divisors": (1.5,)}, {"divisors": (-2,)}, {"divisors": (0,)}, {"source": TensorProto.FLOAT}, {"to": 6}],
)
def test_what_may_differ_is_left_as_it_is(settings):
    original = division_model(**settings)
    assert rewrite_integer_divisions(original) is original
