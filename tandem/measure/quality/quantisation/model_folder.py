"""The folder of a quantised model: its files, its model.toml and a card, both of which say what was lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from runtime.file_hashes import sha256_of
from runtime.models import Model
from tandem.measure.quality.quantisation.quantisation import Loss
from tandem.new_folder import new_folder

GENERATOR = "generator.onnx"


def write_quantised_model(model: Model, generator: Path, loss: Loss, num_images: int, folder: Path) -> None:
    """Write the folder, which must not be there yet; all of it or nothing. Raises ExpectedError."""
    with new_folder(folder):
        shutil.copyfile(generator, folder / GENERATOR)
        if model.spec.discriminator is not None:
            shutil.copyfile(model.path(model.spec.discriminator), folder / model.spec.discriminator)
        (folder / "model.toml").write_text(_toml(model, loss, folder))
        (folder / "README.md").write_text(_card(model, loss, num_images, folder.name))


def in_words(loss: Loss) -> str:
    return f"FID {loss.ratio:.3f} times that of the original"


def _toml(model: Model, loss: Loss, folder: Path) -> str:
    spec = model.spec
    assert spec.image is not None
    names = [GENERATOR, *([spec.discriminator] if spec.discriminator is not None else [])]
    head: dict[str, Any] = {
        "kind": spec.kind,
        "modality": spec.modality,
        "licence": spec.licence,
        "description": f"{spec.description or model.name}; its enlarging convolutions in int8: {in_words(loss)}",
        "generator": GENERATOR,
        **({"discriminator": spec.discriminator} if spec.discriminator is not None else {}),
    }
    image = spec.image.model_dump(mode="json")
    files = {name: sha256_of(folder / name) for name in names}
    return "\n".join([*_lines(head), "", "[image]", *_lines(image), "", "[files]", *_lines(files), ""])


def _lines(table: dict[str, Any]) -> list[str]:
    # Strings, numbers and lists are written the same in JSON and TOML.
    return [f"{_key(name)} = {json.dumps(value)}" for name, value in table.items()]


def _key(name: str) -> str:
    return name if name.replace("_", "").isalnum() else json.dumps(name)


def _card(model: Model, loss: Loss, num_images: int, name: str) -> str:
    rows = [f"| {a:.4f} | {b:.4f} |" for a, b in zip(loss.original, loss.quantised, strict=True)]
    return "\n".join(
        [
            f"# {name}",
            "",
            f"{model.name} with its enlarging convolutions in int8, by `tandem models quantise`: {in_words(loss)}.",
            "It has no diversity baseline; `python -m training.release.diversity_baseline` measures one.",
            "",
            f"FID of {num_images:,} images a seed, by the judge:",
            "",
            f"| {model.name} | {name} |",
            "| --- | --- |",
            *rows,
            "",
        ]
    )
