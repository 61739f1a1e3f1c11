"""Lays weights out as the kernel reads them; the layouts are described in matrix.h."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from services.ar.compute.memory import empty, floats
from services.ar.compute.native.interface import LANES, MAX_PARTS, Format, Matrix, Part, Rows
from services.ar.compute.native.library import Kernel
from services.ar.model.arrays import FLOATS, Array, Shape
from services.ar.model.quantised import (
    GROUP,
    WEIGHTS_AT_ONCE,
    Held,
    QuantisedTensor,
    Weights,
    add_minima,
    as_array,
    format_of,
    load_weights,
    pieces,
    quantise,
    rows_of,
)

STORED = "stored"
"""Each matrix of the type that its file holds it in."""
_WEIGHTS_AT_ONCE = 2 * WEIGHTS_AT_ONCE  # packing makes less of them, and each piece takes some time of Python's
_UNIT = 32  # inputs and outputs are filled up to multiples of it

_FORMATS = {format_.name.lower(): format_ for format_ in Format}
_RECORDS = {"int8": (8, 1), "int6": (6, 2), "int5": (5, 2), "int4": (4, 2), "q4_0": (4, 1)}
"""For each panel and group of a format of few bits the vectors of 64 bytes and of 16 scales, as matrix.h has them."""
Bounds = tuple[int, int]
CallEach = Callable[[Callable[[Bounds], None], Iterable[Bounds]], None]
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

    def struct(self) -> Part:
        return Part(address_of(self.data), address_of(self.scales), _FORMATS[self.format], self.num_outputs // _UNIT)


@dataclass(frozen=True)
class PackedMatrix:
    """A matrix's tensors; they, and the bias, must outlive what `struct` returns."""

    parts: list[PackedPart]
    num_inputs: int

    @property
    def num_bytes(self) -> int:
        return sum(part.data.nbytes + (0 if part.scales is None else part.scales.nbytes) for part in self.parts)

    def struct(self, bias: Array | None = None) -> Matrix:
        parts = (Part * MAX_PARTS)(*(part.struct() for part in self.parts))
        num_outputs = sum(part.num_outputs for part in self.parts)
        return Matrix(parts, address_of(bias), self.num_inputs, num_outputs)


def call_at_once(function: Callable[[Bounds], None], arguments: Iterable[Bounds]) -> None:
    for argument in arguments:
        function(argument)


