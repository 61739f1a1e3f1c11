"""The models that `tandem collapse` serves: a healthy GAN and copies of it that have lost their variety.

Each is the healthy one's ONNX file with a few nodes in front that spoil the latent. Needs the onnx package.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tandem.cli.models.quantisation.int8_form import without_int8_form
from tandem.cli.packages import need_packages
from tandem.shared.errors import ExpectedError
from tandem.shared.file_hashes import sha256_of
from tandem.shared.models import Model, ModelError

HEALTHY = "healthy"
_SEED = 7
_SPREAD = 1000.0


def write_narrowed(generator: Path, target: Path, factor: float) -> None:
    """Write a generator to `target` that draws from latents times `factor`: everything moves towards the average."""
    import onnx

    model, latent = _open(generator)
    constants = [onnx.numpy_helper.from_array(np.array(factor, dtype=np.float32), "collapse_factor")]
    nodes = [onnx.helper.make_node("Mul", ["healthy_latent", "collapse_factor"], [latent.name])]
    _save(model, latent, nodes=nodes, constants=constants, target=target)


def write_repeating(generator: Path, target: Path, num_latents: int) -> None:
    """Write a generator to `target` that knows `num_latents` latents; which one it takes depends on that asked for."""
    import onnx

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


def _open(generator: Path) -> tuple[Any, Any]:
    """Return the model and its latent: of its inputs the one of rank 2 with floats."""
    import onnx

    model = onnx.load(generator)
    for given in model.graph.input:
        kind = given.type.tensor_type
        if kind.elem_type == onnx.TensorProto.FLOAT and len(kind.shape.dim) == 2:
            return model, given
    raise ExpectedError(f"{generator}: has no latent input, float [batch, latent_dim]")


def _save(model: Any, latent: Any, *, nodes: list[Any], constants: list[Any], target: Path) -> None:
    """Rename the input, so that what the nodes make of it takes its place, and write the file."""
    import onnx

    graph = model.graph
    latent.name = "healthy_latent"
    old = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *old])
    graph.initializer.extend(constants)
    onnx.checker.check_model(model)
    onnx.save(model, target)


# By name: how the generator file is made from the healthy one's.
VARIANTS: dict[str, Callable[[Path, Path], object]] = {
    HEALTHY: shutil.copyfile,
    "200-latents": partial(write_repeating, num_latents=200),
    "20-latents": partial(write_repeating, num_latents=20),
    "latents-x-0.25": partial(write_narrowed, factor=0.25),
}


def write_models(model: Model, folder: Path) -> None:
    """Write every variant of `model` as a model repository. Raises ModelError if it has no baseline of diversity."""
    need_packages("training", "onnx")
    if model.spec.generator is None or model.spec.diversity is None:
        raise ModelError(f"{model.name}: model.toml names no generator or no diversity baseline")
    model.verify_files()
    for name, write_generator in VARIANTS.items():
        variant = folder / name
        shutil.copytree(model.folder, variant)
        write_generator(model.path(model.spec.generator), variant / model.spec.generator)
        _renew_digest(variant, model.spec.generator)


def _renew_digest(folder: Path, file: str) -> None:
    """Make model.toml agree with the file; the baseline of diversity stays the healthy generator's.

    The int8 form was made of the healthy generator and goes.
    """
    toml = folder / "model.toml"
    lines = without_int8_form(toml.read_text()).splitlines(keepends=True)
    new = f'"{file}" = "{sha256_of(folder / file)}"\n'
    toml.write_text("".join(new if line.startswith(f'"{file}" =') else line for line in lines))
