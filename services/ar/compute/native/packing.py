"""Lays weights out as the kernel reads them; the layouts are described in matrix.h."""

from dataclasses import dataclass
from functools import reduce
from itertools import groupby

import torch
from torch import Tensor
from torch.nn import functional

from services.ar.compute.native import library
from services.ar.compute.native.panels import pack_floats, pack_steps
from services.ar.model.quantised import QuantisedTensor, Weights, as_tensor, quantise

STORED = "stored"
"""Each matrix of the type that its file holds it in."""
_UNIT = 32  # inputs and outputs are filled up to multiples of it
_FORMATS = {"float32": 0, "bfloat16": 1, "int8": 2, "int4": 3, "float16": 4, "int5": 5, "int6": 6, "iq4_nl": 7}


@dataclass(frozen=True)
class PackedPart:
    """Outputs, filled up to a multiple of 32, that have one format."""

    format: str
    data: Tensor
    scales: Tensor | None
    num_outputs: int

    def struct(self) -> library.Part:
        scales = None if self.scales is None else self.scales.data_ptr()
        return library.Part(self.data.data_ptr(), scales, _FORMATS[self.format], self.num_outputs // _UNIT)


@dataclass(frozen=True)
class PackedMatrix:
    """A matrix's tensors; they, and the bias, must outlive what `struct` returns."""

    parts: list[PackedPart]
    num_inputs: int

    @property
    def num_bytes(self) -> int:
        return sum(part.data.nbytes + (0 if part.scales is None else part.scales.nbytes) for part in self.parts)

    def struct(self, bias: Tensor | None = None, is_fine: bool = False) -> library.Matrix:
        parts = (library.Part * library.MAX_PARTS)(*(part.struct() for part in self.parts))
        num_outputs = sum(part.num_outputs for part in self.parts)
        return library.Matrix(parts, None if bias is None else bias.data_ptr(), self.num_inputs, num_outputs, is_fine)


def pack(parts: list[Weights], dtype: str, alternate: bool = False) -> PackedMatrix:
    """Stack `parts` [outputs, inputs] and pack them as `dtype`: STORED, float32, bfloat16 or int8.

    `alternate`: two parts, of whose outputs 16 each follow in turn. What must be alike and is not gets 8 bits.
    """
    groups = _groups([_as_dtype(part, dtype) for part in parts], alternate)
    num_inputs = -(-parts[0].shape[-1] // _UNIT) * _UNIT
    return PackedMatrix([_packed(group, alternate) for group in groups], num_inputs)


def pack_bias(parts: list[Tensor], alternate: bool = False) -> Tensor:
    """Return the biases of such a matrix, float32."""
    return _stacked([part.float().unsqueeze(-1) for part in parts], alternate).flatten().contiguous()


def _as_dtype(part: Weights, dtype: str) -> Weights:
    if dtype == STORED:
        return part if isinstance(part, QuantisedTensor) or _format(part) in _FORMATS else part.float()
    if dtype == "int8":
        return part if _format(part) == "int8" else quantise(as_tensor(part))
    return as_tensor(part).to(getattr(torch, dtype))


def _format(part: Weights) -> str:
    return part.kind if isinstance(part, QuantisedTensor) else str(part.dtype).removeprefix("torch.")


def _groups(parts: list[Weights], alternate: bool) -> list[list[Weights]]:
    """Return parts that follow each other and have one format together; all together if they cannot be apart."""
    if any(isinstance(part, QuantisedTensor) for part in parts):
        parts = [part if isinstance(part, QuantisedTensor) else quantise(part) for part in parts]
    groups = [list(group) for _, group in groupby(parts, _format)]
    has_gaps = any(sum(part.shape[0] for part in group) % _UNIT for group in groups[:-1])
    if len(groups) == 1 or not (alternate or has_gaps):
        return groups
    if any(isinstance(part, QuantisedTensor) for part in parts):
        return [[part if _format(part) == "int8" else quantise(as_tensor(part)) for part in parts]]
    dtype = reduce(torch.promote_types, (as_tensor(part).dtype for part in parts))
    return [[as_tensor(part).to(dtype) for part in parts]]


def _packed(parts: list[Weights], alternate: bool) -> PackedPart:
    quantised = [part for part in parts if isinstance(part, QuantisedTensor)]
    if not quantised:
        rows = _stacked([_padded(as_tensor(part)) for part in parts], alternate)
        return PackedPart(_format(parts[0]), pack_floats(rows), None, len(rows))
    steps = _stacked([_padded(part.steps) for part in quantised], alternate)
    num_scales = steps.shape[1] // (16 if quantised[0].kind == "int6" else 32)
    per_group = [part.scales for part in quantised], [part.minima for part in quantised if part.minima is not None]
    scales = [_stacked([_padded(each, num_scales) for each in kind], alternate) for kind in per_group if kind]
    return PackedPart(quantised[0].kind, *pack_steps(steps, scales, quantised[0].kind), len(steps))


def _padded(rows: Tensor, num_inputs: int | None = None) -> Tensor:
    """Fill the inputs up to `num_inputs`, or to the next multiple of 32."""
    missing = -rows.shape[-1] % _UNIT if num_inputs is None else num_inputs - rows.shape[-1]
    return functional.pad(rows, (0, missing))


def _stacked(parts: list[Tensor], alternate: bool) -> Tensor:
    """Stack parts [outputs, n], and fill the outputs up to a multiple of 32."""
    if alternate:
        panels = [
            functional.pad(part, (0, 0, 0, -len(part) % _UNIT)).unflatten(0, (-1, library.LANES)) for part in parts
        ]
        return torch.stack(panels, dim=1).flatten(0, 2)
    rows = torch.cat(parts)
    return functional.pad(rows, (0, 0, 0, -len(rows) % _UNIT))
