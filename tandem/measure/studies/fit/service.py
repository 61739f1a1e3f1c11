"""The fitted service of one paradigm: what load runs say of it, its curves, and what a document says of them. Knows no
server and no file.

sequential: t(L, b) = t0 + L * t_step(b); parallel: t(b) = t0 + t_batch(b). Three fits: the unit (a step, or a pass)
over the batch, as the backend told both; t0 over the requests in flight, that is all the rest that the client waited:
queue, encoding, gateway, wire, client; and the whole over the requests in flight. A fit holds within what was measured.

A slice is the requests that ended in a tenth of a run's time. Requests that rode in one batch saw the same step;
resampling them one by one would count them as so many witnesses, so slices are what is resampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tandem.measure.results.crossover import BreakEven, FitPoint, FittedCurve, Variable
from tandem.measure.results.record import Outcome, Record, Table
from tandem.measure.results.value import Value
from tandem.measure.scenario import Paradigm
from tandem.measure.statistics.curve import MAX_RELATIVE_RESIDUAL, Curve, Floats, Measured, fit_curve, fit_shape
from tandem.measure.statistics.intervals import of_draws
from tandem.shared.errors import ExpectedError

NUM_SLICES = 10


SLICE = np.dtype(
    [
        ("run", "f8"),  # a number for each run
        ("in_flight", "f8"),  # requests under way, over the requests' lives
        ("batch", "f8"),  # the backend's word for the batch they rode in
        ("unit_seconds", "f8"),  # a decode step, or a pass
        ("whole_seconds", "f8"),  # what the client waited
        ("rest_seconds", "f8"),  # without as many steps as tokens came out, or without the pass
        ("length", "f8"),
    ]
)


def targets_of(slices: Table) -> tuple[Measured, Measured, Measured]:
    """Return what the curves of the unit, of the rest and of the whole are fitted to."""
    batch, in_flight, whole = slices["batch"], slices["in_flight"], slices["whole_seconds"]
    unit, rest = slices["unit_seconds"], slices["rest_seconds"]
    return Measured(batch, unit, unit), Measured(in_flight, rest, whole), Measured(in_flight, whole, whole)


def resample(slices: Table, random: np.random.Generator) -> Table:
    """Return as many slices of each run, drawn with replacement."""
    groups = [np.flatnonzero(slices["run"] == run) for run in np.unique(slices["run"])]
    return np.asarray(slices[np.concatenate([random.choice(group, len(group)) for group in groups])])


def observe(record: Record, paradigm: Paradigm, run: int, is_by_request: bool = False) -> Table:
    """Return the slices of a run of one workload, its warm-up left out; or each request as a slice of its own, where
    their lengths differ. Raises ValueError if too little can be used.
    """
    usable = (record.requests["intended"] >= 0.0) & (record.requests["outcome"] == Outcome.OK)
    usable &= ~np.isnan(record.requests["backend_total"])
    if paradigm == "sequential":
        usable &= record.requests["num_outputs"] >= 2  # a single token has no decode step
    rows = np.asarray(record.requests[usable])
    if len(rows) < 2:
        what = "requests, of two outputs or more," if paradigm == "sequential" else "requests"
        raise ExpectedError(
            f"{paradigm}: {len(rows)} {what} ended well in a run, with the backend's timings; at least 2 are needed:"
            " measure longer"
        )
    length = rows["num_outputs"].astype(np.float64)
    whole = rows["ended"] - rows["sent"]
    unit = rows["decode"] / np.maximum(length - 1, 1) if paradigm == "sequential" else rows["compute"]
    rest = whole - unit * (length if paradigm == "sequential" else 1.0)
    columns = np.stack((in_flight(record.requests, rows), rows["batch_size"], unit, whole, rest, length))
    ended = rows["ended"]
    edges = np.linspace(np.min(ended), np.max(ended), NUM_SLICES + 1)[1:-1]
    places = np.searchsorted(edges, ended, side="right")
    if is_by_request:
        places = np.arange(len(rows))
    means = [columns[:, places == place].mean(axis=1) for place in np.unique(places)]
    return np.array([(run, *mean) for mean in means], SLICE)


def in_flight(everyone: Table, rows: Table) -> Floats:
    """Return how many of `everyone` were under way, on average over the life of each of `rows`, itself included."""
    instants = np.concatenate((everyone["sent"], everyone["ended"]))
    steps = np.concatenate((np.ones(len(everyone)), -np.ones(len(everyone))))
    order = np.argsort(instants, kind="stable")
    instants, counts = instants[order], np.cumsum(steps[order])
    # The integral of the number under way, which is straight between two instants.
    area = np.concatenate(([0.0], np.cumsum(counts[:-1] * np.diff(instants))))
    lives = np.maximum(rows["ended"] - rows["sent"], 1e-12)
    area_of_life = np.interp(rows["ended"], instants, area) - np.interp(rows["sent"], instants, area)
    return np.asarray(np.maximum(1.0, area_of_life / lives))


NUM_DRAWS = 200
SLICES_A_POINT = 4
_X: tuple[Variable, ...] = ("batch", "in flight", "in flight")


class Service(NamedTuple):
    unit: Curve
    rest: Curve
    whole: Curve


@dataclass(frozen=True)
class Fit:
    """A service, fitted to observations, and to NUM_DRAWS bootstrap draws of them."""

    rows: Table
    service: Service
    draws: Sequence[Service]

    def curves(self) -> dict[str, FittedCurve]:
        """Return the curves with their intervals and residuals, by the names that Service gives them."""
        parts = zip(self.service, zip(*self.draws, strict=True), _X, targets_of(self.rows), strict=True)
        return {name: fitted_curve(*part) for name, part in zip(Service._fields, parts, strict=True)}


def fit_service(rows: Table) -> Fit:
    """Return the fit, shapes chosen by residuals; draws are fitted in the same shapes, with the same knees.

    Raises ValueError if too little was measured.
    """
    service, random = Service(*map(fit_curve, targets_of(rows))), np.random.default_rng(0)
    resampled = (targets_of(resample(rows, random)) for _ in range(NUM_DRAWS))
    knees = [curve.knee for curve in service]
    return Fit(rows, service, [Service(*map(fit_shape, drawn, knees)) for drawn in resampled])


def break_even(sequential: Fit, parallel: Fit) -> tuple[BreakEven, ...]:
    """Return how many steps the sequential model could take in the time that the parallel one takes for all of it: for
    a lone request, and for the most in flight with which both were measured; beyond, the curves would be extrapolated.
    """
    both = (sequential, parallel)
    most = int(min(*(np.max(fit.rows["in_flight"]) for fit in both), np.max(sequential.rows["batch"])))

    def steps(first: Service, second: Service, number: int) -> float:
        return (second.whole(number) - first.rest(number)) / first.unit(number)

    def value(number: int) -> Value:
        draws = [steps(*pair, number) for pair in zip(sequential.draws, parallel.draws, strict=True)]
        return of_draws(steps(sequential.service, parallel.service, number), draws)

    return tuple(BreakEven(num_in_flight=number, num_steps=value(number)) for number in dict.fromkeys((1, most)))


def fitted_curve(curve: Curve, drawn: Sequence[Curve], x: Variable, measured: Measured) -> FittedCurve:
    points = _points(curve, measured)
    worst = max(abs(point.relative_residual) for point in points)
    has_knee = curve.shape == "knee"

    def value(parameter: str) -> Value:
        return of_draws(getattr(curve, parameter), [getattr(draw, parameter) for draw in drawn])

    return FittedCurve(
        x=x,
        shape=curve.shape,
        base_seconds=value("base_seconds"),
        slope_seconds=value("slope_seconds"),
        knee=curve.knee if has_knee else None,
        slope_after_seconds=value("slope_after_seconds") if has_knee else None,
        points=points,
        relative_rms=float(np.sqrt(np.mean(measured.residuals(curve) ** 2))),
        worst_relative_residual=worst,
        is_good=worst <= MAX_RELATIVE_RESIDUAL,
    )


def _points(curve: Curve, measured: Measured) -> tuple[FitPoint, ...]:
    """Return means over some slices each, neighbours by x: so that a point is no single slice's noise."""
    x = measured.x
    fitted = np.array([curve(one) for one in x])
    parts = np.array_split(np.argsort(x, kind="stable"), max(2, len(x) // SLICES_A_POINT))
    return tuple(
        FitPoint(
            x=float(np.mean(x[part])),
            measured_seconds=float(np.mean(measured.seconds[part])),
            fitted_seconds=float(np.mean(fitted[part])),
            relative_residual=float(np.mean((fitted - measured.seconds)[part]) / np.mean(measured.scale[part])),
        )
        for part in parts
    )
