"""Weights as files hold them: floats, or steps of a few bits with a scale and perhaps a minimum a group of inputs.

Matrices stay in their file until rows of them are wanted, so that no whole matrix need be in memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np

from services.ar.model.arrays import Array, Shape, all_finite, pad, shift_left
from services.ar.model.fields import shorten
from tandem.shared.models import ModelError

GROUP = 32
Kind = Literal["int8", "int6", "int5", "int4", "q4_0"]

NIBBLES: tuple[Kind, ...] = ("int4", "q4_0")
"""The kinds of 4 bits."""
Q4_0_MIDDLE = 8
"""The step of llama.cpp's Q4_0 that stands for 0."""


@dataclass(frozen=True)
class QuantisedTensor:
    """Weights [outputs, inputs]: scale * step, plus a minimum where there is one; of q4_0 scale * (step - 8)."""

    steps: Array
    """[outputs, inputs]: int8 for int8, and from -32 to 31 for int6; uint8 of 5 bits for int5. Of the kinds of 4 bits
    [outputs, inputs / 2]: byte i of a group has those of its inputs i and 16 + i, see `pack_nibbles`."""
    scales: Array
    """[outputs, inputs / 32] float16; for int6 [outputs, inputs / 16]."""
    minima: Array | None = None
    """Of int4 and int5, as the scales."""
    kind: Kind = "int8"

    @property
    def shape(self) -> Shape:
        num_rows, num_steps = self.steps.shape
        return num_rows, 2 * num_steps if self.kind in NIBBLES else num_steps

    def dequantise(self) -> Array:
        """Return the weights [outputs, inputs] float32; where a damaged scale is not finite, they are not either."""
        steps, num_rows = self.steps, len(self.steps)
        if self.kind in NIBBLES:
            halves = steps.reshape(num_rows, -1, GROUP // 2)
            steps = np.concatenate([halves & 15, halves >> 4], axis=-1)
        if self.kind == "q4_0":
            steps = steps.astype(np.int8) - np.int8(Q4_0_MIDDLE)
        group = 16 if self.kind == "int6" else GROUP
        weights = steps.reshape(num_rows, -1, group).astype(np.float32)
        with np.errstate(all="ignore"):
            weights *= self.scales.astype(np.float32)[..., None]
            if self.minima is not None:
                weights += self.minima.astype(np.float32)[..., None]
        return weights.reshape(num_rows, -1)

    def rearrange(self, change: Callable[[Array], Array]) -> "QuantisedTensor":
        """Return the tensor with its rows as `change` picks or orders those of an array [outputs, n]."""
        minima = None if self.minima is None else change(self.minima)
        return QuantisedTensor(change(self.steps), change(self.scales), minima, self.kind)


def pack_nibbles(steps: Array) -> Array:
    """Return steps of 4 bits [outputs, inputs] uint8 as QuantisedTensor has them."""
    halves = steps.view(f"V{GROUP // 2}")  # each copied as one item
    low, high = (np.ascontiguousarray(halves[:, half::2]).view(np.uint8) for half in (0, 1))
    return low | shift_left(high, 4)


Held = Array | QuantisedTensor
"""Weights in memory."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as the header of a file describes it, whatever the file's format. Reading raises ModelError."""

    file: Path
    name: str
    shape: Shape
    format: str
    """Of its weights: a kind of few bits, or the name of a float's or a whole number's type."""
    start: int
    """Where it begins in the file, in bytes."""
    row_bytes: int
    """Of a row, which is all of a vector."""
    decode: Callable[[Array], Held]
    """Makes weights of rows [n, row_bytes] uint8."""

    @property
    def num_bytes(self) -> int:
        return prod(self.shape[:-1]) * self.row_bytes

    def read(self, rows: Array) -> Held:
        """Return rows, by their numbers [n], all of them finite."""
        data = read_rows(self.file, self.start, self.row_bytes, rows)
        return check_finite(self.file, self.name, self.decode(data))

    def weights(self) -> "Weights":
        """Return a matrix that stays in the file until it is used, any other tensor as an array."""
        if len(self.shape) == 2:
            return StoredMatrix(np.arange(self.shape[0]), self.shape[1], self.format, self.read)
        return as_array(self.read(np.arange(prod(self.shape[:-1])))).reshape(self.shape)


def read_rows(path: Path, start: int, row_bytes: int, rows: Array) -> Array:
    """Return rows [n, row_bytes] uint8, by their numbers, of a matrix that begins at byte `start`. Raises ModelError.

    All between the first and the last of them are read: pages of a mapping would stay in memory beside what is made of
    them.
    """
    first, num_rows = int(rows.min()), int(rows.max()) + 1 - int(rows.min())
    try:
        data = np.fromfile(path, np.uint8, num_rows * row_bytes, offset=start + first * row_bytes)
    except OSError as error:
        raise ModelError(f"{path}: {error}") from None
    if len(data) < num_rows * row_bytes:
        raise ModelError(f"{path}: is shorter than it was when it was opened")
    data = data.reshape(num_rows, row_bytes)
    return data if np.array_equal(rows, np.arange(first, first + num_rows)) else data[rows - first]


def check_finite(file: Path, name: str, weights: Held) -> Held:
    """Return some or all weights of a tensor. Raises ModelError if one of them is NaN or infinite."""
    floats = (weights.scales, weights.minima) if isinstance(weights, QuantisedTensor) else (weights,)
    if not all(values is None or all_finite(values) for values in floats):
        raise ModelError(f"{file}: {shorten(name)} holds NaN or infinity; accepted: finite weights")
    return weights


@dataclass(frozen=True)
class StoredMatrix:
    """A matrix in a file, of which `read` brings some rows, by their numbers [n], into memory of their own."""

    rows: Array
    """The numbers of its rows in the file, [outputs]."""
    num_inputs: int
    format: str
    """Of what `read` returns: a kind of few bits, or the name of a float's type."""
    read: Callable[[Array], Held]

    @property
    def shape(self) -> Shape:
        return len(self.rows), self.num_inputs

    def rearrange(self, change: Callable[[Array], Array]) -> "StoredMatrix":
        """Return the matrix with its rows as `change` picks or orders those of an array [outputs, n]."""
        return replace(self, rows=change(self.rows[:, None]).reshape(-1))


Weights = Held | StoredMatrix
WEIGHTS_AT_ONCE = 2**19  # so that what is made of them stays in the caches


def load_weights(weights: Weights) -> Held:
    """Return weights that are in memory, all rows of those in a file."""
    return weights.read(weights.rows) if isinstance(weights, StoredMatrix) else weights


def as_array(weights: Weights) -> Array:
    """Return the weights as floats: of few bits as float32, else of the type that they have."""
    weights = load_weights(weights)
    return weights.dequantise() if isinstance(weights, QuantisedTensor) else weights


def format_of(weights: Weights) -> str:
    """Return a kind of few bits, or the name of a float's type."""
    if isinstance(weights, StoredMatrix):
        return weights.format
    return weights.kind if isinstance(weights, QuantisedTensor) else weights.dtype.name


def rearrange(weights: Weights, change: Callable[[Array], Array]) -> Weights:
    """Return weights with their rows as `change` picks or orders them."""
    return change(weights) if isinstance(weights, np.ndarray) else weights.rearrange(change)


def rows_of(weights: Weights, start: int, stop: int) -> Weights:
    """Return rows `start` to `stop`, exclusive."""
    return rearrange(weights, lambda rows: rows[start:stop])


def pieces(shape: Shape, multiple: int = 1, num_weights: int = WEIGHTS_AT_ONCE) -> Iterator[tuple[int, int]]:
    """Yield where pieces of a matrix begin and end, of about `num_weights`: few enough to be worked on at once.

    All but the last have a multiple of `multiple` rows.
    """
    num_rows = max(1, num_weights // (shape[1] * multiple)) * multiple
    for start in range(0, shape[0], num_rows):
        yield start, min(start + num_rows, shape[0])


def quantise(weights: Array) -> QuantisedTensor:
    """Round weights [outputs, inputs] to 8 bits, llama.cpp's Q8_0; inputs are filled up with 0 to a multiple of 32."""
    weights = pad(weights.astype(np.float32), GROUP)
    groups = weights.reshape(len(weights), -1, GROUP)
    with np.errstate(all="ignore"):  # what is not finite stays so, by its scale
        scales = np.abs(groups).max(-1) / np.float32(127)
        steps = np.rint(groups / np.maximum(scales, np.float32(1e-30))[..., None])
        return QuantisedTensor(steps.astype(np.int8).reshape(weights.shape), scales.astype(np.float16))


def add_minima(weights: QuantisedTensor) -> QuantisedTensor:
    """Return weights of q4_0 as int4, which has minima."""
    with np.errstate(all="ignore"):
        minima = weights.scales * np.float16(-Q4_0_MIDDLE)
    return QuantisedTensor(weights.steps, weights.scales, minima, "int4")


def round_to_eight_bits(weights: Weights) -> Weights:
    """Return weights rounded as `quantise` does; those in a file are when their rows are read."""
    if not isinstance(weights, StoredMatrix):
        return quantise(as_array(weights))
    num_inputs = -(-weights.num_inputs // GROUP) * GROUP
    return replace(
        weights, num_inputs=num_inputs, format="int8", read=lambda rows: quantise(as_array(weights.read(rows)))
    )
