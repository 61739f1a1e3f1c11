"""Weights of a few bits, as files hold them: steps, with a scale and perhaps a minimum a group of inputs.

And weights that stay in their file until rows of them are wanted, so that no whole matrix need be in memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

GROUP = 32
Kind = Literal["int8", "int6", "int5", "int4", "q4_0", "iq4_nl"]

NIBBLES: tuple[Kind, ...] = ("int4", "q4_0", "iq4_nl")
"""The kinds of 4 bits."""
IQ4_NL_VALUES = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
"""What the 16 steps of llama.cpp's IQ4_NL stand for."""
Q4_0_MIDDLE = 8
"""The step of llama.cpp's Q4_0 that stands for 0."""


@dataclass(frozen=True)
class QuantisedTensor:
    """Weights [outputs, inputs]: scale * step, plus a minimum where there is one.

    Of q4_0 scale * (step - 8), of iq4_nl scale * value of step.
    """

    steps: Tensor
    """[outputs, inputs]: int8 for int8, and from -32 to 31 for int6; uint8 of 5 bits for int5. Of the kinds of 4 bits
    [outputs, inputs / 2]: byte i of a group has those of its inputs i and 16 + i, see `in_nibbles`."""
    scales: Tensor
    """[outputs, inputs / 32] float16; for int6 [outputs, inputs / 16]."""
    minima: Tensor | None = None
    """Of int4 and int5, as the scales."""
    kind: Kind = "int8"

    @property
    def shape(self) -> torch.Size:
        num_rows, num_steps = self.steps.shape
        return torch.Size([num_rows, 2 * num_steps if self.kind in NIBBLES else num_steps])

    @property
    def ndim(self) -> int:
        return 2

    def dequantise(self) -> Tensor:
        """Return the weights [outputs, inputs] float32."""
        steps = self.steps
        if self.kind in NIBBLES:
            halves = steps.unflatten(-1, (-1, GROUP // 2))
            steps = torch.cat([halves & 15, halves >> 4], dim=-1).flatten(-2)
        if self.kind == "q4_0":
            steps = steps.to(torch.int8) - Q4_0_MIDDLE
        if self.kind == "iq4_nl":
            steps = torch.tensor(IQ4_NL_VALUES, dtype=torch.int8)[steps.int()]
        group = 16 if self.kind == "int6" else GROUP
        weights: Tensor = steps.unflatten(-1, (-1, group)).float() * self.scales.float().unsqueeze(-1)
        if self.minima is not None:
            weights += self.minima.float().unsqueeze(-1)
        return weights.flatten(-2)

    def rearranged(self, change: Callable[[Tensor], Tensor]) -> "QuantisedTensor":
        """Return the tensor with its rows as `change` picks or orders those of a tensor [outputs, n]."""
        minima = None if self.minima is None else change(self.minima)
        return QuantisedTensor(change(self.steps), change(self.scales), minima, self.kind)


def in_nibbles(steps: Tensor) -> Tensor:
    """Return steps of 4 bits [outputs, inputs] uint8 as QuantisedTensor has them."""
    low, high = steps.unflatten(-1, (-1, 2, GROUP // 2)).unbind(-2)
    nibbles: Tensor = low | high << 4
    return nibbles.flatten(-2)


Held = Tensor | QuantisedTensor
"""Weights in memory."""


@dataclass(frozen=True)
class StoredMatrix:
    """A matrix in a file, of which `read` brings some rows, by their numbers [n], into memory of their own."""

    rows: Tensor
    """The numbers of its rows in the file, [outputs]."""
    num_inputs: int
    format: str
    """Of what `read` returns: a kind of few bits, or the name of a float's type."""
    read: Callable[[Tensor], Held]

    @property
    def shape(self) -> torch.Size:
        return torch.Size([len(self.rows), self.num_inputs])

    @property
    def ndim(self) -> int:
        return 2

    def rearranged(self, change: Callable[[Tensor], Tensor]) -> "StoredMatrix":
        """Return the matrix with its rows as `change` picks or orders those of a tensor [outputs, n]."""
        return replace(self, rows=change(self.rows.unsqueeze(-1)).flatten())


Weights = Held | StoredMatrix
_WEIGHTS_AT_ONCE = 2**20  # so that what is made of them stays in the caches


def held(weights: Weights) -> Held:
    return weights.read(weights.rows) if isinstance(weights, StoredMatrix) else weights


def as_tensor(weights: Weights) -> Tensor:
    weights = held(weights)
    return weights.dequantise() if isinstance(weights, QuantisedTensor) else weights


def format_of(weights: Weights) -> str:
    """Return a kind of few bits, or the name of a float's type."""
    if isinstance(weights, StoredMatrix):
        return weights.format
    return weights.kind if isinstance(weights, QuantisedTensor) else str(weights.dtype).removeprefix("torch.")


def rearranged(weights: Weights, change: Callable[[Tensor], Tensor]) -> Weights:
    """Return weights with their rows as `change` picks or orders them."""
    return change(weights) if isinstance(weights, Tensor) else weights.rearranged(change)


def rows_of(weights: Weights, start: int, stop: int) -> Weights:
    """Return rows `start` to `stop`, exclusive."""
    return rearranged(weights, lambda rows: rows[start:stop])


def pieces(shape: torch.Size, multiple: int = 1) -> Iterator[tuple[int, int]]:
    """Yield where pieces of a matrix begin and end that are small enough to be worked on at once.

    All but the last have a multiple of `multiple` rows.
    """
    num_rows = max(1, _WEIGHTS_AT_ONCE // (shape[1] * multiple)) * multiple
    for start in range(0, shape[0], num_rows):
        yield start, min(start + num_rows, shape[0])


def quantise(weights: Tensor) -> QuantisedTensor:
    """Round weights [outputs, inputs] to 8 bits, llama.cpp's Q8_0; inputs are filled up with 0 to a multiple of 32."""
    weights = torch.nn.functional.pad(weights.float(), (0, -weights.shape[-1] % GROUP))
    groups = weights.unflatten(-1, (-1, GROUP))
    scales = groups.abs().amax(-1) / 127
    steps = (groups / scales.clamp(min=1e-30).unsqueeze(-1)).round()
    return QuantisedTensor(steps.to(torch.int8).flatten(-2), scales.half())


def with_minima(weights: QuantisedTensor) -> QuantisedTensor:
    """Return weights of q4_0 as int4, which has minima."""
    return QuantisedTensor(weights.steps, weights.scales, weights.scales * -Q4_0_MIDDLE, "int4")


def in_eight_bits(weights: Weights) -> Weights:
    """Return weights rounded as `quantise` does; those in a file are when their rows are read."""
    if not isinstance(weights, StoredMatrix):
        return quantise(as_tensor(weights))
    num_inputs = -(-weights.num_inputs // GROUP) * GROUP
    return replace(
        weights, num_inputs=num_inputs, format="int8", read=lambda rows: quantise(as_tensor(weights.read(rows)))
    )
