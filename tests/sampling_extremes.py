"""Every accepted sampling parameter at its extremes, pair by pair: what a legal but odd request may ask for."""

from collections.abc import Iterator
from itertools import combinations, product

# The ends of each range that ar.proto accepts, and values next to them that float32 cannot hold or divide by.
EXTREMES: dict[str, tuple[object, ...]] = {
    "temperature": (0.0, 5e-324, 1e-46, 1e-38, 1e-3, 10.0),
    "top_k": (0, 1, 5000, 2**31 - 1),
    "top_p": (5e-324, 1e-46, 0.9, 1.0),
    "min_p": (0.0, 5e-324, 0.1, 1.0),
    "repetition_penalty": (0.01, 1.0, 10.0),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
    "seed": (0, 2**64 - 1),
    "min_tokens": (0, 2),
    "logit_bias": ({0: -100.0, 1: 100.0}, dict.fromkeys(range(500), -100.0)),
    "stop_token_ids": (list(range(64)),),
}
# Beside each pair, what else a request holds: with a temperature other than 1 the pair's own overflow would be hidden.
COMPANIONS: tuple[dict[str, object], ...] = ({}, {"temperature": 1e-46})


def extreme_parameters() -> Iterator[dict[str, object]]:
    """Yield the parameters of one request for each pair of extremes of two parameters, and companions to it."""
    for first, second in combinations(EXTREMES, 2):
        for values in product(EXTREMES[first], EXTREMES[second]):
            for companions in COMPANIONS:
                yield {**companions, first: values[0], second: values[1]}
