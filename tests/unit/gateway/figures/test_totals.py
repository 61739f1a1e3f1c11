"""The page's numbers are the exported ones: same requests, same buckets, same outputs."""

import random
from collections import defaultdict

from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from gateway.figures.history import Series, totals_of
from gateway.figures.metrics import GatewayMetrics
from tandem.shared.metrics import SECONDS_BUCKETS
from tests.unit.gateway.figures.observations import ROUTES, observation


def test_totals_are_what_the_registry_exports() -> None:
    chance = random.Random(3)
    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry)
    for _ in range(500):
        route = chance.choice(list(ROUTES.values()))
        num_outputs = chance.randint(0, 3) if route.unit else 0
        seen = observation(
            route.rpc,
            transport=chance.choice(["grpc", "http"]),
            model=chance.choice(["a", "b"]),
            code=chance.choice(["OK", "OK", "CANCELLED", "UNAVAILABLE"]),
            # On a bound, beyond the last one, or anywhere.
            total_seconds=chance.choice([*SECONDS_BUCKETS, 200.0, chance.expovariate(2.0)]),
            num_outputs=num_outputs,
            num_images=min(num_outputs, 1) if route.rpc == "Generate" else 0,
        )
        metrics.record(seen)
    generating = {route.rpc for route in ROUTES.values() if route.unit is not None}

    samples: dict[str, list[Sample]] = defaultdict(list)
    for sample in (sample for family in registry.collect() for sample in family.samples):
        if sample.labels.get("rpc", "Sample") in generating:
            samples[sample.name + sample.labels.get("le", "")].append(sample)

    def exported(name: str, le: str = "", **wanted: str) -> float:
        return sum(each.value for each in samples[name + le] if wanted.items() <= each.labels.items())

    totals = totals_of(metrics)
    assert set(totals) == {Series(paradigm, model) for paradigm in ("sequential", "parallel") for model in "ab"}
    duration = "gen_ai_server_request_duration_seconds"
    for series, each in totals.items():
        labels = series._asdict()
        assert each.finished.num_observed == exported(f"{duration}_count", code="OK", **labels)
        for bound, count in zip(SECONDS_BUCKETS, each.finished.cumulative().values(), strict=False):
            assert count == exported(f"{duration}_bucket", code="OK", le=floatToGoString(bound), **labels)
        for code, count in each.failed.items():
            assert count == exported("tandem_requests_total", code=code, **labels)
        for unit, count in each.outputs.items():
            assert count == exported("tandem_outputs_total", unit=unit, **labels)


def test_what_was_told_stays_as_it_was() -> None:
    metrics = GatewayMetrics(CollectorRegistry())
    metrics.record(observation())
    before = totals_of(metrics)
    metrics.record(observation())
    [(series, after)] = totals_of(metrics).items()
    assert (before[series].finished.num_observed, after.finished.num_observed) == (1, 2)
