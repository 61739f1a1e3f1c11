"""A collapsed generator, made from a healthy one: its ONNX file with a few nodes in front that spoil the latent.

Needs the onnx package, which the extra `training` brings. Knows nothing of how the file is served.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tandem.cli.packages import how_to_get
from tandem.shared.errors import ExpectedError

_SEED = 7
_SPREAD = 1000.0


def write_narrowed(generator: Path, target: Path, factor: float) -> None:
    """Write a generator to `target` that draws from latents times `factor`: everything moves towards the average."""
    onnx = _onnx()
    model, latent = _open(generator)
    constants = [onnx.numpy_helper.from_array(np.array(factor, dtype=np.float32), "collapse_factor")]
    nodes = [onnx.helper.make_node("Mul", ["healthy_latent", "collapse_factor"], [latent.name])]
    _save(model, latent, nodes=nodes, constants=constants, target=target)


def write_repeating(generator: Path, target: Path, num_latents: int) -> None:
    """Write a generator to `target` that knows `num_latents` latents; which one it takes depends on that asked for."""
    onnx = _onnx()
    constant, node = onnx.numpy_helper.from_array, onnx.helper.make_node
    model, latent = _open(generator)
    latent_dim = latent.type.tensor_type.shape.dim[1].dim_value
    table = np.random.default_rng(_SEED).standard_normal((num_latents, latent_dim)).astype(np.float32)
    constants = [
        constant(table, "collapse_table"),
        constant(np.array(0), "collapse_first"),
        constant(np.array(_SPREAD, dtype=np.float32), "collapse_spread"),
        constant(np.array(num_latents), "collapse_number"),
    ]
    nodes = [
        node("Gather", ["healthy_latent", "collapse_first"], ["collapse_value"], axis=1),
        node("Mul", ["collapse_value", "collapse_spread"], ["collapse_large"]),
        node("Cast", ["collapse_large"], ["collapse_whole"], to=onnx.TensorProto.INT64),
        node("Mod", ["collapse_whole", "collapse_number"], ["collapse_row"]),
        node("Gather", ["collapse_table", "collapse_row"], [latent.name], axis=0),
    ]
    _save(model, latent, nodes=nodes, constants=constants, target=target)


def _onnx() -> Any:
    try:
        import onnx
    except ModuleNotFoundError:
        raise ExpectedError(how_to_get("onnx", "training")) from None
    return onnx


def _open(generator: Path) -> tuple[Any, Any]:
    """Return the model and its latent: of its inputs the one of rank 2 with floats."""
    onnx = _onnx()
    model = onnx.load(generator)
    for given in model.graph.input:
        kind = given.type.tensor_type
        if kind.elem_type == onnx.TensorProto.FLOAT and len(kind.shape.dim) == 2:
            return model, given
    raise ExpectedError(f"{generator}: has no latent input, float [batch, latent_dim]")


def _save(model: Any, latent: Any, *, nodes: list[Any], constants: list[Any], target: Path) -> None:
    """Rename the input, so that what the nodes make of it takes its place, and write the file."""
    onnx = _onnx()
    graph = model.graph
    latent.name = "healthy_latent"
    old = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *old])
    graph.initializer.extend(constants)
    onnx.checker.check_model(model)
    onnx.save(model, target)
