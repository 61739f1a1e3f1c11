"""What load runs say of a service: for each slice of each run, the mean of what was measured.

A slice is the requests that ended in a tenth of a run's time. Requests that rode in one batch saw the same step;
resampling them one by one would count them as so many witnesses, so slices are what is resampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from tandem.measure.results.record import Outcome, Record, Table
from tandem.measure.scenario import Paradigm
from tandem.measure.statistics.curve import Floats, Measured
from tandem.shared.errors import ExpectedError

NUM_SLICES = 10


@dataclass(frozen=True)
class Observations:
    """One row a slice. `run`: a number for each run. `in_flight`: requests under way, over the requests' lives.
    `batch`: the backend's word for the batch they rode in.

    unit_seconds: a decode step, or a pass. whole_seconds: what the client waited. rest_seconds: the whole without the
    units: without as many steps as tokens came out, or without the pass.
    """

    run: Floats
    in_flight: Floats
    batch: Floats
    unit_seconds: Floats
    whole_seconds: Floats
    rest_seconds: Floats
    length: Floats

    @property
    def measured(self) -> tuple[Measured, Measured, Measured]:
        """What the curves of the unit, of the rest and of the whole are fitted to."""
        return (
            Measured(self.batch, self.unit_seconds, self.unit_seconds),
            Measured(self.in_flight, self.rest_seconds, self.whole_seconds),
            Measured(self.in_flight, self.whole_seconds, self.whole_seconds),
        )

    def resampled(self, random: np.random.Generator) -> Observations:
        """Return as many slices of each run, drawn with replacement."""
        groups = [np.flatnonzero(self.run == run) for run in np.unique(self.run)]
        rows = np.concatenate([random.choice(group, len(group)) for group in groups])
        return Observations(*(getattr(self, field.name)[rows] for field in fields(self)))


def join(parts: Sequence[Observations]) -> Observations:
    """Return the slices of all runs."""
    names = [field.name for field in fields(Observations)]
    return Observations(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def observe(record: Record, paradigm: Paradigm, run: int, is_by_request: bool = False) -> Observations:
    """Return the slices of a run of one workload, its warm-up left out; or each request as a slice of its own, where
    their lengths differ. Raises ValueError if too little can be used.
    """
    rows = _usable(record.requests, paradigm)
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
    means = np.array([columns[:, places == place].mean(axis=1) for place in np.unique(places)])
    return Observations(np.full(len(means), float(run)), *means.T)


def _usable(rows: Table, paradigm: Paradigm) -> Table:
    usable = (rows["intended"] >= 0.0) & (rows["outcome"] == Outcome.OK) & ~np.isnan(rows["backend_total"])
    if paradigm == "sequential":
        usable &= rows["num_outputs"] >= 2  # a single token has no decode step
    return np.asarray(rows[usable])


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
