"""The curves of the page are the same numbers as PromQL's rate() and histogram_quantile() over the same window."""

import random
from collections import defaultdict

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from gateway.figures.history import KEPT_SECONDS, STEP_SECONDS, WINDOW_STEPS, History, Series, totals_of
from gateway.figures.metrics import GatewayMetrics
from tandem.shared.metrics import SECONDS_BUCKETS
from tests.unit.gateway.figures.entries import ROUTES, observation


class Gateway:
    """Metrics with a history, and a clock that moves by steps."""

    def __init__(self) -> None:
        self.metrics = GatewayMetrics(CollectorRegistry())
        self.history = History(self.metrics)
        self.now = 1000.0
        self.history.take(self.now)

    def request(self, seconds: float, images: int = 1, rpc: str = "Sample", code: str = "OK") -> None:
        num_outputs = images if code == "OK" and rpc == "Sample" else 0
        self.metrics.record(observation(rpc, code=code, total_seconds=seconds, num_outputs=num_outputs))

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            self.now += STEP_SECONDS
            self.history.take(self.now)

    def points(self, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
        monkeypatch.setattr("gateway.figures.history.time.monotonic", lambda: self.now)
        series = self.history.report()["series"]
        return series[0]["points"] if series else []


def test_a_point_tells_of_its_window_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway()
    for _ in range(10):
        gateway.request(0.1, images=4)
    gateway.step()
    [first] = gateway.points(monkeypatch)
    assert first["finished_per_second"] == 10 / STEP_SECONDS  # the window is as long as there is history
    assert first["outputs_per_second"] == {"image": 40 / STEP_SECONDS}
    gateway.step(WINDOW_STEPS)
    *_, last_with, after = gateway.points(monkeypatch)
    assert last_with["finished_per_second"] == pytest.approx(10 / (STEP_SECONDS * WINDOW_STEPS))
    assert after["finished_per_second"] == 0
    assert after["p50_seconds"] is None


def test_failures_and_scores_are_no_latencies(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway()
    gateway.request(5.0, code="UNAVAILABLE")
    gateway.request(5.0, rpc="Discriminate")
    gateway.step()
    [point] = gateway.points(monkeypatch)
    assert point["p50_seconds"] is None
    [series] = gateway.history.report()["series"]
    assert (series["finished"], series["failed"], series["outputs"]) == (0, {"UNAVAILABLE": 1}, {})


def test_old_points_go(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway()
    gateway.request(0.1)
    gateway.step(1000)
    points = gateway.points(monkeypatch)
    assert len(points) == KEPT_SECONDS / STEP_SECONDS
    assert points[-1]["age_seconds"] == 0
    assert points[0]["age_seconds"] == KEPT_SECONDS - STEP_SECONDS


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
