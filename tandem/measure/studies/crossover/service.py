"""The fitted service of one paradigm: its curves, and what they predict for a load. Knows no server and no file.

sequential: t(L, b) = t0 + L * t_step(b); parallel: t(b) = t0 + t_batch(b). Three fits: the unit (a step, or a pass)
over the batch, as the backend told both; t0 over the requests in flight, that is all the rest that the client waited:
queue, encoding, gateway, wire, client; and the whole over the requests in flight.

Predictions rest on the whole, since what fills up first need not be the model: on a CPU, calls and copies of one-image
requests take turns on the same cores as the passes. So a service is a flow-equivalent server (Chandy, Herzog and Woo,
Parametric analysis of queuing networks, 1975): whatever goes on inside, b requests in flight come out at b / whole(b) a
second, and all of them go on alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tandem.measure.scenario import Paradigm
from tandem.measure.statistics.curve import Curve, fit_curve, fit_shape
from tandem.measure.statistics.quantiles import nearest_rank
from tandem.measure.statistics.queueing import simulate, unit_poisson
from tandem.measure.studies.crossover.observations import Observations

NUM_ARRIVALS = 10_000
WARM_UP_SHARE = 0.1
QUANTILE = 0.99
_NUM_BISECTIONS = 12
_NUM_PARTS = 50  # in which a request is simulated; it can join after each
_SEED = 7


@dataclass(frozen=True)
class Service:
    """`num_steps`: L, 1 for parallel. `max_batch`: requests at a time at most."""

    paradigm: Paradigm
    num_steps: int
    max_batch: int
    unit: Curve
    rest: Curve
    whole: Curve

    @cached_property
    def most_per_second(self) -> float:
        """Requests a second with as many at a time as helps."""
        return max(batch / self.whole(batch) for batch in range(1, self.max_batch + 1))

    def latencies(self, arrivals: Sequence[float]) -> NDArray[np.float64]:
        """Return the latency that each of these requests would see."""
        return simulate(arrivals, self.whole.scaled(1 / _NUM_PARTS), _NUM_PARTS, self.max_batch)

    def steady_latencies(self, rate_per_second: float) -> NDArray[np.float64]:
        """Return latencies under Poisson arrivals, the beginning left out."""
        arrivals = unit_poisson(NUM_ARRIVALS, _SEED) / rate_per_second
        return self.latencies(arrivals.tolist())[int(NUM_ARRIVALS * WARM_UP_SHARE) :]

    def capacity_per_second(self, slo_seconds: float) -> float:
        """Return the highest rate at which 99 of 100 requests meet the objective; 0 if none does.

        The same arrivals at every rate, so the quantile grows with the rate and bisection finds it. An overloaded queue
        grows without end, so whatever the objective, the rate that the server can carry bounds it.
        """
        low, high = 0.0, self.most_per_second
        for _ in range(_NUM_BISECTIONS):
            rate = (low + high) / 2
            is_met = nearest_rank(self.steady_latencies(rate), QUANTILE) <= slo_seconds
            low, high = (rate, high) if is_met else (low, rate)
        return low


def fit_service(paradigm: Paradigm, num_steps: int, max_batch: int, seen: Observations) -> Service:
    """Return the fit, shapes chosen by residuals. Raises ValueError if too little was measured."""
    unit, rest, whole = (fit_curve(each) for each in (seen.unit, seen.rest, seen.whole))
    return Service(paradigm, num_steps, max_batch, unit, rest, whole)


def bootstrap(service: Service, seen: Observations, num_draws: int, seed: int = 0) -> list[Service]:
    """Return fits of resampled observations, in the shapes, and with the knees, that `service` has."""
    random = np.random.default_rng(seed)
    return [_refit(service, seen.resampled(random)) for _ in range(num_draws)]


def _refit(service: Service, seen: Observations) -> Service:
    unit = fit_shape(seen.unit, service.unit.knee)
    rest = fit_shape(seen.rest, service.rest.knee)
    whole = fit_shape(seen.whole, service.whole.knee)
    return Service(service.paradigm, service.num_steps, service.max_batch, unit, rest, whole)
