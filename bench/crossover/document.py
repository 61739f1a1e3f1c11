"""The result of a fit: one JSON document, complete in itself, with the version of its schema.

What is read here was measured, fitted or predicted, and says which; nothing is computed in this file. Only additions
keep `SCHEMA_VERSION`.
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bench.crossover.curve import Shape
from bench.load.document import Machine, ServedModel, read_result
from bench.load.scenario import Delivery, Paradigm, Seconds

SCHEMA_VERSION: Literal[1] = 1

Question = Literal["p50", "p99", "throughput", "capacity", "batch", "length", "cost", "text"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Settings(_Part):
    """What was asked for. concurrency: callers of the closed loop that finds the most that comes out; predictions let
    so many in at a time. climb_seconds: of an open loop whose rate climbs to that. check_shares: of the predicted
    capacity, the rates of the held-out runs of `check_seconds`.
    """

    delivery: Delivery = "unary"
    concurrency: int = Field(64, ge=2, le=1024)
    climb_seconds: Seconds = 6.0
    num_rounds: int = Field(2, ge=1)
    slo_seconds: Seconds = 0.25
    check_shares: tuple[Annotated[float, Field(gt=0, le=3)], ...] = Field((0.5, 0.7, 0.85, 1.0, 1.15), min_length=1)
    check_seconds: Seconds = 5.0
    text_model: str = ""
    seed: int = Field(0, ge=0, lt=2**62)

    @field_validator("check_shares", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """Accept the written form, with commas between."""
        return value.split(",") if isinstance(value, str) else value


class Interval(_Part):
    """A value and its 95 % interval by bootstrap over slices of the runs."""

    value: float
    low: float
    high: float


class FitPoint(_Part):
    """Means over some slices, neighbours by `x`, of x, of what was measured and of the fit. The residual, fit -
    measured, is relative to what was measured; of t0, which may be near 0, to the whole that the client waited.
    """

    x: float
    measured_seconds: float
    fitted_seconds: float
    relative_residual: float


class FittedCurve(_Part):
    """base + slope x, or with a knee at which the slope changes. `x`: "batch", sequences a step or images a pass as the
    backend told, or requests "in flight".

    `verdict`: whether the fit is good, in words. Fits hold within the x of `points`.
    """

    x: Literal["batch", "in flight"]
    shape: Shape
    base_seconds: Interval
    slope_seconds: Interval
    knee: float | None
    slope_after_seconds: Interval | None
    points: tuple[FitPoint, ...]
    relative_rms: float  # of the slices' residuals
    worst_relative_residual: float  # of the points' residuals, by size
    is_good: bool
    verdict: str


class FittedService(_Part):
    """A paradigm. sequential: t(L, b) = t0 + L * t_step(b); parallel: t(b) = t0 + t_batch(b).

    unit: t_step(b) or t_batch(b), by the backend's word. rest: t0, all else that the client waited. whole: t, what the
    client waited. num_steps: L, of what was measured.
    """

    paradigm: Paradigm
    model: str
    num_steps: float
    unit: FittedCurve
    rest: FittedCurve
    whole: FittedCurve


class TextLength(_Part):
    """Texts of one length: measured, and as t0 + L * t_step(b) has it."""

    length: float
    num_requests: int
    measured_seconds: float
    fitted_seconds: float
    relative_residual: float


class TextIllustration(_Part):
    """A language model, whose length is free: the same formula; other work than an image, so no contest."""

    model: str
    unit: FittedCurve
    rest: FittedCurve
    lengths: tuple[TextLength, ...]


class Predicted(_Part):
    """Latency at one rate, by simulation; intervals are those of the fit alone."""

    rate_per_second: float
    sequential_p50_seconds: float | None  # None beyond what the paradigm can carry
    sequential_p99_seconds: float | None
    parallel_p50_seconds: float | None
    parallel_p99_seconds: float | None


class HeldOut(_Part):
    """An open-loop run that the fit has not seen, and what was predicted for its very arrivals.

    `valid`: the generator's audit. A rate beyond capacity is there on purpose: the queue grows while the run lasts.
    """

    rate_per_second: float
    seconds: float
    num_requests: int
    num_failed: int
    predicted_p50_seconds: float
    measured_p50_seconds: float | None
    predicted_p99_seconds: float
    measured_p99_seconds: float | None
    predicted_share_within_slo: float
    measured_share_within_slo: float | None
    valid: bool
    note: str


class Capacity(_Part):
    """Highest rate at which p99 stays within the objective.

    It was measured to lie between the highest held-out rate up to which all met the objective, and the lowest one that
    missed it; None where there is none. error: how far the prediction lies outside, relative to the nearer end; 0
    inside.
    """

    paradigm: Paradigm
    slo_seconds: float
    predicted_per_second: Interval
    measured_low_per_second: float | None
    measured_high_per_second: float | None
    error: float | None
    held_out: tuple[HeldOut, ...]
    verdict: str


class Answer(_Part):
    """One question and its answer in a plain sentence."""

    question: Question
    asked: str
    text: str


class Crossover(_Part):
    """One fit. `is_partial`: it was broken off; `problems` says what is wrong, `caveats` what a reader has to know.
    `runs`: files of the load runs behind it, beside this one.
    """

    kind: Literal["crossover"] = "crossover"
    schema_version: Literal[1] = SCHEMA_VERSION
    tool_version: str
    address: str
    is_local: bool
    is_partial: bool
    problems: tuple[str, ...]
    caveats: tuple[str, ...]
    started_at: datetime
    machine: Machine
    models: tuple[ServedModel, ...]
    settings: Settings
    method: tuple[str, ...]
    services: tuple[FittedService, ...]  # sequential, parallel
    predictions: tuple[Predicted, ...]
    capacities: tuple[Capacity, ...]
    text: TextIllustration | None
    answers: tuple[Answer, ...]
    runs: tuple[str, ...]


def read_crossover(path: Path) -> Crossover:
    """Return the crossover in a file. Raises OSError, and ValueError for anything that is no such document."""
    return read_result(path, Crossover, "tandem bench fit", SCHEMA_VERSION)
