"""What the gateway says of its replicas is what Envoy said last."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from gateway.figures.replicas import Replicas
from gateway.proxy.admin import Counters, ProxiedReplica

TARGETS = {"sequential": ["ar:50051", "127.0.0.1:1"], "parallel": []}
FIRST = ProxiedReplica("sequential", "10.0.0.1:50051", "ar", True, 3)
SECOND = ProxiedReplica("sequential", "127.0.0.1:1", "", False, 1)


def told(*replicas: ProxiedReplica, dropped: int = 0) -> tuple[Replicas, CollectorRegistry]:
    registry = CollectorRegistry()
    known = Replicas(TARGETS)
    registry.register(known)
    known.update(replicas, Counters(0, 0, dropped))
    return known, registry


def test_state_and_load_are_exported_by_replica_and_by_paradigm() -> None:
    _, registry = told(FIRST, SECOND, dropped=7)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    for replica in (FIRST, SECOND):
        labels = {"paradigm": "sequential", "target": replica.address}
        assert value("tandem_replica_serving", **labels) == replica.is_serving
        assert value("tandem_replica_requests_in_flight", **labels) == replica.num_active
    assert value("tandem_requests_in_flight", paradigm="sequential") == 4
    assert value("tandem_requests_in_flight", paradigm="parallel") == 0
    assert value("tandem_log_entries_dropped_total") == 7


def test_a_name_without_an_address_serves_nothing() -> None:
    known, registry = told(SECOND)
    assert registry.get_sample_value("tandem_replica_serving", {"paradigm": "sequential", "target": "ar:50051"}) == 0
    assert known.problem("sequential") == (
        "sequential backend is not ready at 127.0.0.1:1; sequential backend has no address at ar:50051"
    )


def test_a_name_that_envoy_gives_with_its_port_is_found() -> None:
    known, _ = told(ProxiedReplica("sequential", "10.0.0.1:50051", "ar:50051", True, 0))
    assert known.unresolved("sequential") == []


def test_nothing_is_known_before_envoy_has_told() -> None:
    known = Replicas({"sequential": ["127.0.0.1:1"], "parallel": []})
    assert (known.is_serving("sequential"), known.is_configured("sequential")) == (False, True)
    assert known.problem("sequential") == "sequential backend is not ready"
    assert (known.is_configured("parallel"), known.problem("parallel")) == (
        False,
        "parallel backend is not configured",
    )


@pytest.mark.parametrize(("replicas", "serves"), [((FIRST, SECOND), True), ((SECOND,), False), ((), False)])
def test_one_replica_is_enough(replicas: tuple[ProxiedReplica, ...], serves: bool) -> None:
    assert told(*replicas)[0].is_serving("sequential") is serves


def test_the_count_of_dropped_entries_never_falls() -> None:
    known, registry = told(dropped=5)
    known.update((), Counters(0, 0, 0))
    assert registry.get_sample_value("tandem_log_entries_dropped_total", {}) == 5
