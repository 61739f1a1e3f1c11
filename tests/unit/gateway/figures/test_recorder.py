"""What becomes of an entry: counted once, under a model's name, and charged to who called."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from gateway.figures import recorder
from gateway.figures.log_entry import served_of
from gateway.figures.metrics import GatewayMetrics
from gateway.figures.model_statistics import ModelStatistics
from gateway.figures.recorder import Recorder
from runtime.process.logs import JsonFormatter
from runtime.rpc.routes import Route
from tests.unit.gateway.figures.entries import SAMPLE, entry, left, served

IMAGES = {"outputs": 3, "first_outputs": 3}


class Recorded:
    """A recorder with what is around it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.charges: list[tuple[str, str, int, int]] = []
        self._recorder = Recorder(GatewayMetrics(self.registry), self._charge, ModelStatistics())

    def _charge(self, caller_id: str, route: Route, num_outputs: int, num_images: int) -> None:
        self.charges.append((caller_id, route.rpc, num_outputs, num_images))

    def take(self, raw: Any) -> None:
        self._recorder.record(raw, served_of(raw))

    def requests(self, **labels: str) -> float:
        samples = (sample for family in self.registry.collect() for sample in family.samples)
        return sum(
            sample.value
            for sample in samples
            if sample.name == "tandem_requests_total" and labels.items() <= sample.labels.items()
        )


def test_an_entry_is_counted_under_its_model_and_charged() -> None:
    recorded = Recorded()
    recorded.take(entry(told=served(images=1), caller="alice"))
    recorded.take(entry(SAMPLE, told=served(**IMAGES), caller="bob"))
    recorded.take(entry(told=served()))
    assert recorded.requests(model="m", code="OK") == recorded.requests() == 3
    assert recorded.charges == [("alice", "Generate", 5, 1), ("bob", "Sample", 3, 0)]


@pytest.mark.parametrize("name", ["", "unknown"])
def test_a_call_that_no_model_served(name: str) -> None:
    recorded = Recorded()
    recorded.take(entry(status="3", in_headers=True, told=served(model=name, outputs=0)))
    assert recorded.requests(model="unknown", code="INVALID_ARGUMENT") == 1


def test_names_of_models_are_bounded_and_those_that_are_known_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MAX_MODELS", 5)
    recorded = Recorded()
    for number in range(2 * 5):
        recorded.take(entry(told=served(model=f"m{number}")))
    recorded.take(entry(told=served(model="m0")))
    assert recorded.requests(model="unknown") == 5
    assert recorded.requests(model="m0") == 2


def test_an_entry_that_cannot_be_counted_is_told_and_loses_no_other(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = Recorded()
    with monkeypatch.context() as broken:
        broken.setattr("gateway.figures.recorder.observe", lambda *_: 1 // 0)
        recorded.take(left())
    recorded.take(entry(told=served()))
    assert "cannot be counted" in caplog.text
    assert recorded.requests() == 1


LOGGER = "gateway.figures.request_log"


def lines_of(caplog: pytest.LogCaptureFixture, level: int, *entries: object) -> list[logging.LogRecord]:
    recorder = Recorder(GatewayMetrics(CollectorRegistry()), lambda *_: None, ModelStatistics())
    with caplog.at_level(level, LOGGER):
        for raw in entries:
            recorder.record(raw, served_of(raw))
    return [record for record in caplog.records if record.name == LOGGER]


def test_a_line_says_how_a_request_ended_and_where_its_time_went(caplog: pytest.LogCaptureFixture) -> None:
    raw = entry(told=served(), caller="alice")
    (line,) = lines_of(caplog, logging.DEBUG, raw)
    fields = json.loads(JsonFormatter().format(line))
    assert fields["message"].startswith(f"Generate of m: OK after {fields['seconds'] * 1e3:.2f} ms (")
    assert (fields["rpc"], fields["model"], fields["code"], fields["outputs"]) == ("Generate", "m", "OK", 5)
    assert fields["request_id"] == raw.request.request_id
    assert sum(fields["phases"].values()) == pytest.approx(fields["seconds"])
    assert all(f"{name} {seconds * 1e3:.2f}" in fields["message"] for name, seconds in fields["phases"].items())
    assert "alice" not in json.dumps(fields)
