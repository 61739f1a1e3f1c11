"""Tokens that a sequence's mask rules out: which rows of a step have a mask, and what it does to their logits."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from runtime.errors import TandemError
from services.ar.engine.layout import LogitsRow

RowsOfWork: TypeAlias = "list[LogitsRow] | TandemError"
Bits: TypeAlias = npt.NDArray[np.uint8]

# What is added to the logits of eight tokens, by the byte that tells which of them are allowed: [256, 8] float32.
_PENALTIES = np.where(
    np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little"), 0.0, -np.inf
).astype(np.float32)


def with_masks(rows: list[LogitsRow]) -> RowsOfWork:
    """Return the rows of one work with what its sequence's mask allows in each; fewer, where a draft leaves no more.

    The rows behind the last that is returned are void: a token of the draft that stands before them is ruled out, or
    completes the output. An error ends the work's request alone.
    """
    mask = rows[0].sequence.token_mask if rows else None
    if mask is None:
        return rows
    try:
        allowed = mask.masks(rows[-1].drafted)
    except TandemError as error:
        return error
    return [replace(row, allowed=each) for row, each in zip(rows, allowed, strict=False)]


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


def allowed_bits(row: LogitsRow) -> Bits:
    """Return which tokens a row may be, a bit for each and at least one of them set; ends that are unwanted are not."""
    bits = np.frombuffer(row.allowed or b"", np.uint8)
    unwanted = row.unwanted_token_ids
    if not unwanted:
        return bits
    wanted = bits.copy()
    for token_id in unwanted:
        wanted[token_id // 8] &= 0xFF ^ (1 << token_id % 8)
    return wanted if wanted.any() else bits
