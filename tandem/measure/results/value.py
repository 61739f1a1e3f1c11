"""What all parts of documents have in common; the one form of a measured value with its uncertainty; how the values of
many requests are spread, and where their time went.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from tandem.shared.metrics import BACKEND_PHASES

Method = Literal["bca", "percentile", "range", "t"]


class Part(BaseModel):
    """A part of a document, or a whole one: it does not change, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Value(Part):
    """`low` and `high` are the ends of what `method` says, of `count` values, rounds or resamples.

    "bca", "percentile": a confidence interval by bootstrap. "t": one by Student's t.
    "range": the least and the greatest value, where there are too few for an interval. None: not even that can be said,
    as of a p99 of too few requests. No number is NaN or infinite: JSON has neither, and what is written could not be
    read.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    value: float
    low: float | None = None
    high: float | None = None
    method: Method | None = None
    count: int


class Repeated(Value):
    """A value, and that of each round in their order, so that a drift shows; none where a round is too short."""

    of_rounds: tuple[float, ...]


# Where a request's time went, in the order of its life. `lateness` is the generator's own: from the intended start to
# the actual one. `queue` begins with the arrival at the gateway's proxy, or at a backend that is asked alone.
# `backend_other` is what the backend spent outside its phases, `outside` all that is not the backend: the proxy's
# own work, the network, and the client itself.
PHASES = ("lateness", *BACKEND_PHASES, "backend_other", "outside")


class Summary(Part):
    """A measured quantity. A quantile is a value that occurred (nearest rank); None when too few values can show it,
    less than one beyond it. All None when there is no value.
    """

    count: int
    mean: float | None
    std: float | None
    min: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    p999: float | None
    max: float | None


class Histogram(Part):
    """`counts[i]` values lie in (bounds[i - 1], bounds[i]]; the last count is of those above all bounds.

    The bounds are those of the servers' own histograms (runtime.metrics.SECONDS_BUCKETS), but here counts do not add up
    from bucket to bucket.
    """

    bounds_seconds: tuple[float, ...]
    counts: tuple[int, ...]
    sum_seconds: float


class Distribution(Part):
    """The same values of a duration in both forms."""

    seconds: Summary
    histogram: Histogram


class Phase(Part):
    """`mean_seconds` of all phases sum to `Phases.latency_mean_seconds`, `around_p50_seconds` likewise; medians do not
    sum, as medians do.
    """

    mean_seconds: float
    median_seconds: float
    around_p50_seconds: float


class Phases(Part):
    """Where the time went, of `count` requests that ended well and told it. Keys of `parts` are PHASES, in that order,
    without those that the paradigm does not have.

    `around_p50_seconds` are means over the middle tenth of the requests by latency (45 to 55 %): what the median
    request is made of.
    """

    count: int
    latency_mean_seconds: float
    latency_around_p50_seconds: float
    parts: dict[str, Phase]