def pack(
    parts: list[Weights],
    dtype: str,
    kernel: Kernel,
    alternate: bool = False,
    call_each: CallEach = call_at_once,
    allocate: Allocate = empty,
) -> PackedMatrix:
    """Stack `parts` [outputs, inputs] and have the kernel pack them as `dtype`: STORED, float32, bfloat16 or int8.

    `alternate`: two parts, of whose outputs 16 each follow in turn. What must be alike and is not gets 8 bits.
    `call_each` is given the pieces that the matrix is read and packed in, and may pack them later than this returns;
    `allocate` gives the memory for them.
    """
    num_inputs = -(-parts[0].shape[-1] // _UNIT) * _UNIT
    found = []
    for format_, group in _groups(parts, dtype, alternate):
        num_rows = group[0].shape[0] if alternate else sum(part.shape[0] for part in group)
        num_outputs = -(-num_rows // _UNIT) * _UNIT * (len(group) if alternate else 1)
        packed = PackedPart(format_, *_tensors(format_, num_outputs, num_inputs, allocate), num_outputs)
        call_each(
            _Packer(kernel, group, packed, num_inputs, alternate),
            pieces((num_rows, parts[0].shape[1]), _UNIT, _WEIGHTS_AT_ONCE),
        )
        found.append(packed)
    return PackedMatrix(found, num_inputs)


def pack_bias(parts: list[Array], alternate: bool = False) -> Array:
    """Return the biases of such a matrix, float32."""
    turns = parts if alternate else [np.concatenate(parts)]
    panels = [_fill(turn, -len(turn) % _UNIT).reshape(-1, LANES) for turn in turns]
    return floats(np.stack(panels, axis=1).reshape(-1))


def _groups(parts: list[Weights], dtype: str, alternate: bool) -> list[tuple[str, list[Weights]]]:
    """Return parts that follow each other and are held in one format together; all together if they cannot be apart."""
    formats = [_format(part, dtype) for part in parts]
    if any(format_ in _RECORDS for format_ in formats):
        formats = [format_ if format_ in _RECORDS else "int8" for format_ in formats]
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


def _common(formats: list[str]) -> str:
    """Return the format that holds what has several."""
    if set(formats) == {"q4_0", "int4"}:
        return "int4"
    if any(format_ in _RECORDS for format_ in formats):
        return "int8"
    return formats[0] if len(set(formats)) == 1 else "float32"


def _tensors(format_: str, num_outputs: int, num_inputs: int, allocate: Allocate) -> tuple[Array, Array | None]:
    """Return room for the weights of a part, and for the scales if there are any."""
    num_panels = num_outputs // LANES
    if format_ not in _RECORDS:
        return allocate((num_panels, num_inputs, LANES), FLOATS[format_]), None
    groups, (num_vectors, num_scales) = (num_panels, num_inputs // GROUP), _RECORDS[format_]
    data = allocate((*groups, num_vectors, 4 * LANES), np.dtype(np.uint8))
    return data, allocate((*groups, num_scales, LANES), np.dtype(np.float16))


@dataclass(frozen=True)
class _Packer:
    """Packs rows of `parts` into `packed`: nothing of a matrix but what is packed is ever in memory as a whole."""

    kernel: Kernel
    parts: list[Weights]
    packed: PackedPart
    num_inputs: int
    alternate: bool

    def __call__(self, bounds: Bounds) -> None:
        """Read and pack the rows between two; they are rows of each part where parts alternate."""
        start, stop = bounds
        if self.alternate:
            for turn, part in enumerate(self.parts):
                self._pack(rows_of(part, start, stop), start, is_last=True, turn=turn)
            return
        pieces = _rows_of_stack(self.parts, start, stop)
        for number, piece in enumerate(pieces, 1):
            self._pack(piece, start, is_last=number == len(pieces))
            start += piece.shape[0]

    def _pack(self, weights: Weights, first: int, is_last: bool, turn: int = 0) -> None:
        packed = self.packed
        rows = _as_format(weights, packed.format)
        missing = -(first + rows.shape[0]) % _UNIT if is_last else 0
        tensors = (rows.steps, rows.scales, rows.minima) if isinstance(rows, QuantisedTensor) else (rows, None, None)
        whole = [None if tensor is None else _fill(np.ascontiguousarray(tensor), missing) for tensor in tensors]
        num_turns = len(self.parts) if self.alternate else 1
        sizes = (rows.shape[0] + missing, rows.shape[1], first, turn, num_turns, self.num_inputs)
        to = address_of(packed.data), address_of(packed.scales)
        self.kernel.functions.pack(Rows(*map(address_of, whole), *sizes, _FORMATS[packed.format], *to))


def address_of(array: Array | None) -> int | None:
    return None if array is None else array.ctypes.data


def _rows_of_stack(parts: list[Weights], start: int, stop: int) -> list[Weights]:
    """Return rows `start` to `stop`, exclusive, of parts that follow each other."""
    found = []
    for part in parts:
        if start < part.shape[0] and stop > 0:
            found.append(rows_of(part, max(start, 0), min(stop, part.shape[0])))
        start, stop = start - part.shape[0], stop - part.shape[0]
    return found


def _as_format(part: Weights, format_: str) -> Held:
    part = load_weights(part)
    if format_of(part) == format_:
        return part
    if format_ == "int8":
        return quantise(as_array(part))
    return (
        add_minima(part)
        if isinstance(part, QuantisedTensor) and format_ == "int4"
        else as_array(part).astype(FLOATS[format_])
    )


def _fill(rows: Array, missing: int) -> Array:
    """Return `rows` followed by `missing` rows of zeros."""
    return np.pad(rows, [(0, missing), *[(0, 0)] * (rows.ndim - 1)]) if missing else rows
