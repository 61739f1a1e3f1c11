"""Generators by themselves: a served one with nothing around it, and random ones as large as users have them.

A bare loop lets a generator's instances run as the service opens them. A random one has the shape of a DCGAN, of any
size, in either layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from services.common.runtimes.calibrator import measure
from services.common.runtimes.session import Feed, Session, rows
from services.gan.generator import Generator, probe
from services.gan.image_model import open_generator
from services.gan.settings import GanSettings
from tandem.shared.file_hashes import sha256_of
from tandem.shared.models import Model

LARGEST_BATCH = 64


@dataclass(frozen=True)
class BareLoop:
    """Instances with a feed of the largest batch. `name`: their runtime's, and "int8" if they compute so."""

    name: str
    sessions: Sequence[Session]
    feed: Feed

    def run(self, size: int, seconds: float) -> dict[str, float]:
        """Let every instance run with batches of `size`, after a first time; return images/s and CPU ms an image."""
        feed, output = rows(self.feed, 0, size), self.sessions[0].outputs[0].name
        num_threads = len(self.sessions)
        measure(self.sessions, num_threads, feed, output, 0.0)
        speed = measure(self.sessions, num_threads, feed, output, seconds)
        return {"images_per_second": speed.by_clock, "cpu_ms": num_threads / speed.by_cpu_time * 1e3}


def open_bare_loop(model: Model, folder: Path, largest: int = LARGEST_BATCH, **settings: str) -> BareLoop:
    """Open a model of the repository `folder` for batches of up to `largest`; `settings` are those of the service.
    Raises ModelError.
    """
    image = model.spec.image
    assert image is not None
    chosen = GanSettings.model_validate({"models_dir": folder, "models": [model.name], **settings})
    opened = open_generator(model, image, chosen)
    configuration = opened.configuration
    name = configuration.runtime + (" int8" if configuration.precision == "int8" else "")
    sessions = opened.sessions[: configuration.num_instances]
    return BareLoop(name, sessions, Generator(sessions[0], image).feed(probe(image, largest)))


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
    onnx.save(_generator(shape), folder / "generator.onnx")
    (folder / "model.toml").write_text(f"""\
kind = "gan"
modality = "image"
licence = "Apache-2.0"
generator = "generator.onnx"
[files]
"generator.onnx" = "{sha256_of(folder / "generator.onnx")}"
[image]
shape = [{shape.size}, {shape.size}, 3]
latent_dim = {LATENT_DIM}
""")


def _generator(shape: Shape) -> onnx.ModelProto:
    """Return a model, "z" float [batch, LATENT_DIM] to "image" in -1..1: a chain of nodes."""
    source = np.random.default_rng(9)
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(value: npt.NDArray[Any]) -> str:
        constants.append(numpy_helper.from_array(value, f"constant{len(constants)}"))
        return constants[-1].name

    def normal(*sizes: int, mean: float = 0.0, deviation: float = 0.1) -> str:
        return constant(np.float32(mean) + np.float32(deviation) * source.standard_normal(sizes, dtype=np.float32))

    def weights(*sizes: int, num_inputs: int) -> str:
        """Values that keep the variance of what `num_inputs` of them are summed over."""
        return normal(*sizes, deviation=np.sqrt(2.0 / num_inputs))

    def add(kind: str, *inputs: str, **attributes: Any) -> None:
        before = nodes[-1].output[0] if nodes else "z"
        nodes.append(helper.make_node(kind, [before, *inputs], [f"{kind.lower()}{len(nodes)}"], **attributes))

    def normalise(num_channels: int) -> None:
        """Scale and shift a channel, as batch normalisation leaves them, and a rectifier."""
        add("Mul", normal(num_channels, 1, 1, mean=1.0))
        add("Add", normal(num_channels, 1, 1))
        add("Relu")

    first, *_, last = shape.channels
    add("MatMul", weights(LATENT_DIM, first * SMALLEST**2, num_inputs=LATENT_DIM))
    add("Reshape", constant(np.array([-1, first, SMALLEST, SMALLEST])))
    normalise(first)
    for before, after in pairwise(shape.channels):
        add("ConvTranspose", weights(before, after, 4, 4, num_inputs=before * 4), strides=[2, 2], pads=[1] * 4)
        normalise(after)
    add("Conv", weights(3, last, 3, 3, num_inputs=last * 9), pads=[1] * 4)
    add("Tanh")
    sides: list[str | int | None] = [shape.size, shape.size]
    if shape.layout == "NHWC":
        add("Transpose", perm=[0, 2, 3, 1])
    nodes[-1].output[0] = "image"
    entry = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", LATENT_DIM])
    dims: list[str | int | None] = ["batch", 3, *sides] if shape.layout == "NCHW" else ["batch", *sides, 3]
    graph = helper.make_graph(
        nodes, "random", [entry], [helper.make_tensor_value_info("image", TensorProto.FLOAT, dims)], constants
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
