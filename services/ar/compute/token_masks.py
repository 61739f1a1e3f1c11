"""Tokens that a sequence's mask rules out: which rows of a step have a mask, and which tokens it allows there."""

from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from services.ar.engine.layout import LogitsRow
from tandem.shared.errors import TandemError

RowsOfWork: TypeAlias = "list[LogitsRow] | TandemError"
Bits: TypeAlias = npt.NDArray[np.uint8]


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
