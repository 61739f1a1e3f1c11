from prometheus_client import CollectorRegistry

from gateway.backend import Backend
from gateway.metrics import GatewayMetrics
from gateway.observation import Observation
from gateway.permits import Permits
from gateway.replica import State
from runtime.routes import all_routes
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2


def finished(code: str, images: int) -> tuple[CollectorRegistry, GatewayMetrics]:
    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry)
    observation = Observation(next(route for route in all_routes() if route.rpc == "Sample"), "grpc")
    observation.model = "m"
    if images:
        reply = gan_pb2.SampleResponse(images=images_pb2.ImageBatch(shape=[images, 1, 1, 1]))
        observation.forwarded(reply.SerializeToString(), observation.first_output_at)
    observation.ended()
    metrics.record(observation, code)
    return registry, metrics


REQUEST = {"paradigm": "parallel", "model": "m", "rpc": "Sample", "transport": "grpc"}


def test_finished_request_is_counted_once_everywhere() -> None:
    registry, metrics = finished("OK", images=3)
    labels = {**REQUEST, "code": "OK"}
    assert registry.get_sample_value("tandem_requests_total", labels) == 1
    duration = registry.get_sample_value(
        "gen_ai_server_request_duration_seconds_count", {**labels, "streaming": "false"}
    )
    assert duration == 1
    assert (
        registry.get_sample_value("tandem_outputs_total", {"paradigm": "parallel", "model": "m", "unit": "image"}) == 3
    )
    assert registry.get_sample_value("tandem_requests_without_output_total", labels) is None
    assert metrics.requests_by_rpc_and_code("parallel") == {"Sample": {"OK": 1}}
    assert metrics.requests_by_rpc_and_code("sequential") == {}


def test_request_without_output_is_counted_not_timed() -> None:
    registry, _ = finished("UNAVAILABLE", images=0)
    labels = {**REQUEST, "code": "UNAVAILABLE"}
    assert registry.get_sample_value("tandem_requests_without_output_total", labels) == 1
    first_output = registry.get_sample_value(
        "tandem_time_to_first_output_seconds_count", {**REQUEST, "streaming": "false"}
    )
    assert first_output is None
    overhead = registry.get_sample_value(
        "tandem_gateway_overhead_seconds_count", {"paradigm": "parallel", "rpc": "Sample"}
    )
    assert overhead is None


def test_closed_sets_are_there_from_the_start() -> None:
    registry = CollectorRegistry()
    GatewayMetrics(registry)
    for paradigm in ("sequential", "parallel"):
        assert registry.get_sample_value("tandem_retries_total", {"paradigm": paradigm}) == 0
        for reason in ("gateway_full", "backend_full"):
            labels = {"paradigm": paradigm, "reason": reason}
            assert registry.get_sample_value("tandem_requests_shed_total", labels) == 0


def test_in_flight_is_the_permits() -> None:
    registry = CollectorRegistry()
    permits = Permits("parallel", 2)
    GatewayMetrics(registry).watch_permits("parallel", permits)
    with permits.take():
        assert registry.get_sample_value("tandem_requests_in_flight", {"paradigm": "parallel"}) == 1
    assert registry.get_sample_value("tandem_requests_in_flight", {"paradigm": "parallel"}) == 0


def test_a_picture_in_sequence_is_its_tokens_and_an_image() -> None:
    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry)
    observation = Observation(next(route for route in all_routes() if route.rpc == "Generate"), "grpc")
    observation.model = "m"
    image = images_pb2.ImageBatch(shape=[1, 1, 1, 1])
    for reason in (ar_pb2.FINISH_REASON_UNSPECIFIED, ar_pb2.FINISH_REASON_LENGTH):
        reply = ar_pb2.GenerateResponse(token_ids=[1, 2], image=image, finish_reason=reason)
        observation.forwarded(reply.SerializeToString(), observation.first_output_at)
    observation.ended()
    metrics.record(observation, "OK")

    def outputs(unit: str) -> float | None:
        labels = {"paradigm": "sequential", "model": "m", "unit": unit}
        return registry.get_sample_value("tandem_outputs_total", labels)

    assert (outputs("token"), outputs("image")) == (4, 1)


def test_replicas_tell_whether_they_serve_and_what_they_have_in_hand() -> None:
    registry = CollectorRegistry()
    backend = Backend("parallel", ["127.0.0.1:1", "nowhere:1"])
    (replica,) = backend.replicas
    GatewayMetrics(registry).watch_backend(backend)
    labels = {"paradigm": "parallel", "target": "127.0.0.1:1"}
    assert registry.get_sample_value("tandem_replica_serving", labels) == 0
    replica.state = State.SERVING
    with replica.busy():
        assert registry.get_sample_value("tandem_replica_serving", labels) == 1
        assert registry.get_sample_value("tandem_replica_requests_in_flight", labels) == 1
    assert registry.get_sample_value("tandem_replica_serving", {"paradigm": "parallel", "target": "nowhere:1"}) == 0
