"""A line for each request, at level DEBUG: what was asked, how it ended, where the time went."""

from __future__ import annotations

import json
import logging

import pytest
from prometheus_client import CollectorRegistry

from gateway.figures.log_entry import served_of
from gateway.figures.metrics import GatewayMetrics
from gateway.figures.model_statistics import ModelStatistics
from gateway.figures.recorder import Recorder
from runtime.process.logs import JsonFormatter
from tests.unit.gateway.figures.entries import entry, left, served

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


def test_a_request_that_was_cancelled_has_no_phases(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = lines_of(caplog, logging.DEBUG, left())
    assert line.getMessage().startswith("Generate of unknown: CANCELLED after ")
    assert line.getMessage().endswith(" ms")


def test_there_are_none_at_the_default_level(caplog: pytest.LogCaptureFixture) -> None:
    assert lines_of(caplog, logging.INFO, entry(told=served())) == []
