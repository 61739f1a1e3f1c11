"""Which requests of a batch a network gave finite numbers for. Knows nothing of networks or requests."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[Any]  # [N, ...], one row a sample


def finite_parts(sizes: Sequence[int], *outputs: Rows) -> list[bool]:
    """Return for each part of a batch whether all its numbers, in every output, are finite.

    The outputs have sum(sizes) rows each; part i is the next sizes[i] >= 1 of them.
    """
    if all(np.isfinite(output).all() for output in outputs):
        return [True] * len(sizes)
    rows = np.logical_and.reduce([_finite_rows(output) for output in outputs])
    parts: list[bool] = np.logical_and.reduceat(rows, np.cumsum([0, *sizes[:-1]])).tolist()
    return parts


def split(rows: Rows, sizes: Sequence[int]) -> list[Rows]:
    """Return the parts of a batch: views of the next sizes[0] rows, sizes[1] rows, and so on."""
    return np.split(rows, np.cumsum(sizes)[:-1])


def _finite_rows(output: Rows) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(output).all(axis=tuple(range(1, output.ndim))))
