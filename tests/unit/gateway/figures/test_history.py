"""The curves of the page are the same numbers as PromQL's rate() and histogram_quantile() over the same window."""

from bisect import bisect_left

import pytest
from prometheus_client import CollectorRegistry

from gateway.figures.history import KEPT_SECONDS, STEP_SECONDS, WINDOW_STEPS, History
from gateway.figures.metrics import GatewayMetrics
from tandem.shared.metrics import SECONDS_BUCKETS
from tests.unit.gateway.figures.observations import observation


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


def test_quantiles_are_of_the_window_and_within_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway()
    gateway.request(10.0)
    gateway.step(WINDOW_STEPS + 1)
    for seconds in (0.015, 0.015, 0.015, 0.5):
        gateway.request(seconds)
    gateway.step()
    point = gateway.points(monkeypatch)[-1]
    bucket = bisect_left(SECONDS_BUCKETS, 0.015)
    assert SECONDS_BUCKETS[bucket - 1] < point["p50_seconds"] <= SECONDS_BUCKETS[bucket]
    assert 0.45 < point["p95_seconds"] < 0.65
    [series] = gateway.history.report()["series"]
    assert series["finished"] == 5
    assert 0.5 < series["p99_seconds"] < 11.4


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
