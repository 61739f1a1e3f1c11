"""Opens a weight file with the reader of its own format and says what is inside. Needs no server, runs no model."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from math import prod
from pathlib import Path

from tandem.shared.models import ModelError


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
