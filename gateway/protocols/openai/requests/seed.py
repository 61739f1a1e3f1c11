"""Seeds: OpenAI's are signed, ours are not."""

from __future__ import annotations

_MASK = 2**64 - 1


def unsigned(seed: int | None) -> int | None:
    """Return the seed of our messages: a negative one counts from 2^64 downwards; None stays None."""
    return None if seed is None else seed & _MASK
