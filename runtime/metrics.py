"""Prometheus metrics that more than one process exports, and the one set of buckets that makes them comparable."""

from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, Literal, TypeAlias
from wsgiref.types import StartResponse, WSGIApplication

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder, start_http_server

from runtime.histogram import Histogram
from runtime.vllm_names import VllmNames, with_colons
from tandem.common.v1.timings_pb2 import Timings
from tandem.shared.errors import ExpectedError
from tandem.shared.metrics import FIELD_OF_PHASE, SECONDS_BUCKETS

MetricsNames: TypeAlias = Literal["tandem", "vllm"]
BATCH_SIZE_BUCKETS = tuple(float(2**n) for n in range(11))


def new_registry(names: MetricsNames = "tandem") -> CollectorRegistry:
    """Return a registry of its own for one process, with the process's CPU, memory and garbage collection."""
    registry = VllmNames() if names == "vllm" else CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class BackendMetrics:
    """What either backend exports of the requests it served; implements `RpcObserver`."""

    def __init__(self, registry: CollectorRegistry, paradigm: str) -> None:
        self._paradigm = paradigm
        labels = ["paradigm", "rpc", "code"]
        requests = Counter("tandem_backend_requests", "Requests that ended.", labels, registry=registry)
        text = "From the call's arrival at the backend to its end."
        duration = Histogram("tandem_backend_request_duration_seconds", text, labels, SECONDS_BUCKETS, registry)
        text, labels = "Seconds of each phase of a finished request.", ["paradigm", "model", "phase"]
        phases = Histogram("tandem_backend_phase_seconds", text, labels, SECONDS_BUCKETS, registry)
        text, labels = "Sequences a step, or images a pass.", ["paradigm", "model"]
        # Several threads may compute batches: the library's own, which locks.
        batch_size = prometheus_client.Histogram(
            "tandem_batch_size", text, labels, buckets=BATCH_SIZE_BUCKETS, registry=registry
        )

        # To find a child by its labels costs more than to count with it; the label sets are closed, so they are kept.
        self._requests_of = cache(requests.labels)
        self._duration_of = duration.of
        self._phase_of = phases.of
        self._batch_size_of = cache(batch_size.labels)

    def finished(self, rpc: str, code: str, seconds: float, trace_id: str) -> None:
        self._requests_of(self._paradigm, rpc, code).inc()
        self._duration_of(self._paradigm, rpc, code).observe(seconds, trace_id)

    def refused(self, rpc: str, code: str, count: int) -> None:
        """Count requests that were refused before a method was called; they took no time that is known."""
        self._requests_of(self._paradigm, rpc, code).inc(count)

    def observe_timings(self, model: str, timings: Timings, trace_id: str) -> None:
        """Count the phases of a finished request; `trace_id` is its recorded trace, empty if there is none."""
        for phase, field in FIELD_OF_PHASE:
            if (seconds := getattr(timings, field)) > 0.0:
                self._phase_of(self._paradigm, model, phase).observe(seconds, trace_id)

    def observe_batch(self, model: str, size: int) -> None:
        self._batch_size_of(self._paradigm, model).observe(size)


class DiversityMetrics:
    """How far what is served differs from image to image, next to the released model; for a model that is watched."""

    def __init__(self, registry: CollectorRegistry) -> None:
        ratio = "of the last window of images to the released model's; class all: of all classes together."
        text = f"Variance {ratio}"
        self._variance = Gauge("tandem_diversity_variance_ratio", text, ["model", "class"], registry=registry)
        text = f"Distance of the closest two {ratio}"
        self._nearest = Gauge("tandem_diversity_nearest_ratio", text, ["model", "class"], registry=registry)
        text = "Windows that were poor in diversity after one that was poor already."
        self._alarms = Counter("tandem_diversity_alarms", text, ["model", "kind"], registry=registry)
        text = "Served images that were looked at, or should have been."
        self._images = Counter("tandem_diversity_images", text, ["model", "outcome"], registry=registry)

    def watch(self, model: str) -> None:
        """Let the counters begin at 0."""
        for kind in ("variance", "duplicates"):
            self._alarms.labels(model, kind)
        for outcome in ("watched", "dropped"):
            self._images.labels(model, outcome)

    def observe_window(
        self, model: str, scope: str, variance_ratio: float, nearest_ratio: float, alarms: Collection[str]
    ) -> None:
        self._variance.labels(model, scope).set(variance_ratio)
        self._nearest.labels(model, scope).set(nearest_ratio)
        for kind in alarms:
            self._alarms.labels(model, kind).inc()

    def count_images(self, model: str, outcome: str, num_images: int) -> None:
        self._images.labels(model, outcome).inc(num_images)


def expose(registry: CollectorRegistry, host: str, port: int) -> int:
    """Serve `/metrics` from a daemon thread and return its port. Raises ExpectedError if the port is in use."""
    try:
        server, _ = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise ExpectedError(f"cannot listen on {host}:{port} for metrics: {error.strerror}") from None
    if (app := server.get_app()) is not None:
        server.set_app(_careful(_with_colons(app) if isinstance(registry, VllmNames) else app))
    return int(server.server_port)


def readable_accept(accept: str) -> str:
    """Return an Accept header for `choose_encoder`, empty in place of one that it raises for."""
    try:
        choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is no number
        return ""
    return accept


def _with_colons(app: WSGIApplication) -> WSGIApplication:
    def answer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        plain = {name: value for name, value in environ.items() if name != "HTTP_ACCEPT_ENCODING"}
        return [with_colons(b"".join(app(plain, start_response)))]

    return answer


def _careful(app: WSGIApplication) -> WSGIApplication:
    """Return an app that also answers HEAD, which probes send and prometheus_client refuses, and any Accept."""

    def answer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        environ["HTTP_ACCEPT"] = readable_accept(environ.get("HTTP_ACCEPT", ""))
        if environ["REQUEST_METHOD"] != "HEAD":
            return app(environ, start_response)
        started: list[tuple[str, list[tuple[str, str]]]] = []
        body = b"".join(app({**environ, "REQUEST_METHOD": "GET"}, lambda *head: started.append(head)))  # type: ignore
        ((status, headers),) = started
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return []

    return answer
