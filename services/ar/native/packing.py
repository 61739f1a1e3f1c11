"""Lays weights out as the kernel reads them; the layouts are described in matmul.h."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from services.ar.native import library
from services.ar.quantised import GROUP, QuantisedTensor, Weights, as_tensor, quantise

_UNIT = 32  # inputs and outputs are filled up to multiples of it
_FORMATS = {"float32": 0, "bfloat16": 1, "int8": 2, "int4": 3}


@dataclass(frozen=True)
class PackedMatrix:
    """A matrix's tensors; they, and the bias, must outlive what `struct` returns."""

    format: str
    data: Tensor
    scales: Tensor | None
    num_inputs: int
    num_outputs: int

    def struct(self, bias: Tensor | None = None) -> library.Matrix:
        return library.Matrix(
            self.data.data_ptr(),
            None if self.scales is None else self.scales.data_ptr(),
            None if bias is None else bias.data_ptr(),
            _FORMATS[self.format],
            self.num_inputs,
            self.num_outputs,
        )


def pack(parts: list[Weights], dtype: str, alternate: bool = False) -> PackedMatrix:
    """Stack `parts` [outputs, inputs] and pack them as `dtype`; int4 falls to int8 where a part has not 4 bits.

    `alternate`: two parts, of whose outputs 16 each follow in turn.
    """
    if dtype in ("int8", "int4"):
        return _pack_steps(_alike(parts, dtype), alternate)
    weights = _stacked([_padded(as_tensor(part).to(getattr(torch, dtype))) for part in parts], alternate)
    num_outputs, num_inputs = weights.shape
    data = weights.view(-1, library.LANES, num_inputs).transpose(1, 2).contiguous()  # [panels, inputs, 16]
    return PackedMatrix(dtype, data, None, num_inputs, num_outputs)


def pack_bias(parts: list[Tensor], alternate: bool = False) -> Tensor:
    """Return the biases of such a matrix, float32."""
    return _stacked([part.float().unsqueeze(-1) for part in parts], alternate).flatten().contiguous()


def _alike(parts: list[Weights], dtype: str) -> list[QuantisedTensor]:
    """Return all parts with 4 bits if all of them have 4 and that is wanted, else all with 8."""
    quantised = [part for part in parts if isinstance(part, QuantisedTensor)]
    num_bits = 4 if dtype == "int4" and all(isinstance(p, QuantisedTensor) and p.num_bits == 4 for p in parts) else 8
    if len(quantised) == len(parts) and all(part.num_bits == num_bits for part in quantised):
        return quantised
    return [
        part if isinstance(part, QuantisedTensor) and part.num_bits == num_bits else quantise(as_tensor(part))
        for part in parts
    ]


def _pack_steps(parts: list[QuantisedTensor], alternate: bool) -> PackedMatrix:
    is_int4 = parts[0].num_bits == 4
    steps = _stacked(
        [_padded(p.steps if is_int4 else (p.steps.short() + 128).to(torch.uint8)) for p in parts], alternate
    )
    num_outputs, num_inputs = steps.shape
    num_groups = num_inputs // GROUP
    # [panels, 16, groups, quads, 4] -> [panels, groups, quads, 16, 4]
    data = steps.view(-1, library.LANES, num_groups, GROUP // 4, 4).permute(0, 2, 3, 1, 4)
    if is_int4:
        data = data[:, :, :4] | data[:, :, 4:] << 4
    per_group = [p.scales for p in parts], [p.minima for p in parts if p.minima is not None]
    scales = [_panels(_stacked([_padded(s, num_groups) for s in kind], alternate)) for kind in per_group if kind]
    packed_scales = torch.stack(scales, dim=2).contiguous()  # [panels, groups, 1 or 2, 16]
    name = "int4" if is_int4 else "int8"
    return PackedMatrix(name, data.contiguous(), packed_scales, num_inputs, num_outputs)


def _panels(scales: Tensor) -> Tensor:
    return scales.view(-1, library.LANES, scales.shape[-1]).transpose(1, 2)  # [panels, groups, 16]


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
