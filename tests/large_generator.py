"""A DCGAN with random weights, made on the spot: colour images of any power of two, and memory like a real one's."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tandem.shared.file_hashes import sha256_of

LATENT_DIM = 32
_CHANNELS = 3


def add_large_generator(models_dir: Path, name: str = "large", side: int = 128, width: int = 32) -> None:
    """Make an entry of a model repository whose images are [side, side, 3]; `width` channels before the last layer."""
    folder = models_dir / name
    folder.mkdir(parents=True)
    _write_generator(folder / "generator.onnx", side, width)
    lines = [
        'kind = "gan"',
        'modality = "image"',
        'licence = "MIT"',
        'generator = "generator.onnx"',
        "[files]",
        f'"generator.onnx" = "{sha256_of(folder / "generator.onnx")}"',
        "[image]",
        f"shape = [{side}, {side}, {_CHANNELS}]",
        f"latent_dim = {LATENT_DIM}",
    ]
    (folder / "model.toml").write_text("\n".join(lines))


def _write_generator(path: Path, side: int, width: int) -> None:
    """Write latents [B, 32] to images [B, 3, side, side] in -1..1: transposed convolutions, each doubles the side."""
    source = np.random.default_rng(9)
    channels = [min(256, width * side // (2 * size)) for size in _sides(side)]
    first = channels[0] * 16
    constants = {"project": _weights(source, LATENT_DIM, first), "square": np.array([-1, channels[0], 4, 4])}
    nodes = [
        helper.make_node("MatMul", ["latent", "project"], ["flat"]),
        helper.make_node("Reshape", ["flat", "square"], ["drawn_0"]),
    ]
    for layer, (entering, leaving) in enumerate(zip(channels, [*channels[1:], _CHANNELS], strict=True)):
        constants[f"kernel_{layer}"] = _weights(source, entering, leaving, 4, 4)
        up = {"kernel_shape": [4, 4], "strides": [2, 2], "pads": [1, 1, 1, 1]}
        nodes.append(helper.make_node("ConvTranspose", [f"drawn_{layer}", f"kernel_{layer}"], [f"up_{layer}"], **up))
        is_last = layer == len(channels) - 1
        result = "image" if is_last else f"drawn_{layer + 1}"
        nodes.append(helper.make_node("Tanh" if is_last else "Relu", [f"up_{layer}"], [result]))
    latent = helper.make_tensor_value_info("latent", TensorProto.FLOAT, ["batch", LATENT_DIM])
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", _CHANNELS, side, side])
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "large", [latent], [image], initializers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def _sides(side: int) -> list[int]:
    """Return the sides of the images that enter the layers: 4, 8, ... side / 2."""
    return [4 << layer for layer in range((side // 4).bit_length() - 1)]


def _weights(source: np.random.Generator, num_inputs: int, *others: int) -> np.ndarray:
    scale = np.float32((num_inputs * (4 if len(others) > 1 else 1)) ** -0.5)
    return source.standard_normal((num_inputs, *others), dtype=np.float32) * scale
