from prometheus_client import Counter, Gauge, generate_latest

from runtime.histogram import Histogram
from runtime.metrics import new_registry


def test_figures_of_a_model_are_there_twice_with_what_vllm_does_not_tell_apart_added_up():
    registry = new_registry("vllm")
    Gauge("tandem_sequences_waiting", "Text.", ["model"], registry=registry).labels("a").set(3)
    labels = ["paradigm", "model", "rpc", "transport", "code"]
    requests = Counter("tandem_requests", "Text.", labels, registry=registry)
    for count, values in enumerate(
        (
            ("Generate", "grpc", "OK"),
            ("Complete", "http", "OK"),
            ("Score", "grpc", "OK"),
            ("Generate", "grpc", "ABORTED"),
        ),
        1,
    ):
        requests.labels("sequential", "a", *values).inc(count)
    seconds = Histogram("tandem_phase_seconds", "Text.", ("paradigm", "model", "phase"), (1.0, 2.0), registry)
    seconds.of("sequential", "a", "queue").observe(1.5)
    seconds.of("sequential", "a", "decode").observe(7.0)
    seconds.of("parallel", "b", "queue").observe(0.5)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"model_name": "a", "engine": "0"} | labels)

    assert (
        value("vllm:num_requests_waiting") == registry.get_sample_value("tandem_sequences_waiting", {"model": "a"}) == 3
    )
    assert value("vllm:request_success_total", finished_reason="OK") == 1 + 2
    buckets = [value("vllm:request_queue_time_seconds_bucket", le=le) for le in ("1.0", "2.0", "+Inf")]
    assert (buckets, value("vllm:request_queue_time_seconds_sum")) == ([0, 1, 1], 1.5)
    assert value("vllm:request_decode_time_seconds_count") == 1
    assert 'model_name="b"' not in generate_latest(registry).decode()


def test_without_being_asked_for_there_is_none():
    registry = new_registry()
    Gauge("tandem_sequences_waiting", "Text.", ["model"], registry=registry).labels("a").set(3)
    assert b"vllm" not in generate_latest(registry)
