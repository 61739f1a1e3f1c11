"""The result of a fit: what was measured and what was fitted, each called so."""

from typing import Literal

from pydantic import Field

from tandem.measure.results.comparison import Contrast
from tandem.measure.results.header import Header
from tandem.measure.results.value import Part, Value
from tandem.measure.scenario import Delivery, Paradigm, Seconds

Shape = Literal["affine", "knee"]
"""Of a service curve."""
Variable = Literal["batch", "in flight", "rows"]


class Settings(Part):
    """What was asked for. concurrency: callers of the closed loop that finds the most that comes out. climb_seconds: of
    an open loop whose rate climbs to that. num_trials: open loops at steady rates that look for the capacity of each
    model; trial_seconds: of each of them, or up to four times as long where that is too short for 300 requests.
    """

    delivery: Delivery = "unary"
    concurrency: int = Field(64, ge=2, le=1024)
    climb_seconds: Seconds = 6.0
    num_rounds: int = Field(2, ge=1)
    slo_seconds: Seconds = 0.25
    num_trials: int = Field(5, ge=1)
    trial_seconds: Seconds = 5.0
    text_model: str = ""
    seed: int = Field(0, ge=0, lt=2**62)


class FitPoint(Part):
    """Means over some slices, neighbours by `x`, of x, of what was measured and of the fit. The residual, fit -
    measured, is relative to what was measured; of t0, which may be near 0, to the whole that the client waited.
    """

    x: float
    measured_seconds: float
    fitted_seconds: float
    relative_residual: float


class FittedCurve(Part):
    """base + slope x, or with a knee at which the slope changes. `x`: "batch", sequences a step or images a pass as the
    backend told, "rows" of them a step, or requests "in flight".

    `is_good`: no point is far off. Fits hold within the x of `points`.
    """

    x: Variable
    shape: Shape
    base_seconds: Value
    slope_seconds: Value
    knee: float | None
    slope_after_seconds: Value | None
    points: tuple[FitPoint, ...]
    relative_rms: float  # of the slices' residuals
    worst_relative_residual: float  # of the points' residuals, by size
    is_good: bool


class FittedService(Part):
    """A paradigm. sequential: t(L, b) = t0 + L * t_step(b); parallel: t(b) = t0 + t_batch(b).

    unit: t_step(b) or t_batch(b), by the backend's word. rest: t0, all else that the client waited. whole: t, what the
    client waited. num_steps: L, of what was measured. most_per_second: requests, that came out of a closed loop.
    """

    paradigm: Paradigm
    model: str
    num_steps: float
    unit: FittedCurve
    rest: FittedCurve
    whole: FittedCurve
    most_per_second: float


class TextLength(Part):
    """Texts of one length: measured, and as t0 + L * t_step(b) has it."""

    length: float
    num_requests: int
    measured_seconds: float
    fitted_seconds: float
    relative_residual: float


class TextIllustration(Part):
    """A language model, whose length is free: the same formula; another workload than an image, so no contest."""

    model: str
    unit: FittedCurve
    rest: FittedCurve
    lengths: tuple[TextLength, ...]


class Trial(Part):
    """An open loop at a steady rate. `valid`: the generator's audit. A rate beyond capacity is there on purpose: the
    queue grows while the run lasts.
    """

    rate_per_second: float
    seconds: float
    num_requests: int
    num_failed: int
    p50_seconds: float | None
    p99_seconds: float | None
    share_within_slo: float | None
    valid: bool
    problems: tuple[str, ...]


class Capacity(Part):
    """The highest rate at which p99 stays within the objective: a 95 % interval for arrivals at random in the long run.

    Up to `low` all trials met the objective, less what a trial of this length cannot see; from `high` on all missed it.
    None: there was no such trial.
    """

    paradigm: Paradigm
    model: str
    slo_seconds: float
    low_per_second: float | None
    high_per_second: float | None
    trials: tuple[Trial, ...]


class BreakEven(Part):
    """num_steps: as many as the sequential model could take while the parallel one does all of its work, with so many
    requests in flight, no more than both were measured with; below 1: not one.
    """

    num_in_flight: int
    num_steps: Value


class Crossover(Header):
    """One fit. `costs`: CPU seconds of the servers an image, as a comparison has measured them in unary calls. `runs`:
    files of the load runs behind it, beside this one.
    """

    kind: Literal["crossover"] = "crossover"
    settings: Settings
    services: tuple[FittedService, ...]  # sequential, parallel
    capacities: tuple[Capacity, ...]  # sequential, parallel
    break_even: tuple[BreakEven, ...]
    costs: tuple[Contrast, ...]  # by concurrency; empty where none are known
    text: TextIllustration | None
    runs: tuple[str, ...]
