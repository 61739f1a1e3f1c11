"""Lays weights out as the kernel reads them; the layouts are described in matrix.h."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any, get_args

import numpy as np

from services.ar.compute.memory import empty, floats
from services.ar.compute.native import library
from services.ar.compute.native.panels import pack_floats, pack_steps
from services.ar.model.arrays import FLOATS, Array, Shape, padded
from services.ar.model.quantised import (
    Held,
    Kind,
    QuantisedTensor,
    Weights,
    as_array,
    format_of,
    held,
    pieces,
    quantise,
    rows_of,
    with_minima,
)

STORED = "stored"
"""Each matrix of the type that its file holds it in."""
_UNIT = 32  # inputs and outputs are filled up to multiples of it
_FORMATS = {
    "float32": 0,
    "bfloat16": 1,
    "int8": 2,
    "int4": 3,
    "float16": 4,
    "int5": 5,
    "int6": 6,
    "iq4_nl": 7,
    "q4_0": 8,
}
Bounds = tuple[int, int]
Each = Callable[[Callable[[Bounds], None], Iterable[Bounds]], None]
"""Calls a function for each of some arguments, perhaps in threads and later."""

Allocate = Callable[[Shape, np.dtype[Any]], Array]
"""Returns an array of a shape and a type, with nothing in it yet."""


@dataclass(frozen=True)
class PackedPart:
    """Outputs, filled up to a multiple of 32, that have one format."""

    format: str
    data: Array
    scales: Array | None
    num_outputs: int

    def struct(self) -> library.Part:
        scales = None if self.scales is None else self.scales.ctypes.data
        return library.Part(self.data.ctypes.data, scales, _FORMATS[self.format], self.num_outputs // _UNIT)


@dataclass(frozen=True)
class PackedMatrix:
    """A matrix's tensors; they, and the bias, must outlive what `struct` returns."""

    parts: list[PackedPart]
    num_inputs: int

    @property
    def num_bytes(self) -> int:
        return sum(part.data.nbytes + (0 if part.scales is None else part.scales.nbytes) for part in self.parts)

    def struct(self, bias: Array | None = None, is_fine: bool = False) -> library.Matrix:
        parts = (library.Part * library.MAX_PARTS)(*(part.struct() for part in self.parts))
        num_outputs = sum(part.num_outputs for part in self.parts)
        return library.Matrix(parts, None if bias is None else bias.ctypes.data, self.num_inputs, num_outputs, is_fine)


def at_once(function: Callable[[Bounds], None], arguments: Iterable[Bounds]) -> None:
    for argument in arguments:
        function(argument)


