"""What the masks of a step's rows do to their logits."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from services.ar.compute.token_masks import Bits, allowed_bits
from services.ar.engine.layout import LogitsRow

# What is added to the logits of eight tokens, by the byte that tells which of them are allowed: [256, 8] float32.
_PENALTIES = np.where(
    np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little"), 0.0, -np.inf
).astype(np.float32)


def rule_out(logits: Tensor, rows: list[LogitsRow]) -> None:
    """Set logits [R, num_output_tokens], finite, of tokens that are not allowed to -inf, in place.

    Each row keeps at least one; an end that is unwanted is kept only where nothing else is.
    """
    masked = [place for place, row in enumerate(rows) if row.allowed is not None]
    if not masked:
        return
    bits = np.stack([allowed_bits(rows[place]) for place in masked])
    for place, of_row in zip(masked, _penalties(bits, logits.device), strict=True):
        logits[place] += of_row[: logits.shape[1]]


def _penalties(bits: Bits, device: torch.device) -> Iterator[Tensor]:
    """Yield what is added to the logits of each row of bits [R, N]: [8 * N] float32, good until the next one."""
    if device.type == "cpu":
        # Half of what a mask of single tokens takes to make and apply: by one buffer that stays in a core's cache, and
        # by `clip`, without which take is as slow as indexing.
        penalties = np.empty((bits.shape[1], 8), np.float32)
        for row in bits.astype(np.intp):
            np.take(_PENALTIES, row, axis=0, out=penalties, mode="clip")
            yield torch.from_numpy(penalties).flatten()
        return
    on_device = torch.from_numpy(bits).to(device, non_blocking=True)  # a thirty-second of the penalties' size
    yield from functional.embedding(on_device.int(), torch.from_numpy(_PENALTIES).to(device)).flatten(1)
