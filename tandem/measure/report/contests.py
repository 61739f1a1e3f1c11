"""Who wins of two services that were measured at the same loads, and how far that can be told. Knows no words."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from tandem.measure.formats import number
from tandem.measure.results.crossover import Capacity, Crossover
from tandem.measure.studies.fit.capacity import carried

# What one trial a rate can tell. In simulations two equal servers (M/D/1, 350 requests each, up to .85 of their
# capacity) differ by less than this in 95 of 100 pairs of trials, in p50 and in p99.
RESOLVED_LATENCY = 3.0
RESOLVED_COST = 1.1

Pairs = Sequence[tuple[float, float]]
"""A load, and sequential / parallel of what is better small; in the order of the loads."""


@dataclass(frozen=True)
class Group:
    """Neighbouring loads with one winner: True: parallel; None: the difference is too small to tell."""

    winner: bool | None
    pairs: Pairs

    @property
    def gains(self) -> list[float]:
        """By which factor one of them is better."""
        return [max(ratio, 1 / ratio) for _, ratio in self.pairs]


def contest_groups(pairs: Pairs, resolved: float) -> list[Group]:
    """Return the loads by winner; a ratio below `resolved` (above 1, either way round) names none."""

    def winner(pair: tuple[float, float]) -> bool | None:
        return None if max(pair[1], 1 / pair[1]) < resolved else pair[1] > 1.0

    return [Group(won, list(group)) for won, group in groupby(pairs, winner)]


def latency_ratios(capacities: Sequence[Capacity], quantile: str) -> Pairs:
    """Return the ratios at the rates that both carried within the objective."""
    first, second = (carried(capacity, quantile) for capacity in capacities)
    return [(rate, first[rate] / second[rate]) for rate in sorted(first.keys() & second.keys())]


def cost_ratios(found: Crossover) -> Pairs:
    """Return the ratios of CPU an image, by callers."""
    costs = sorted(found.costs, key=lambda cost: cost.concurrency)
    return [(float(cost.concurrency), cost.sequential_cpu_seconds / cost.parallel_cpu_seconds) for cost in costs]


def between(low: float, high: float) -> str:
    """Return a range, or one number where the two look alike."""
    ends = number(low), number(high)
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
