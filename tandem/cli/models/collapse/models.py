"""The models that `tandem collapse` serves: a healthy GAN and copies of it that have lost their variety."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tandem.cli.models.collapse.network import write_narrowed, write_repeating
from tandem.cli.models.quantisation.int8_form import without_int8_form
from tandem.shared.file_hashes import sha256_of
from tandem.shared.models import Model, ModelError

HEALTHY = "healthy"

# By name: how the generator file is made from the healthy one's.
VARIANTS: dict[str, Callable[[Path, Path], object]] = {
    HEALTHY: shutil.copyfile,
    "200-latents": partial(write_repeating, num_latents=200),
    "20-latents": partial(write_repeating, num_latents=20),
    "latents-x-0.25": partial(write_narrowed, factor=0.25),
}


def write_models(model: Model, folder: Path) -> None:
    """Write every variant of `model` as a model repository. Raises ModelError if it has no baseline of diversity."""
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
