"""Which rows of a step are finite."""

import torch
from torch import Tensor


def finite_rows(x: Tensor) -> Tensor:
    """Return, for each row of x [T, ...], whether all of its values are finite: [T] bool."""
    return _magnitudes(x).isfinite()


class FiniteRows:
    """Gathers the marks of each row of one step; `flags` says which rows were finite throughout."""

    def __init__(self, num_rows: int, device: torch.device) -> None:
        self._noted = [torch.zeros(num_rows, device=device)]  # each [T]: the largest magnitude of a part of a row

    def note(self, *parts: Tensor) -> None:
        """Note parts [T, N, ...], which may differ in N, of all rows."""
        self._noted.append(_magnitudes(torch.cat(parts, dim=1)))

    def note_some(self, rows: Tensor, part: Tensor) -> None:
        """Note `part` [N, ...] of the rows [N], each of which is named at most once."""
        self._noted.append(torch.zeros_like(self._noted[0]).index_copy_(0, rows, _magnitudes(part)))

    def flags(self) -> list[bool]:
        """Return one flag for each row."""
        return torch.stack(self._noted).isfinite().all(dim=0).tolist()


def _magnitudes(x: Tensor) -> Tensor:
    """Return the largest magnitude of each row [T] float32; it is NaN if any value is."""
    return x.flatten(1).abs().amax(dim=1).float()
