"""What the gateway says of its replicas is what Envoy said last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from gateway.figures.replicas import Replicas
from gateway.proxy.admin import Admin, Counters, ProxiedReplica

TARGETS = {"sequential": ["ar:50051", "127.0.0.1:1"], "parallel": []}
FIRST = ProxiedReplica("sequential", "10.0.0.1:50051", "ar", True, 3)
SECOND = ProxiedReplica("sequential", "127.0.0.1:1", "", False, 1)


class Told(Admin):
    """Envoy's administration, which says what a test chooses."""

    def __init__(self, *replicas: ProxiedReplica, dropped: int = 0) -> None:
        self._replicas, self._dropped = list(replicas), dropped

    async def replicas(self) -> list[ProxiedReplica]:
        return self._replicas

    async def counters(self) -> Counters:
        return Counters(0, 0, self._dropped)


@pytest.fixture(autouse=True)
def _no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens at these addresses."""
    monkeypatch.setattr("gateway.figures.replicas.LIST_MODELS_SECONDS", 0.0)


async def told(*replicas: ProxiedReplica, dropped: int = 0) -> tuple[Replicas, CollectorRegistry]:
    registry = CollectorRegistry()
    known = Replicas(TARGETS)
    registry.register(known)
    await known.poll(Told(*replicas, dropped=dropped))
    return known, registry


async def test_state_and_load_are_exported_by_replica_and_by_paradigm() -> None:
    _, registry = await told(FIRST, SECOND, dropped=7)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    for replica in (FIRST, SECOND):
        labels = {"paradigm": "sequential", "target": replica.address}
        assert value("tandem_replica_serving", **labels) == replica.is_serving
        assert value("tandem_replica_requests_in_flight", **labels) == replica.num_active
    assert value("tandem_requests_in_flight", paradigm="sequential") == 4
    assert value("tandem_requests_in_flight", paradigm="parallel") == 0
    assert value("tandem_log_entries_dropped_total") == 7


async def test_a_name_without_an_address_serves_nothing() -> None:
    known, registry = await told(SECOND)
    assert registry.get_sample_value("tandem_replica_serving", {"paradigm": "sequential", "target": "ar:50051"}) == 0
    assert known.problem("sequential") == (
        "sequential backend is not ready at 127.0.0.1:1; sequential backend has no address at ar:50051"
    )


async def test_the_count_of_dropped_entries_never_falls() -> None:
    known, registry = await told(dropped=5)
    await known.poll(Told())
    assert registry.get_sample_value("tandem_log_entries_dropped_total", {}) == 5


class Herald:
    """A replica with which others come, as they do while a thread reads figures."""

    def __init__(self, known: dict[Any, Any]) -> None:
        self._known = known
        self.models: list[Any] = []

    @property
    def state(self) -> ProxiedReplica:
        self._known[len(self._known)] = self
        return FIRST


@pytest.mark.parametrize(
    "read",
    [
        lambda known: known.of("sequential"),
        lambda known: known.models("sequential"),
        lambda known: known.fingerprints("sequential", "m"),
        lambda known: known.at("10.0.0.9:1"),
        lambda known: list(known.collect()),
    ],
)
def test_replicas_may_come_while_figures_are_read(read: Callable[[Replicas], object]) -> None:
    known = Replicas(TARGETS)
    known._known.update({("sequential", "10.0.0.1:50051"): cast(Any, Herald(known._known))})
    read(known)
    assert len(known._known) > 1
