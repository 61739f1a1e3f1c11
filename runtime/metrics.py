"""Prometheus metrics that more than one process exports, and the one set of buckets that makes them comparable."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import start_http_server

# 0.01 * 2^(n/2) s, 0.16 ms to 82 s: every second bound is one of OpenTelemetry's GenAI boundaries.
SECONDS_BUCKETS = tuple(round(0.01 * 2 ** (n / 2), 9) for n in range(-12, 27))
BATCH_SIZE_BUCKETS = tuple(float(2**n) for n in range(11))


@dataclass(frozen=True)
class Timings:
    """Where a request's time went, in seconds; mirrors tandem.common.v1.Timings field by field."""

    queue_seconds: float = 0.0
    prefill_seconds: float = 0.0
    batch_wait_seconds: float = 0.0
    decode_seconds: float = 0.0
    compute_seconds: float = 0.0
    encode_seconds: float = 0.0
    total_seconds: float = 0.0
    mean_batch_size: float = 1.0

    def phases(self) -> Mapping[str, float]:
        """Return the phases by name; those a paradigm does not have are absent."""
        values = {
            "queue": self.queue_seconds,
            "prefill": self.prefill_seconds,
            "batch_wait": self.batch_wait_seconds,
            "decode": self.decode_seconds,
            "compute": self.compute_seconds,
            "encode": self.encode_seconds,
        }
        return {name: seconds for name, seconds in values.items() if seconds > 0.0}


def new_registry() -> CollectorRegistry:
    """Return a registry of its own for one process, with the process's CPU, memory and garbage collection."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class BackendMetrics:
    """What either backend exports of the requests it served; implements `RpcObserver`."""

    def __init__(self, registry: CollectorRegistry, paradigm: str) -> None:
        self._paradigm = paradigm
        requests = Counter(
            "tandem_backend_requests", "Requests that ended.", ["paradigm", "rpc", "code"], registry=registry
        )
        duration = Histogram(
            "tandem_backend_request_duration_seconds",
            "From the call's arrival at the backend to its end.",
            ["paradigm", "rpc", "code"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        phases = Histogram(
            "tandem_backend_phase_seconds",
            "Seconds of each phase of a finished request.",
            ["paradigm", "model", "phase"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        batch_size = Histogram(
            "tandem_batch_size",
            "Sequences a step, or images a pass.",
            ["paradigm", "model"],
            buckets=BATCH_SIZE_BUCKETS,
            registry=registry,
        )

        # To find a child by its labels costs more than to count with it; the label sets are closed, so they are kept.
        self._requests_of = cache(requests.labels)
        self._duration_of = cache(duration.labels)
        self._phase_of = cache(phases.labels)
        self._batch_size_of = cache(batch_size.labels)

    def finished(self, rpc: str, code: str, seconds: float) -> None:
        self._requests_of(self._paradigm, rpc, code).inc()
        self._duration_of(self._paradigm, rpc, code).observe(seconds)

    def observe_timings(self, model: str, timings: Timings) -> None:
        for phase, seconds in timings.phases().items():
            self._phase_of(self._paradigm, model, phase).observe(seconds)

    def observe_batch(self, model: str, size: int) -> None:
        self._batch_size_of(self._paradigm, model).observe(size)


def expose(registry: CollectorRegistry, host: str, port: int) -> None:
    """Serve `/metrics` from a daemon thread. Raises OSError if the port is in use."""
    try:
        start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise OSError(f"cannot listen on {host}:{port} for metrics: {error.strerror}") from None
