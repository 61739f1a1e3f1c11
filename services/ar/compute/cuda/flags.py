"""Which rows of a step are finite, as the device notes it: at the same place in every step, for a captured one."""

import torch
from torch import Tensor

from services.ar.compute.torch.kv_cache import finite_rows


class StepFlags:
    """Two flags for each of up to `max_rows` rows: what the layers computed is finite, and its logits are."""

    def __init__(self, max_rows: int, device: torch.device) -> None:
        self._flags = torch.ones((2, max_rows), dtype=torch.uint8, device=device)

    def begin(self, num_rows: int) -> Tensor:
        """Take the first rows as finite; return their flags [T] uint8, which attention sets to 0 where they are not."""
        self._flags[:, :num_rows] = 1
        return self._flags[0, :num_rows]

    def note_hidden(self, hidden: Tensor) -> None:
        """Note the last hidden states [T, hidden_size] of the first rows."""
        self._flags[0, : len(hidden)].logical_and_(finite_rows(hidden))

    def note_logits(self, rows: slice | Tensor, logits: Tensor) -> None:
        """Note the logits [N, vocab_size] of the rows named."""
        self._flags[1, rows] = finite_rows(logits).to(torch.uint8)

    def bring(self, num_rows: int, wanted: list[int]) -> list[bool]:
        """Wait for the device and return a flag for each row, of logits as well for the rows whose were `wanted`."""
        of_rows, of_logits = self._flags[:, :num_rows].tolist()
        ignored = set(range(num_rows)).difference(wanted)
        return [bool(of_rows[row] and (row in ignored or of_logits[row])) for row in range(num_rows)]
