"""What servers report of requests and the measuring side reads: phases, buckets, and where the metrics page is.

A phase is a part of a request's time inside a backend, as the contract names it: a field of Timings, in seconds.
"""

from tandem.common.v1 import timings_pb2

# 0.01 * 2^(n/8) s, 0.1 ms to 97 s: every eighth bound is one of OpenTelemetry's GenAI boundaries. Each is less than a
# tenth above the one before, so that any quantile that Prometheus finds in a bucket is within 10 % of the exact one.
_OCTAVE_EIGHTHS = tuple(float(f"{0.01 * 2 ** (n / 8):.4g}") for n in range(-53, 107))
_OBJECTIVES = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SECONDS_BUCKETS = tuple(sorted({*_OCTAVE_EIGHTHS, *_OBJECTIVES}))
"""Upper bounds, in seconds; requests within an objective can be counted only if it is one of them."""
METRICS_PORT_METADATA = "tandem-metrics-port"
"""Trailing metadata of a health check's reply: the port of the metrics page, at the host of the server."""

TIMINGS_FIELDS = tuple(field.name for field in timings_pb2.Timings.DESCRIPTOR.fields)

_SUFFIX = "_seconds"
_TOTAL = "total_seconds"

BACKEND_PHASES = tuple(
    name.removesuffix(_SUFFIX) for name in TIMINGS_FIELDS if name.endswith(_SUFFIX) and name != _TOTAL
)
"""In the order of a request's life; a paradigm has some of them."""

FIELD_OF_PHASE = tuple((name, f"{name}{_SUFFIX}") for name in BACKEND_PHASES)


def phase_seconds(timings: object) -> dict[str, float]:
    """Return the phases by name, of a message or anything else with its fields; those of no time are absent."""
    return {name: seconds for name, field in FIELD_OF_PHASE if (seconds := getattr(timings, field)) > 0.0}
