"""Generators of random weights, as large as users have them: the shape of a DCGAN, of any size, in either layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from tandem.shared.file_hashes import sha256_of

SMALLEST = 4
LATENT_DIM = 128


@dataclass(frozen=True)
class Shape:
    """A generator of colour images without classes: `size` pixels a side, `width` channels at the smallest size."""

    size: int
    width: int
    layout: str = "NCHW"

    @property
    def channels(self) -> list[int]:
        """The channels at each size from SMALLEST on, halved each time the size doubles; the last makes the image."""
        num_doublings = (self.size // SMALLEST).bit_length() - 1
        return [max(32, self.width >> place) for place in range(num_doublings + 1)]


# About 13 million parameters each.
SHAPES = {"random-64": Shape(64, 1024), "random-128": Shape(128, 1024)}


def write_random_generator(folder: Path, shape: Shape) -> None:
    """Write generator.onnx and model.toml into the folder, which makes it a model."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(random_generator(shape), folder / "generator.onnx")
    lines = [
        'kind = "gan"',
        'modality = "image"',
        'licence = "Apache-2.0"',
        'generator = "generator.onnx"',
        "[files]",
        f'"generator.onnx" = "{sha256_of(folder / "generator.onnx")}"',
        "[image]",
        f"shape = [{shape.size}, {shape.size}, 3]",
        f"latent_dim = {LATENT_DIM}",
    ]
    (folder / "model.toml").write_text("\n".join(lines))


def random_generator(shape: Shape) -> onnx.ModelProto:
    """Return a model, "z" float [batch, LATENT_DIM] to "image" in -1..1."""
    builder = _Builder()
    first, *others = shape.channels
    builder.add("MatMul", builder.weights((LATENT_DIM, first * SMALLEST**2), LATENT_DIM))
    builder.add("Reshape", builder.constant(np.array([-1, first, SMALLEST, SMALLEST])))
    builder.normalise(first)
    before = first
    for after in others:
        builder.add("ConvTranspose", builder.weights((before, after, 4, 4), before * 4), strides=[2, 2], pads=[1] * 4)
        builder.normalise(after)
        before = after
    builder.add("Conv", builder.weights((3, before, 3, 3), before * 9), pads=[1] * 4)
    builder.add("Tanh")
    if shape.layout == "NHWC":
        builder.add("Transpose", perm=[0, 2, 3, 1])
    sides = [shape.size, shape.size]
    return builder.model([3, *sides] if shape.layout == "NCHW" else [*sides, 3])


class _Builder:
    """A chain of nodes, each of which takes what the one before it made."""

    def __init__(self) -> None:
        self._source = np.random.default_rng(9)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._last = "z"

    def add(self, kind: str, *inputs: str, **attributes: Any) -> None:
        output = f"{kind.lower()}{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, [self._last, *inputs], [output], **attributes))
        self._last = output

    def normalise(self, num_channels: int) -> None:
        """Add a scale and a shift a channel, as batch normalisation leaves them, and a rectifier."""
        shape = (num_channels, 1, 1)
        self.add("Mul", self.constant(1 + 0.1 * self._normal(shape)))
        self.add("Add", self.constant(0.1 * self._normal(shape)))
        self.add("Relu")

    def weights(self, shape: tuple[int, ...], num_inputs: int) -> str:
        """Return the name of normal values that keep the variance of what `num_inputs` of them are summed over."""
        return self.constant(self._normal(shape) * np.float32(np.sqrt(2.0 / num_inputs)))

    def constant(self, value: npt.NDArray[Any]) -> str:
        name = f"constant{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(value, name))
        return name

    def model(self, shape: list[int]) -> onnx.ModelProto:
        self._nodes[-1].output[0] = "image"
        entry = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", LATENT_DIM])
        exit_ = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", *shape])
        graph = helper.make_graph(self._nodes, "random", [entry], [exit_], self._constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)

    def _normal(self, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        return self._source.standard_normal(shape, dtype=np.float32)
