import http.client

from prometheus_client import CollectorRegistry

from runtime.metrics import BackendMetrics, expose
from tandem.common.v1.timings_pb2 import Timings


def test_timings_feed_the_phases_they_have():
    registry = CollectorRegistry()
    metrics = BackendMetrics(registry, "parallel")
    metrics.observe_timings("m", Timings(queue_seconds=0.5, compute_seconds=0.25, total_seconds=1.0), "")

    def total(phase: str) -> float | None:
        labels = {"paradigm": "parallel", "model": "m", "phase": phase}
        return registry.get_sample_value("tandem_backend_phase_seconds_sum", labels)

    assert (total("queue"), total("compute"), total("decode")) == (0.5, 0.25, None)


def test_the_page_answers_head_like_get_without_a_body():
    registry = CollectorRegistry()
    BackendMetrics(registry, "parallel")
    port = expose(registry, "127.0.0.1", 0)
    replies = {}
    for method in ("GET", "HEAD"):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request(method, "/metrics")
        reply = connection.getresponse()
        replies[method] = reply.status, reply.getheader("content-type"), reply.getheader("content-length"), reply.read()
        connection.close()
    status, kind, length, body = replies["GET"]
    assert (status, length) == (200, str(len(body)))
    assert replies["HEAD"] == (status, kind, length, b"")
