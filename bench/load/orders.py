"""What each request of a run asks for: drawn from the scenario's seed and the request's number, and nothing else.

So request 4711 is the same request however many processes share the load, and whatever was added to a scenario before.
Knows no message and no clock.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.load.scenario import Scenario, Work

ORDERS_STREAM = 1  # of the seed; see bench.load.arrivals for the other
_BLOCK = 64  # 0.3 ms to draw: a request that is due meanwhile must not wait long


class Order(NamedTuple):
    """One request. `place` in [0, 1) picks a class or the beginning of a prompt."""

    number: int
    work: int  # its number in the scenario
    length: int  # output tokens, or images
    prompt_tokens: int
    place: float
    seed: int
    cancel_after_seconds: float | None


class Orders:
    """Requests by number, from 0 on, without end; drawn in blocks, of which the last one is kept."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        weights = np.array([work.weight for work in scenario.works])
        self._cumulated_shares = np.cumsum(weights / weights.sum())[:-1]
        self._block_number = -1
        self._block: list[Order] = []

    def __getitem__(self, number: int) -> Order:
        block, place = divmod(number, _BLOCK)
        if block != self._block_number:
            self._block_number, self._block = block, self._draw(block)
        return self._block[place]

    def works(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return which work each of these requests is of; cheaper than to ask for them one by one."""
        found = np.empty(len(numbers), np.int64)
        blocks = numbers // _BLOCK
        for block in np.unique(blocks):
            is_here = blocks == block
            found[is_here] = self._works(self._random(int(block)))[numbers[is_here] % _BLOCK]
        return found

    def _random(self, block: int) -> np.random.Generator:
        return np.random.default_rng((self._scenario.seed, ORDERS_STREAM, block))

    def _works(self, random: np.random.Generator) -> NDArray[np.int64]:
        return np.searchsorted(self._cumulated_shares, random.random(_BLOCK), side="right")

    def _draw(self, block: int) -> list[Order]:
        random = self._random(block)
        works = self._works(random).tolist()
        places = random.random(_BLOCK).tolist()
        seeds = random.integers(0, 2**63, _BLOCK).tolist()
        details = [_details(work, random) for work in self._scenario.works]
        return [
            Order(
                number=block * _BLOCK + i,
                work=work,
                length=details[work].lengths[i],
                prompt_tokens=details[work].prompts[i],
                place=places[i],
                seed=seeds[i],
                cancel_after_seconds=details[work].cancels[i],
            )
            for i, work in enumerate(works)
        ]


class _Details(NamedTuple):
    lengths: list[int]
    prompts: list[int]
    cancels: list[float | None]


def _details(work: Work, random: np.random.Generator) -> _Details:
    """Return the details of a block's requests as if all of them were of this work."""
    lengths = (work.images if work.kind == "images" else work.output_tokens).draw(random, _BLOCK)
    prompts = work.prompt_tokens.draw(random, _BLOCK)
    is_cancelled = random.random(_BLOCK) < work.cancel_share
    instants = random.uniform(*work.cancel_after_seconds, _BLOCK)
    cancels = [float(at) if cancelled else None for at, cancelled in zip(instants, is_cancelled, strict=True)]
    return _Details(lengths.tolist(), prompts.tolist(), cancels)