def pack(
    parts: list[Weights], dtype: str, alternate: bool = False, each: Each = at_once, allocate: Allocate = empty
) -> PackedMatrix:
    """Stack `parts` [outputs, inputs] and pack them as `dtype`: STORED, float32, bfloat16 or int8.

    `alternate`: two parts, of whose outputs 16 each follow in turn. What must be alike and is not gets 8 bits. `each`
    is given the pieces that the matrix is read and packed in, and may pack them later than this returns; `allocate`
    gives the memory for them.
    """
    num_inputs = -(-parts[0].shape[-1] // _UNIT) * _UNIT
    groups = _groups(parts, dtype, alternate)
    return PackedMatrix([_packed(format_, group, alternate, each, allocate) for format_, group in groups], num_inputs)


def pack_bias(parts: list[Array], alternate: bool = False) -> Array:
    """Return the biases of such a matrix, float32."""
    return floats(_stacked([part[:, None] for part in parts], alternate).reshape(-1))


def _groups(parts: list[Weights], dtype: str, alternate: bool) -> list[tuple[str, list[Weights]]]:
    """Return parts that follow each other and are held in one format together; all together if they cannot be apart."""
    formats = [_format(part, dtype) for part in parts]
    if any(map(_is_quantised, formats)):
        formats = [format_ if _is_quantised(format_) else "int8" for format_ in formats]
    groups = [
        (format_, [part for _, part in group])
        for format_, group in groupby(zip(formats, parts, strict=True), key=lambda pair: pair[0])
    ]
    has_gaps = any(sum(part.shape[0] for part in group) % _UNIT for _, group in groups[:-1])
    if len(groups) == 1 or not (alternate or has_gaps):
        return groups
    return [(_common(formats), parts)]


def _format(part: Weights, dtype: str) -> str:
    if dtype != STORED:
        return dtype
    return format_of(part) if format_of(part) in _FORMATS else "float32"


def _is_quantised(format_: str) -> bool:
    return format_ in get_args(Kind)


def _common(formats: list[str]) -> str:
    """Return the format that holds what has several."""
    if set(formats) == {"q4_0", "int4"}:
        return "int4"
    if any(map(_is_quantised, formats)):
        return "int8"
    return formats[0] if len(set(formats)) == 1 else "float32"


def _packed(format_: str, parts: list[Weights], alternate: bool, each: Each, allocate: Allocate) -> PackedPart:
    """Read and pack piece by piece: nothing of a matrix but what is packed is ever in memory as a whole."""
    num_rows = parts[0].shape[0] if alternate else sum(part.shape[0] for part in parts)
    num_turns = len(parts) if alternate else 1
    num_outputs = -(-num_rows // _UNIT) * _UNIT * num_turns

    def packed(start: int, stop: int) -> list[Array]:
        rows = [rows_of(part, start, stop) for part in parts] if alternate else _rows_of_stack(parts, start, stop)
        return _packed_rows([_as_format(part, format_) for part in rows], alternate)

    def fill(start: int, found: list[Array]) -> None:
        panel = start * num_turns // library.LANES
        for to, tensor in zip(whole, found, strict=True):
            to[panel : panel + len(tensor)] = tensor

    (start, stop), *others = pieces((num_rows, parts[0].shape[1]), _UNIT)
    first = packed(start, stop)
    whole = [allocate((num_outputs // library.LANES, *each.shape[1:]), each.dtype) for each in first]
    fill(start, first)
    each(lambda bounds: fill(bounds[0], packed(*bounds)), others)
    return PackedPart(format_, whole[0], whole[1] if len(whole) > 1 else None, num_outputs)


def _rows_of_stack(parts: list[Weights], start: int, stop: int) -> list[Weights]:
    """Return rows `start` to `stop`, exclusive, of parts that follow each other."""
    found = []
    for part in parts:
        if start < part.shape[0] and stop > 0:
            found.append(rows_of(part, max(start, 0), min(stop, part.shape[0])))
        start, stop = start - part.shape[0], stop - part.shape[0]
    return found


def _as_format(part: Weights, format_: str) -> Held:
    part = held(part)
    if format_of(part) == format_:
        return part
    if format_ == "int8":
        return quantise(as_array(part))
    return (
        with_minima(part)
        if isinstance(part, QuantisedTensor) and format_ == "int4"
        else as_array(part).astype(FLOATS[format_])
    )


def _packed_rows(parts: list[Held], alternate: bool) -> list[Array]:
    """Return the data of parts of one format, and their scales if they have any."""
    quantised = [part for part in parts if isinstance(part, QuantisedTensor)]
    if not quantised:
        return [pack_floats(_stacked([padded(as_array(part), _UNIT) for part in parts], alternate))]
    steps = _stacked([part.steps for part in quantised], alternate)
    per_group = [part.scales for part in quantised], [part.minima for part in quantised if part.minima is not None]
    scales = [_stacked(kind, alternate) for kind in per_group if kind]
    return list(pack_steps(steps, scales, quantised[0].kind))


def _stacked(parts: list[Array], alternate: bool) -> Array:
    """Stack parts [outputs, n], and fill the outputs up to a multiple of 32."""
    if alternate:
        panels = [_filled(part).reshape(-1, library.LANES, part.shape[1]) for part in parts]
        return np.stack(panels, axis=1).reshape(-1, parts[0].shape[1])
    return _filled(parts[0] if len(parts) == 1 else np.concatenate(parts))


def _filled(rows: Array) -> Array:
    missing = -len(rows) % _UNIT
    return np.pad(rows, [(0, missing), (0, 0)]) if missing else rows
