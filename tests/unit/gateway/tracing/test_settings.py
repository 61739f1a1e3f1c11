"""OpenTelemetry's variables: what turns tracing on, and which values are refused."""

from __future__ import annotations

import os

import pytest

from gateway.tracing.settings import TracingSettings

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture(autouse=True)
def _own_variables_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_TRACES_SAMPLER": "always_on"},
        {ENDPOINT: ""},
        {ENDPOINT: "http://c:4317", "OTEL_SDK_DISABLED": "true"},
        {ENDPOINT: "http://c:4317", "OTEL_TRACES_EXPORTER": "none"},
        {ENDPOINT: "http://c:4317", "OTEL_TRACES_SAMPLER": "always_off"},
        {"OTEL_TRACES_SAMPLER": "jaeger_remote"},
    ],
)
def test_off(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert TracingSettings.from_environment("gateway") is None


def test_the_variable_for_traces_comes_before_the_one_for_every_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://all:4317")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4317")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.25")
    settings = TracingSettings.from_environment("gateway")
    assert settings is not None
    assert (settings.endpoint, settings.sampler, settings.ratio) == (
        "http://traces:4317",
        "parentbased_traceidratio",
        0.25,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (ENDPOINT, "not an address"),
        (ENDPOINT, "ftp://collector"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_TRACES_SAMPLER_ARG", "some"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
    ],
)
def test_a_bad_value_is_named_with_its_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(ENDPOINT, "http://c:4317")
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match="2"):
        TracingSettings.from_environment("gateway")
    told = capsys.readouterr().err
    assert name in told
    assert repr(value) in told
    assert "Value error" not in told
