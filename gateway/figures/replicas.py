"""The replicas that there are, as Envoy told when it was last asked, and what it has under way."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.proxy.admin import Counters, ProxiedReplica
from gateway.proxy.endpoints import Endpoint


class Replicas(Collector):
    """`targets` (host:port each) by paradigm are those that are configured; a name stands for all its addresses."""

    def __init__(self, targets: Mapping[str, Sequence[str]]) -> None:
        self._targets = targets
        self._replicas: tuple[ProxiedReplica, ...] = ()
        self._num_dropped = 0

    @property
    def paradigms(self) -> Sequence[str]:
        return tuple(self._targets)

    @property
    def all(self) -> Sequence[ProxiedReplica]:
        return self._replicas

    def update(self, replicas: Sequence[ProxiedReplica], counters: Counters) -> None:
        """Take what Envoy says now."""
        self._replicas = tuple(replicas)
        self._num_dropped = max(self._num_dropped, counters.log_entries_dropped)

    def of(self, paradigm: str) -> list[ProxiedReplica]:
        """Return the replicas of a paradigm."""
        return [each for each in self._replicas if each.paradigm == paradigm]

    def is_configured(self, paradigm: str) -> bool:
        return bool(self._targets[paradigm])

    def is_serving(self, paradigm: str) -> bool:
        return any(each.is_serving for each in self.of(paradigm))

    def in_flight(self, paradigm: str) -> int:
        """Return how many requests of a paradigm are with its replicas."""
        return sum(each.num_active for each in self.of(paradigm))

    def unresolved(self, paradigm: str) -> list[str]:
        """Return the targets whose names have no address."""
        found = {each.name for each in self.of(paradigm)}
        return [target for target in self._targets[paradigm] if not _is_found(Endpoint.parse(target), found)]

    def problem(self, paradigm: str) -> str:
        """Return why a paradigm is not served."""
        backend = f"{paradigm} backend"
        if not self.is_configured(paradigm):
            return f"{backend} is not configured"
        states = [f"{backend} is not ready at {each.address}" for each in self.of(paradigm) if not each.is_serving]
        unresolved = [f"{backend} has no address at {each}" for each in self.unresolved(paradigm)]
        return "; ".join((*states, *unresolved)) or f"{backend} is not ready"

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Yield their state and load; a name without an address serves nothing."""
        serving = _by_target("tandem_replica_serving", "1 for a replica that takes requests, else 0.")
        in_hand = _by_target("tandem_replica_requests_in_flight", "Requests that a replica has in hand.")
        in_flight = GaugeMetricFamily(
            "tandem_requests_in_flight", "Requests that are with a backend, as of the last second.", labels=["paradigm"]
        )
        for paradigm in self._targets:
            in_flight.add_metric([paradigm], self.in_flight(paradigm))
            # By address: two names for one replica are still one series.
            for address, replica in {each.address: each for each in self.of(paradigm)}.items():
                serving.add_metric([paradigm, address], replica.is_serving)
                in_hand.add_metric([paradigm, address], replica.num_active)
            for target in self.unresolved(paradigm):
                serving.add_metric([paradigm, target], 0)
        yield from (serving, in_hand, in_flight, self._dropped())

    def _dropped(self) -> CounterMetricFamily:
        text = "Requests that ended and are in no other count, because the proxy could not tell of them in time."
        return CounterMetricFamily("tandem_log_entries_dropped", text, value=self._num_dropped)


def _by_target(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=["paradigm", "target"])


def _is_found(target: Endpoint, names: Collection[str]) -> bool:
    return target.is_address or target.host in names or f"{target.host}:{target.port}" in names
