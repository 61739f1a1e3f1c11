"""An ONNX file in memory: its graph's inputs and outputs, its digest, its bytes, its faster form. Runs nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import onnx

from services.common.runtimes.rewrites.conv_transpose import rewrite_conv_transposes
from services.common.runtimes.rewrites.integer_division import rewrite_integer_divisions
from services.common.runtimes.rewrites.narrow_convolution import rewrite_narrow_convolutions
from services.common.runtimes.session import TensorInfo
from tandem.shared.models import ModelError


@dataclass
class Tensor:
    """An input or output, described in ONNX Runtime's words; implements TensorInfo."""

    name: str
    shape: list[int | str | None]
    type: str


@dataclass(eq=False)
class OnnxFile:
    """A model as it was read from `path`. Its content is not changed; a rewritten one is another object."""

    path: Path
    model: onnx.ModelProto
    digest: str
    """Hexadecimal SHA-256 of the file as it was read; a rewritten model keeps it."""
    is_rewritten: bool = False

    @cached_property
    def content(self) -> bytes:
        """The whole model, with all of its weights, in the format of an ONNX file."""
        return self.model.SerializeToString()

    @property
    def inputs(self) -> list[TensorInfo]:
        """What the graph wants; initializers are no inputs, even where an old file lists them so."""
        constants = {each.name for each in self.model.graph.initializer}
        return [_tensor(each) for each in self.model.graph.input if each.name not in constants]

    @property
    def outputs(self) -> list[TensorInfo]:
        return [_tensor(each) for each in self.model.graph.output]


def read_onnx(path: Path) -> OnnxFile:
    """Return the file's model, with the weights that lie beside it. Raises ModelError if it is none."""
    try:
        return OnnxFile(path, onnx.load(path), _digest_of(path))
    except Exception as error:  # protobuf's errors and onnx's own have no base in common
        raise ModelError(f"{path}: not a usable ONNX file: {_first_line(error)}") from None


def rewrite(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """Return the model in forms that give the same, and are faster or bear fewer bits; None if there are none such."""
    faster = rewrite_narrow_convolutions(rewrite_conv_transposes(rewrite_integer_divisions(model)))
    return None if faster is model else faster


def _digest_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of an ONNX file and the files beside it that hold its weights."""
    digest = hashlib.sha256(path.read_bytes())
    for name in _files_beside(onnx.load(path, load_external_data=False)):
        digest.update((path.parent / name).read_bytes())
    return digest.hexdigest()


def _files_beside(model: onnx.ModelProto) -> list[str]:
    """Return the names of the files that hold weights of the model outside of its own."""
    entries = (each for tensor in model.graph.initializer for each in tensor.external_data)
    return sorted({each.value for each in entries if each.key == "location"})


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _tensor(value: onnx.ValueInfoProto) -> TensorInfo:
    kind = value.type.tensor_type
    dimensions: list[int | str | None] = [
        each.dim_value if each.HasField("dim_value") else each.dim_param or None for each in kind.shape.dim
    ]
    return Tensor(value.name, dimensions, f"tensor({onnx.TensorProto.DataType.Name(kind.elem_type).lower()})")
