"""How the values of many requests are spread."""

from tandem.measure.results.value import Part


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
