"""What is tried again, how often, and how many of these there may be at a time."""

from gateway.proxy.document import Json, extension, percent, seconds
from gateway.proxy.limits import Limits

# All RPCs are computations without effects, so whatever ended before the first byte of a reply may be computed again.
RETRY_ON = ("unavailable", "cancelled", "connect-failure", "refused-stream", "reset", "reset-before-request")

_HOST_ATTEMPTS = 5
"""Picks of a replica before one that was tried already is taken after all."""


def retry_policy(limits: Limits) -> Json:
    """Return an envoy.config.route.v3.RetryPolicy: elsewhere if there is an elsewhere, and only before the first byte.

    "cancelled" is what a grpc server answers when its process is being stopped; a client's own cancellation ends the
    request and everything that belongs to it.
    """
    return {
        "retry_on": ",".join(RETRY_ON),
        "num_retries": limits.retries,
        "retry_back_off": {
            "base_interval": seconds(limits.retry_backoff),
            "max_interval": seconds(10 * limits.retry_backoff),
        },
        "retry_host_predicate": [
            extension(
                "envoy.retry_host_predicates.previous_hosts",
                "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            )
        ],
        "host_selection_retry_max_attempts": _HOST_ATTEMPTS,
    }


def circuit_breakers(max_in_flight: int, limits: Limits) -> Json:
    """Return an envoy.config.cluster.v3.CircuitBreakers: requests in flight and further tries are bounded."""
    return {
        "thresholds": [
            {
                "max_requests": max_in_flight,
                "max_pending_requests": max_in_flight,
                "retry_budget": {
                    "budget_percent": percent(limits.retry_budget_percent),
                    "min_retry_concurrency": limits.retry_min,
                },
            }
        ]
    }
