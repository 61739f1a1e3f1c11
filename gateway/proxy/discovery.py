"""How Envoy learns which replicas there are: addresses stay, names are looked up again and again."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.proxy.document import Json, extension, seconds
from gateway.proxy.endpoints import Endpoint
from gateway.proxy.limits import Limits


def discovery(endpoints: Iterable[Endpoint], limits: Limits, resolver: Endpoint | None) -> Json:
    """Return a cluster's fields that say so; `resolver` stands in for the machine's own DNS servers."""
    if all(endpoint.is_address for endpoint in endpoints):
        return {"type": "STATIC"}
    again = seconds(limits.dns_interval)
    return {
        "cluster_type": extension(
            "envoy.clusters.dns",
            "extensions.clusters.dns.v3.DnsCluster",
            dns_refresh_rate=again,
            # A name that is not known yet, or a server that does not answer; what was known still holds.
            dns_failure_refresh_rate={"base_interval": again, "max_interval": again},
            # Of one family, so that a replica with an address of each counts once.
            dns_lookup_family="V4_PREFERRED",
            typed_dns_resolver_config=_resolver(limits, resolver),
        )
    }


def _resolver(limits: Limits, resolver: Endpoint | None) -> Json:
    own = {"resolvers": [resolver.address()]} if resolver else {}
    return extension(
        "envoy.network.dns_resolver.cares",
        "extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
        query_timeout_seconds=limits.dns_timeout,
        query_tries=limits.dns_tries,
        **own,
    )
