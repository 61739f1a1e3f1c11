import http.client

from prometheus_client import CollectorRegistry

from runtime.metrics import BackendMetrics, expose


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
