"""What the gateway exports to Prometheus: one record for each request, in the buckets that all processes share.

Label values come from closed sets: the route table, the models that backends list, gRPC's status names, the replicas
that there are.
"""

from collections.abc import Iterator, Sequence
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.backend import Backend
from gateway.observation import Observation
from gateway.permits import Permits
from gateway.totals import TotalsBook
from runtime.metrics import SECONDS_BUCKETS
from runtime.routes import PARALLEL, SEQUENTIAL

PARADIGMS = (SEQUENTIAL, PARALLEL)
SHED_REASONS = ("gateway_full", "backend_full")
BUDGETS = ("request", "token", "image")

_REQUEST = ("paradigm", "model", "rpc", "transport")
_STREAM = (*_REQUEST, "streaming")


class GatewayMetrics:
    """The gateway's metrics; `record` is called exactly once for each request, at its end."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._replicas = _Replicas()
        self.totals = TotalsBook()
        self._count_requests()
        self._time_requests()
        self._take_apart()
        self._bind()
        for paradigm in PARADIGMS:
            self._retries.labels(paradigm)
            for reason in SHED_REASONS:
                self._shed.labels(paradigm, reason)
            for unit in BUDGETS:
                self._over_budget.labels(paradigm, unit)

    def _bind(self) -> None:
        # To look a child up by its labels costs more than to count with it; the sets of labels are closed: keep them.
        self._requests_of = cache(self._requests.labels)
        self._duration_of = cache(self.duration.labels)
        self._outputs_of = cache(self._outputs.labels)
        self._first_output_of = cache(self._first_output.labels)
        self._overhead_of = cache(self._overhead.labels)
        self._phase_of = cache(self._phases.labels)

    def _count_requests(self) -> None:
        self._requests = self._counter("tandem_requests", "Requests that ended.", (*_REQUEST, "code"))
        self._without_output = self._counter(
            "tandem_requests_without_output",
            "Requests for output that were let in, and ended before the first.",
            (*_REQUEST, "code"),
        )
        self._outputs = self._counter(
            "tandem_outputs",
            "Tokens or images forwarded to clients; a sequential image model's pictures count as images, too.",
            ("paradigm", "model", "unit"),
        )
        self._in_flight = Gauge(
            "tandem_requests_in_flight", "Requests that hold a permit.", ["paradigm"], registry=self._registry
        )
        self._registry.register(self._replicas)
        self._shed = self._counter("tandem_requests_shed", "Requests refused as too many.", ("paradigm", "reason"))
        self._over_budget = self._counter(
            "tandem_requests_over_budget", "Requests refused by the budget of their API key.", ("paradigm", "budget")
        )
        self._retries = self._counter("tandem_retries", "Upstream calls that were repeated.", ("paradigm",))

    def _time_requests(self) -> None:
        self.duration = self._histogram(
            "gen_ai_server_request_duration_seconds",
            "From the request message's receipt to the status.",
            (*_STREAM, "code"),
        )
        self._first_token = self._histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "From the request message's receipt to the first message that carries a token; Generate only.",
            _STREAM,
        )
        self._first_output = self._histogram(
            "tandem_time_to_first_output_seconds",
            "From the request message's receipt to the first message that carries a token or an image.",
            _STREAM,
        )
        self._per_token = self._histogram(
            "gen_ai_server_time_per_output_token_seconds",
            "From the first message with tokens to the last, a token after the first message's; finished streams.",
            _STREAM,
        )

    def _take_apart(self) -> None:
        self._phases = self._histogram(
            "tandem_phase_seconds",
            "The parts of a request's duration, which add up to it: the backend's phases, what it spent outside them"
            " (backend_other), the gateway's own share, and the residual (network hop, event loops, slow client).",
            ("paradigm", "model", "phase"),
        )
        self._overhead = self._histogram(
            "tandem_gateway_overhead_seconds",
            "The gateway's own share of a finished request: before it went upstream and after upstream's last word.",
            ("paradigm", "rpc"),
        )

    def _counter(self, name: str, text: str, labels: Sequence[str]) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, labels: Sequence[str]) -> Histogram:
        return Histogram(name, text, labels, buckets=SECONDS_BUCKETS, registry=self._registry)

    def requests_by_rpc_and_code(self, paradigm: str) -> dict[str, dict[str, int]]:
        """Return how many requests ended with each code, by rpc."""
        counts: dict[str, dict[str, int]] = {}
        for sample in next(iter(self._requests.collect())).samples:
            labels = sample.labels
            if sample.name == "tandem_requests_total" and labels["paradigm"] == paradigm:
                codes = counts.setdefault(labels["rpc"], {})
                codes[labels["code"]] = codes.get(labels["code"], 0) + int(sample.value)
        return counts

    def watch_permits(self, paradigm: str, permits: Permits) -> None:
        """Export the permits taken as the requests in flight."""
        self._in_flight.labels(paradigm).set_function(lambda: permits.in_flight)

    def watch_backend(self, backend: Backend) -> None:
        """Export the state and load of its replicas."""
        self._replicas.backends.append(backend)

    def shed(self, paradigm: str, reason: str) -> None:
        """Count a request that was refused as one too many; `reason` is one of SHED_REASONS."""
        self._shed.labels(paradigm, reason).inc()

    def over_budget(self, paradigm: str, budget: str) -> None:
        """Count a request that its caller's API key did not allow; no overload, so it is not among those shed."""
        self._over_budget.labels(paradigm, budget).inc()

    def retried(self, paradigm: str) -> None:
        """Count an upstream call that is repeated."""
        self._retries.labels(paradigm).inc()

    def record(self, seen: Observation, code: str) -> None:
        """Count a request that has ended, with the code that the client sees."""
        self.totals.record(seen, code)
        route = seen.route
        request = (route.paradigm, seen.model, route.rpc, seen.transport)
        stream = (*request, "true" if route.streaming else "false")
        self._requests_of(*request, code).inc()
        self._duration_of(*stream, code).observe(seen.total_seconds)
        if seen.num_outputs:
            self._record_outputs(seen, stream)
        elif route.unit is not None and not seen.turned_away:
            self._without_output.labels(*request, code).inc()
        if code == "OK":
            self._record_finished(seen, stream)

    def _record_outputs(self, seen: Observation, stream: Sequence[str]) -> None:
        route = seen.route
        self._outputs_of(route.paradigm, seen.model, route.unit).inc(seen.num_outputs)
        if seen.num_pictures:
            self._outputs_of(route.paradigm, seen.model, "image").inc(seen.num_pictures)
        self._first_output_of(*stream).observe(seen.first_output_seconds)
        if route.paradigm == SEQUENTIAL:
            self._first_token.labels(*stream).observe(seen.first_output_seconds)

    def _record_finished(self, seen: Observation, stream: Sequence[str]) -> None:
        route = seen.route
        self._overhead_of(route.paradigm, route.rpc).observe(seen.gateway_seconds)
        for phase, seconds in seen.phases().items():
            self._phase_of(route.paradigm, seen.model, phase).observe(seconds)
        per_token = seen.seconds_per_output
        if per_token is not None and route.paradigm == SEQUENTIAL:
            self._per_token.labels(*stream).observe(per_token)


class _Replicas(Collector):
    """State and load of the replicas that there are when somebody asks; a name without an address serves nothing."""

    def __init__(self) -> None:
        self.backends: list[Backend] = []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        serving = self._family("tandem_replica_serving", "1 for a replica that takes requests, else 0.")
        in_hand = self._family("tandem_replica_requests_in_flight", "Requests that a replica has in hand.")
        for backend in self.backends:
            # By address: two names for one replica are still one series.
            for target, replica in {each.target: each for each in backend.replicas}.items():
                serving.add_metric([backend.paradigm, target], replica.is_serving)
                in_hand.add_metric([backend.paradigm, target], replica.in_flight)
            for target in backend.unresolved:
                serving.add_metric([backend.paradigm, target], 0)
        yield serving
        yield in_hand

    @staticmethod
    def _family(name: str, text: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(name, text, labels=["paradigm", "target"])
