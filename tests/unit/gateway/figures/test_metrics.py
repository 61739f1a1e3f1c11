import pytest
from prometheus_client import CollectorRegistry

from gateway.figures.metrics import GatewayMetrics
from gateway.figures.observation import Observation
from tests.unit.gateway.figures.observations import ROUTES, observation

REQUEST = {"paradigm": "parallel", "model": "m", "rpc": "Sample", "transport": "grpc"}


def recorded(*seen: Observation) -> CollectorRegistry:
    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry)
    for each in seen:
        metrics.record(each)
    return registry


def test_finished_request_is_counted_once_everywhere() -> None:
    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry)
    phases = {"compute": 0.09, "gateway": 0.001, "residual": 0.009}
    metrics.record(observation(num_outputs=3, first_output_seconds=0.1, phases=phases, num_retries=2))
    labels = {**REQUEST, "code": "OK"}
    stream = {**REQUEST, "streaming": "false"}
    value = registry.get_sample_value
    assert value("tandem_requests_total", labels) == 1
    assert value("gen_ai_server_request_duration_seconds_count", {**stream, "code": "OK"}) == 1
    assert value("gen_ai_server_request_duration_seconds_sum", {**stream, "code": "OK"}) == 0.1
    assert value("tandem_time_to_first_output_seconds_count", stream) == 1
    assert value("gen_ai_server_time_to_first_token_seconds_count", stream) is None
    assert value("tandem_outputs_total", {"paradigm": "parallel", "model": "m", "unit": "image"}) == 3
    assert value("tandem_requests_without_output_total", labels) is None
    assert value("tandem_gateway_overhead_seconds_sum", {"paradigm": "parallel", "rpc": "Sample"}) == 0.001
    for phase, seconds in phases.items():
        of_phase = {"paradigm": "parallel", "model": "m", "phase": phase}
        assert value("tandem_phase_seconds_sum", of_phase) == seconds
    assert value("tandem_retries_total", {"paradigm": "parallel"}) == 2
    assert [(each, durations.num_observed) for each, durations in metrics.durations()] == [
        ({**stream, "code": "OK"}, 1)
    ]
    assert list(metrics.outputs()) == [({"paradigm": "parallel", "model": "m", "unit": "image"}, 3)]


@pytest.mark.parametrize("refusal", ["gateway_full", "backend_full", "denied", ""])
def test_only_too_many_are_shed_and_only_who_was_let_in_went_without_output(refusal: str) -> None:
    registry = recorded(observation(code="RESOURCE_EXHAUSTED", refusal=refusal))
    for reason in ("gateway_full", "backend_full"):
        shed = registry.get_sample_value("tandem_requests_shed_total", {"paradigm": "parallel", "reason": reason})
        assert shed == (reason == refusal)
    without = registry.get_sample_value(
        "tandem_requests_without_output_total", {**REQUEST, "code": "RESOURCE_EXHAUSTED"}
    )
    assert without == (None if refusal == "denied" else 1)


@pytest.mark.parametrize("admitted", [False, True])
def test_a_request_that_ended_at_the_http_door_is_counted(admitted: bool) -> None:
    registry = CollectorRegistry()
    GatewayMetrics(registry).record_refused(ROUTES["Sample"], "http", "INVALID_ARGUMENT", 0.5, admitted)
    labels = {"paradigm": "parallel", "model": "unknown", "rpc": "Sample", "transport": "http"}
    code = {"code": "INVALID_ARGUMENT"}
    assert registry.get_sample_value("tandem_requests_total", {**labels, **code}) == 1
    without = registry.get_sample_value("tandem_requests_without_output_total", {**labels, **code})
    assert without == (1 if admitted else None)
    duration = registry.get_sample_value(
        "gen_ai_server_request_duration_seconds_sum", {**labels, **code, "streaming": "false"}
    )
    assert duration == 0.5


def test_a_picture_in_sequence_is_its_tokens_and_an_image() -> None:
    registry = recorded(observation("Generate", num_outputs=4, num_images=1, seconds_per_output=0.02))

    def outputs(unit: str) -> float | None:
        labels = {"paradigm": "sequential", "model": "m", "unit": unit}
        return registry.get_sample_value("tandem_outputs_total", labels)

    assert (outputs("token"), outputs("image")) == (4, 1)
    stream = {**REQUEST, "paradigm": "sequential", "rpc": "Generate", "streaming": "true"}
    assert registry.get_sample_value("gen_ai_server_time_per_output_token_seconds_sum", stream) == 0.02
    assert registry.get_sample_value("gen_ai_server_time_to_first_token_seconds_count", stream) == 1
