"""Perplexity of held text, the same tokens for every engine: windows, and what their losses come to.

As llama-perplexity counts: the text is cut into windows of 512 tokens, and of each the second half is scored, so that
every scored token has at least 257 tokens before it. Knows no engine.
"""

import math
import statistics
from collections.abc import Sequence

WINDOW_TOKENS = 512
FIRST_SCORED = WINDOW_TOKENS // 2 + 1  # place of the first token whose probability counts
SCORED_TOKENS = WINDOW_TOKENS - FIRST_SCORED

Losses = list[float]  # mean -ln p of a window's scored tokens, window by window


def windows(ids: Sequence[int], count: int) -> list[list[int]]:
    """Return the first `count` windows of a text. Raises ValueError if it is too short."""
    if count * WINDOW_TOKENS > len(ids):
        raise ValueError(f"windows: {count} of {WINDOW_TOKENS} tokens; the text has {len(ids)} tokens")
    return [list(ids[start : start + WINDOW_TOKENS]) for start in range(0, count * WINDOW_TOKENS, WINDOW_TOKENS)]


def loss(logprobs: Sequence[float]) -> float:
    """Return a window's loss from the log-probabilities of every token but its first."""
    if len(logprobs) != WINDOW_TOKENS - 1:
        raise ValueError(f"logprobs: {len(logprobs)}, must be {WINDOW_TOKENS - 1}")
    return -statistics.fmean(logprobs[FIRST_SCORED - 1 :])


def compare(losses: Losses, reference: Losses) -> dict[str, float]:
    """Return an engine's perplexity beside the reference's, window by window: the nats a token that it has more, and
    the standard error of that.
    """
    more = [own - other for own, other in zip(losses, reference, strict=True)]
    return {
        "perplexity": round(math.exp(statistics.fmean(losses)), 4),
        "ratio": round(math.exp(statistics.fmean(more)), 5),
        "nats_more": round(statistics.fmean(more), 5),
        "nats_error": round(statistics.stdev(more) / math.sqrt(len(more)), 5),
    }
