"""What each request of a run asks for: drawn from the scenario's seed and the request's number, and nothing else.

So request 4711 is the same request however many processes share the load, and whatever was added to a scenario before.
Knows no message and no clock.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from tandem.measure.scenario import Scenario, Workload
from tandem.measure.trace import TraceRow

T = TypeVar("T")
SPECS_STREAM = 1  # of the seed; see tandem.measure.generator.schedule.arrivals for another
PLACES_STREAM = 2
_KEPT_BLOCKS = 3  # which a conversation may lie in
_COMMON = -1  # the row that all prompts begin with, where they have something in common
_BLOCK = 64  # 0.3 ms to draw: a request that is due meanwhile must not wait long


class RequestSpec(NamedTuple):
    """One request. `place` in [0, 1) picks a class.

    `prompt`: its parts, each the number of a row of tokens and how many from the row's beginning; two prompts with the
    same parts in front have as many tokens in common. `think_seconds`: it follows the request before by so much.
    """

    number: int
    workload: int  # its number in the scenario
    length: int  # output tokens, or images
    prompt: tuple[tuple[int, int], ...]
    place: float
    seed: int
    cancel_after_seconds: float | None
    think_seconds: float | None = None

    def fill_prompt(self, first: Callable[[int], T], pool: Sequence[T]) -> list[T]:
        """Return the prompt's tokens or words. `first` makes that of each part of the number of its row; the others are
        a piece of the pool, again and again where that is too short.
        """
        found: list[T] = []
        for row, count in self.prompt:
            begin = row * 2654435761 % len(pool)
            end = begin + count - 1
            piece = pool[begin:end] if end <= len(pool) else itertools.islice(itertools.cycle(pool), begin, end)
            found += [first(row), *piece]
        return found


class RequestSequence:
    """Requests by number, from 0 on, without end; drawn in blocks, of which the last ones are kept.

    The number of a request counts on from the scenario's first one.
    """

    def __init__(self, scenario: Scenario, trace: Sequence[TraceRow] = ()) -> None:
        self._scenario, self._trace = scenario, trace
        self._first = scenario.first_number
        weights = np.array([workload.weight for workload in scenario.workloads])
        self._cumulated_shares = np.cumsum(weights / weights.sum())[:-1]
        is_alone = all(workload.common_share == 0.0 for workload in scenario.workloads)
        self._has_no_past = scenario.turns == 1 and is_alone
        self._blocks: dict[int, list[RequestSpec]] = {}

    def __getitem__(self, number: int) -> RequestSpec:
        if self._trace:
            row = self._trace[number]
            return self._drawn(number)._replace(length=row.output_length, prompt=row.prompt())
        if self._has_no_past:
            return self._drawn(number)
        turn = number % self._scenario.turns
        before = [self._drawn(other) for other in range(number - turn, number + 1)]
        first, own, workload = before[0], before[-1], self._scenario.workloads[before[-1].workload]
        ((row_number, first_tokens),) = first.prompt
        tokens = sum(count for each in before for _, count in each.prompt) + sum(each.length for each in before[:-1])
        common = int(first_tokens * workload.common_share)
        parts = ((_COMMON, common), (row_number, tokens - common)) if common else ((row_number, tokens),)
        low, high = workload.think_seconds
        return own._replace(prompt=parts, think_seconds=low + (high - low) * own.place if turn else None)

    def _drawn(self, number: int) -> RequestSpec:
        block, place = divmod(self._first + number, _BLOCK)
        if block not in self._blocks:
            self._blocks = dict(list(self._blocks.items())[1 - _KEPT_BLOCKS :]) | {block: self._draw(block)}
        return self._blocks[block][place]

    def workloads(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return which workload each of these requests is of; cheaper than to ask for them one by one."""
        blocks, places = np.divmod(self._first + numbers, _BLOCK)
        found = np.empty(len(numbers), np.int64)
        for block in np.unique(blocks).tolist():
            is_here = blocks == block
            found[is_here] = self._workloads(self._random(SPECS_STREAM, block))[places[is_here]]
        return found

    def _random(self, stream: int, block: int) -> np.random.Generator:
        return np.random.default_rng((self._scenario.seed, stream, block))

    def _workloads(self, random: np.random.Generator) -> NDArray[np.int64]:
        return np.searchsorted(self._cumulated_shares, random.random(_BLOCK), side="right")

    def _places(self, block: int, random: np.random.Generator) -> list[float]:
        drawn: list[float] = random.random(_BLOCK).tolist()
        count = self._scenario.num_places
        if count is None:
            return drawn
        rows = range(block * _BLOCK, (block + 1) * _BLOCK)
        bags = {
            number: self._random(PLACES_STREAM, number).permutation(count).tolist()
            for number in range(rows[0] // count, rows[-1] // count + 1)
        }
        return [(bags[row // count][row % count] + 0.5) / count for row in rows]

    def _draw(self, block: int) -> list[RequestSpec]:
        random = self._random(SPECS_STREAM, block)
        workloads = self._workloads(random).tolist()
        places = self._places(block, random)
        seeds = random.integers(0, 2**63, _BLOCK).tolist()
        details = [_details(workload, random) for workload in self._scenario.workloads]
        specs = []
        for i, workload in enumerate(workloads):
            length, prompt_tokens, cancel_after = details[workload][i]
            number = block * _BLOCK + i
            prompt = ((seeds[i], prompt_tokens),)
            specs.append(RequestSpec(number, workload, length, prompt, places[i], seeds[i], cancel_after))
        return specs


def _details(workload: Workload, random: np.random.Generator) -> list[tuple[int, int, float | None]]:
    """Return lengths, prompt tokens and cancels of a block's requests as if all of them were of this workload."""
    lengths = (workload.images if workload.kind == "images" else workload.output_tokens).draw(random, _BLOCK)
    prompts = workload.prompt_tokens.draw(random, _BLOCK)
    is_cancelled = random.random(_BLOCK) < workload.cancel_share
    instants = random.uniform(*workload.cancel_after_seconds, _BLOCK)
    cancels = [float(at) if cancelled else None for at, cancelled in zip(instants, is_cancelled, strict=True)]
    return list(zip(lengths.tolist(), prompts.tolist(), cancels, strict=True))
