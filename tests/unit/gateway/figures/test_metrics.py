import pytest
from prometheus_client import CollectorRegistry

from gateway.figures.metrics import GatewayMetrics
from gateway.figures.observation import Observation
from tests.unit.gateway.figures.entries import observation

REQUEST = {"paradigm": "parallel", "model": "m", "rpc": "Sample", "transport": "grpc"}


def recorded(*seen: Observation) -> CollectorRegistry:
    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry)
    for each in seen:
        metrics.record(each)
    return registry


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


def test_a_picture_in_sequence_is_its_tokens_and_an_image() -> None:
    registry = recorded(observation("Generate", num_outputs=4, num_images=1, seconds_per_output=0.02))

    def outputs(unit: str) -> float | None:
        labels = {"paradigm": "sequential", "model": "m", "unit": unit}
        return registry.get_sample_value("tandem_outputs_total", labels)

    assert (outputs("token"), outputs("image")) == (4, 1)
    stream = {**REQUEST, "paradigm": "sequential", "rpc": "Generate", "streaming": "true"}
    assert registry.get_sample_value("gen_ai_server_time_per_output_token_seconds_sum", stream) == 0.02
    assert registry.get_sample_value("gen_ai_server_time_to_first_token_seconds_count", stream) == 1
