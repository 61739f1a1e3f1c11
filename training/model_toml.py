"""The model.toml of a trained model: written where there is none, and the digests of its files in it."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from tandem.shared.file_hashes import sha256_of
from training.image_kind import ImageKind


def write_model_toml(folder: Path, toml: str, files: Sequence[Path]) -> None:
    """Write a model.toml, unless the folder has one, which may say more, and the digests of `files` into it."""
    path = folder / "model.toml"
    if not path.exists():
        path.write_text(toml)
    record_digests(path, files)


def image_table(kind: ImageKind, latent_dim: int = 0) -> str:
    """Return the table [image] of a model of such images in -1..1; with a latent size, if it has one."""
    channels, height, width = kind.shape
    lines = ["[image]", f"shape = [{height}, {width}, {channels}]"]
    lines += [f"latent_dim = {latent_dim}"] if latent_dim else []
    return "\n".join([*lines, f"class_names = {json.dumps(kind.class_names, ensure_ascii=False)}\n"])


def with_digest(toml: str, file: Path) -> str:
    """Return a model.toml whose [files] table has the SHA-256 of `file`, and all else that it had."""
    line = f'"{file.name}" = "{sha256_of(file)}"'
    if f'"{file.name}" =' in toml:
        return re.sub(rf'^"{re.escape(file.name)}" = .*$', line, toml, flags=re.MULTILINE)
    if "[files]\n" not in toml:
        return f"{toml.rstrip()}\n\n[files]\n{line}\n"
    return toml.replace("[files]\n", f"[files]\n{line}\n")


def record_digests(model_toml: Path, files: Sequence[Path]) -> None:
    """Write the SHA-256 of `files` into the [files] table of `model_toml`; those of other files, which it may name as
    well, stay, so that these are still checked.
    """
    text = model_toml.read_text()
    for file in reversed(files):
        text = with_digest(text, file)
    model_toml.write_text(text)
