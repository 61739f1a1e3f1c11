"""The fitted service of one paradigm: its curves. Knows no server and no file.

sequential: t(L, b) = t0 + L * t_step(b); parallel: t(b) = t0 + t_batch(b). Three fits: the unit (a step, or a pass)
over the batch, as the backend told both; t0 over the requests in flight, that is all the rest that the client waited:
queue, encoding, gateway, wire, client; and the whole over the requests in flight. A fit holds within what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tandem.measure.statistics.curve import Curve, Measured, fit_curve, fit_shape
from tandem.measure.studies.crossover.observations import Observations


@dataclass(frozen=True)
class Service:
    unit: Curve
    rest: Curve
    whole: Curve


def fit_service(seen: Observations) -> Service:
    """Return the fit, shapes chosen by residuals. Raises ValueError if too little was measured."""
    return Service(*(fit_curve(each) for each in _measured(seen)))


def bootstrap(service: Service, seen: Observations, num_draws: int) -> list[Service]:
    """Return fits of resampled observations, in the shapes, and with the knees, that `service` has."""
    random = np.random.default_rng(0)
    knees = (service.unit.knee, service.rest.knee, service.whole.knee)
    resampled = (_measured(seen.resampled(random)) for _ in range(num_draws))
    return [Service(*(fit_shape(each, knee) for each, knee in zip(drawn, knees, strict=True))) for drawn in resampled]


def _measured(seen: Observations) -> Sequence[Measured]:
    return seen.unit, seen.rest, seen.whole
