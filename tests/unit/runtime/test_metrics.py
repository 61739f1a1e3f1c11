import http.client

from prometheus_client import CollectorRegistry, Gauge

from runtime.metrics import BackendMetrics, expose, new_registry


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


def test_names_with_colons_stay_whatever_format_is_asked_for():
    registry = new_registry("vllm")
    Gauge("tandem_sequences_waiting", "Text.", ["model"], registry=registry).labels("a").set(3)
    port = expose(registry, "127.0.0.1", 0)
    for kind in ("text/plain", "application/openmetrics-text; version=1.0.0", "text/plain; version=x"):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/metrics", headers={"accept": kind, "accept-encoding": "gzip"})
        page = connection.getresponse().read()
        connection.close()
        assert b'\nvllm:num_requests_waiting{engine="0",model_name="a"} 3.0\n' in page
