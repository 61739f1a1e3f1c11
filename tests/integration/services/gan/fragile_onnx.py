"""The tiny models made fragile: some legal requests make them raise, others make them give NaN.

The generator raises (an index out of a table's bounds) where latent 0 is RAISES and gives NaN (a root of a negative
number) where latent 1 is below 0. The discriminator raises for an image whose first pixel is 1, and gives NaN for one
whose second pixel is below 0.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.integration.services.gan.tiny_onnx import (
    GREY,
    LATENT_DIM,
    write_discriminator,
    write_generator,
    write_model_toml,
)

RAISES = 50.0
_TABLE_SIZE = 100


def write_fragile_model(models_dir: Path) -> None:
    """Write the model "fragile": grey, with classes and a discriminator."""
    folder = models_dir / "fragile"
    folder.mkdir(parents=True)
    write_generator(folder / "generator.onnx", GREY)
    # Latent 0 picks row 2 x of the table, so that 50 is the first one that is out of bounds.
    _spoil(folder / "generator.onnx", "noise", LATENT_DIM, scale=2.0, output="flat")
    write_discriminator(folder / "discriminator.onnx")
    # Of a pixel 1.0, row 100.
    _spoil(folder / "discriminator.onnx", "flat", GREY[0] * GREY[1], scale=100.0, output="features")
    write_model_toml(folder, GREY, classes=True, discriminator=True)


def _spoil(path: Path, source: str, width: int, scale: float, output: str) -> None:
    """Add 0 to `output` [B, any], by way of a look-up and a root of the first two columns of `source` [B, width]."""
    model = onnx.load(path)
    (producer,) = (node for node in model.graph.node if output in node.output)
    producer.output[0] = "sound"
    first, second = np.zeros((2, width, 1), np.float32)
    first[0], second[1] = scale, 1.0
    constants = {"first": first, "second": second, "zeros": np.zeros(_TABLE_SIZE, np.float32)}
    added = [
        helper.make_node("MatMul", [source, "first"], ["scaled"]),
        helper.make_node("Cast", ["scaled"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["zeros", "index"], ["looked_up"]),
        helper.make_node("MatMul", [source, "second"], ["column_1"]),
        helper.make_node("Sqrt", ["column_1"], ["root"]),
        helper.make_node("Mul", ["root", "looked_up"], ["nothing"]),  # NaN * 0 is NaN
        helper.make_node("Add", ["sound", "nothing"], [output]),
    ]
    place = list(model.graph.node).index(producer) + 1
    nodes = [*model.graph.node[:place], *added, *model.graph.node[place:]]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    onnx.save(model, path)
