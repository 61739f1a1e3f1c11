"""Both fitted services next to each other: where they break even, and what each costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tandem.measure.results.comparison import Comparison, Point
from tandem.measure.results.crossover import BreakEven, Cost
from tandem.measure.statistics.intervals import of_draws
from tandem.measure.studies.crossover.service import Service


@dataclass(frozen=True)
class Pair:
    """Both services, with as many bootstrap draws of each. `most_in_flight`: with which both were measured."""

    sequential: Service
    parallel: Service
    sequential_draws: Sequence[Service]
    parallel_draws: Sequence[Service]
    most_in_flight: int

    def break_even(self) -> tuple[BreakEven, ...]:
        """Return it for a lone request, and for the most in flight: beyond, the curves would be extrapolated."""
        return tuple(self._break_even_at(number) for number in dict.fromkeys((1, self.most_in_flight)))

    def _break_even_at(self, number: int) -> BreakEven:
        pairs = zip(self.sequential_draws, self.parallel_draws, strict=True)
        draws = [break_even_steps(first, second, number) for first, second in pairs]
        value = break_even_steps(self.sequential, self.parallel, number)
        return BreakEven(num_in_flight=number, num_steps=of_draws(value, draws))


def break_even_steps(sequential: Service, parallel: Service, num_in_flight: int) -> float:
    """Return the steps that the sequential model could take in the time that the parallel one takes for all of it."""
    return (parallel.whole(num_in_flight) - sequential.rest(num_in_flight)) / sequential.unit(num_in_flight)


def costs(comparison: Comparison | None) -> tuple[Cost, ...]:
    """Return what an image costs by unary calls, at the loads at which that is known of both models."""
    if comparison is None:
        return ()
    known = {each.paradigm: _costs(each.curve) for each in comparison.modes if each.delivery == "unary"}
    first, second = known.get("sequential", {}), known.get("parallel", {})
    return tuple(
        Cost(concurrency=each, sequential_cpu_seconds=first[each], parallel_cpu_seconds=second[each])
        for each in sorted(first.keys() & second.keys())
    )


def _costs(curve: Sequence[Point]) -> dict[int, float]:
    """Return the servers' CPU seconds an image, by callers, where they are known."""
    return {
        point.concurrency: point.cpu_seconds_per_image.servers.value
        for point in curve
        if point.cpu_seconds_per_image.servers is not None
    }
