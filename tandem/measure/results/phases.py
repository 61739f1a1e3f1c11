"""Where the time of requests went."""

from tandem.measure.results.value import Part
from tandem.phases import BACKEND_PHASES

# Where a request's time went, in the order of its life. `lateness` is the generator's own: from the intended start to
# the actual one. `queue` begins with the arrival at the gateway's proxy, or at a backend that is asked alone.
# `backend_other` is what the backend spent outside its phases, `residual` what it does not account for: the proxy's
# own work, the network, and the client itself.
PHASES = ("lateness", *BACKEND_PHASES, "backend_other", "residual")


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
