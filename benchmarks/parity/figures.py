"""How near an engine's logits are to the reference's, on the same tokens. Knows no engine.

A scored text is token ids and the place of the first one that is judged. Logits of a text are those that judge the
tokens from there on: [judged, vocabulary], float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ScoredText:
    ids: list[int]
    first: int
    """Place of the first judged token, at least 1."""


def of_answers(found: Sequence[Tensor], reference: Sequence[Tensor]) -> dict[str, float]:
    """Compare logits along the reference's greedy answers: where an engine leaves them, it is set back.

    `answers_equal` are those that it would give token for token, `divergence` is the mean Kullback-Leibler divergence
    from the reference, nats a token.
    """
    pairs = list(zip(found, reference, strict=True))
    equal = [a.argmax(-1) == b.argmax(-1) for a, b in pairs]
    return {
        "num_answers": len(equal),
        "first_tokens_equal": sum(bool(each[0]) for each in equal),
        "answers_equal": sum(bool(each.all()) for each in equal),
        "tokens": sum(map(len, equal)),
        "tokens_equal": sum(int(each.sum()) for each in equal),
        "divergence": float(torch.cat([_divergence(a, b) for a, b in pairs]).mean()),
    }


def _divergence(found: Tensor, reference: Tensor) -> Tensor:
    """Return sum p ln(p / q) of each row, where p is the reference's: [rows]."""
    expected = torch.log_softmax(reference.double(), dim=-1)
    return (expected.exp() * (expected - torch.log_softmax(found.double(), dim=-1))).sum(-1)
