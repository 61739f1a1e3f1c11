"""What a model says of one of its tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.protocols.oip.tensors.datatype import Datatype


@dataclass(frozen=True)
class Spec:
    """`dims` are without the batch, -1 for any size; `is_optional` is of inputs alone."""

    name: str
    datatype: Datatype
    dims: tuple[int, ...]
    is_optional: bool = False

    def shape(self, is_batched: bool) -> list[int]:
        """Return the shape as metadata have it: the first dimension is the batch, if there is one."""
        return [-1, *self.dims] if is_batched else list(self.dims)

    def rows(self, shape: Sequence[int], is_batched: bool) -> int | None:
        """Return how many rows of the batch a tensor of this shape has, 1 without batches; None if it does not fit.

        One value, or one a row, may leave out the dimension of size 1.
        """
        if is_batched and shape and shape[0] > 0 and self._fits(shape[1:]):
            return shape[0]
        return None if is_batched or not self._fits(shape) else 1

    def _fits(self, shape: Sequence[int]) -> bool:
        if self.dims == (1,):
            return all(size == 1 for size in shape)
        return len(shape) == len(self.dims) and all(
            size >= 0 and wanted in (-1, size) for size, wanted in zip(shape, self.dims, strict=True)
        )
