"""Small ONNX generators with transposed convolutions, made on the spot with random weights."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from services.common.runtimes.onnx_file import OnnxFile, read_onnx

LATENT_DIM = 6


def conv_transpose_model(
    kernel: tuple[int, int] = (4, 4),
    strides: tuple[int, int] = (2, 2),
    pads: tuple[int, int, int, int] | None = (1, 1, 1, 1),
    output_padding: tuple[int, int] = (0, 0),
    group: int = 1,
    bias: bool = False,
    size: tuple[int, int] = (3, 5),
    **attributes: object,
) -> onnx.ModelProto:
    """Return a model: "x" float [batch, 8, *size] to "y", one transposed convolution to 6 channels."""
    source = np.random.default_rng(0)
    weights = {"w": source.standard_normal((8, 6 // group, *kernel)).astype(np.float32)}
    if bias:
        weights["b"] = source.standard_normal(6).astype(np.float32)
    fixed = {"strides": strides, "pads": pads, "output_padding": output_padding, "group": group}
    fixed = {name: value for name, value in fixed.items() if value is not None}
    node = helper.make_node("ConvTranspose", ["x", *weights], ["y"], **fixed, **attributes)
    return _model([node], [("x", TensorProto.FLOAT, [8, *size])], "y", [6, None, None], weights)


def conv_model(
    kernel: tuple[int, int] = (3, 3),
    pads: tuple[int, int, int, int] | None = (1, 1, 1, 1),
    num_outputs: int = 1,
    group: int = 1,
    bias: bool = True,
    size: tuple[int | None, int | None] = (8, 12),
    **attributes: object,
) -> onnx.ModelProto:
    """Return a model: "x" float [batch, 8, *size] to "y", one convolution."""
    source = np.random.default_rng(0)
    weights = {"w": source.standard_normal((num_outputs, 8 // group, *kernel)).astype(np.float32)}
    if bias:
        weights["b"] = source.standard_normal(num_outputs).astype(np.float32)
    fixed = {"group": group, **attributes} | ({} if pads is None else {"pads": pads})
    node = helper.make_node("Conv", ["x", *weights], ["y"], **fixed)
    return _model([node], [("x", TensorProto.FLOAT, [8, *size])], "y", [num_outputs, None, None], weights)


def generator_model(width: int = 8, has_last_convolution: bool = False) -> onnx.ModelProto:
    """Return a generator: "z" float [batch, LATENT_DIM] to "image" [batch, 1, 16, 16], two transposed convolutions.

    With a last convolution, the second of them makes `width` channels, and it makes the image of those.
    """
    source = np.random.default_rng(1)

    def weight(*shape: int) -> np.ndarray:
        return (source.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)

    weights = {
        "project": weight(LATENT_DIM, 2 * width * 16),
        "start": np.array([-1, 2 * width, 4, 4]),
        "up1": weight(2 * width, width, 4, 4),
        "up2": weight(width, width if has_last_convolution else 1, 4, 4),
    }
    last = "large"
    if has_last_convolution:
        weights["to_image"], last = weight(1, width, 3, 3), "drawn"
    up = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("MatMul", ["z", "project"], ["flat"]),
        helper.make_node("Reshape", ["flat", "start"], ["small"]),
        helper.make_node("Relu", ["small"], ["active"]),
        helper.make_node("ConvTranspose", ["active", "up1"], ["middle"], **up),
        helper.make_node("Relu", ["middle"], ["lively"]),
        helper.make_node("ConvTranspose", ["lively", "up2"], ["large"], **up),
        helper.make_node("Tanh", [last], ["image"]),
    ]
    if has_last_convolution:
        nodes.insert(-1, helper.make_node("Conv", ["large", "to_image"], ["drawn"], pads=[1, 1, 1, 1]))
    return _model(nodes, [("z", TensorProto.FLOAT, [LATENT_DIM])], "image", [1, 16, 16], weights)


def batch_normalising_model() -> onnx.ModelProto:
    """Return a model whose samples depend on each other: "z" [batch, LATENT_DIM] minus the mean over the batch."""
    nodes = [
        helper.make_node("ReduceMean", ["z", "axis"], ["mean"], keepdims=1),
        helper.make_node("Sub", ["z", "mean"], ["image"]),
    ]
    return _model(nodes, [("z", TensorProto.FLOAT, [LATENT_DIM])], "image", [LATENT_DIM], {"axis": np.array([0])})


def saved(model: onnx.ModelProto, path: Path) -> OnnxFile:
    onnx.save(model, path)
    return read_onnx(path)


def latents(count: int) -> dict[str, np.ndarray]:
    return {"z": np.random.default_rng(2).standard_normal((count, LATENT_DIM)).astype(np.float32)}


def _model(nodes: list, inputs: list, output: str, shape: list, weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    entries = [helper.make_tensor_value_info(name, kind, ["batch", *rest]) for name, kind, rest in inputs]
    exit_ = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", *shape])
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "made", entries, [exit_], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
