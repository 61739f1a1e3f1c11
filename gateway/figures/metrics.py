"""What the gateway exports to Prometheus: one record for each request, in the buckets that all processes share.

Label values come from closed sets: the route table, the models that backends serve, gRPC's status names, the replicas
that there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from prometheus_client import CollectorRegistry, Counter

from gateway.figures.log_entry import BACKEND_FULL, DENIED, GATEWAY_FULL
from gateway.figures.observation import UNKNOWN_MODEL, Observation
from runtime.histogram import Distribution, Histogram
from runtime.rpc.routes import PARALLEL, SEQUENTIAL, Route
from tandem.shared.metrics import SECONDS_BUCKETS

PARADIGMS = (SEQUENTIAL, PARALLEL)
SHED_REASONS = (GATEWAY_FULL, BACKEND_FULL)
BUDGETS = ("request", "token", "image")
TOKENS_BUCKETS = tuple(float(2**n) for n in range(16))

_REQUEST = ("paradigm", "model", "rpc", "transport")
_STREAM = (*_REQUEST, "streaming")


class GatewayMetrics:
    """The gateway's metrics; `record` is called exactly once for each request, after its end."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def histogram(name: str, text: str, *labels: str) -> Histogram:
            return Histogram(name, text, labels, SECONDS_BUCKETS, registry)

        self._requests = counter("tandem_requests", "Requests that ended.", *_REQUEST, "code")
        text = "Requests for output that were let in, and ended before the first."
        self._without_output = counter("tandem_requests_without_output", text, *_REQUEST, "code")
        text = "Tokens or images forwarded to clients; a sequential image model's images count as images, too."
        self._outputs = counter("tandem_outputs", text, "paradigm", "model", "unit")
        self._shed = counter("tandem_requests_shed", "Requests refused as too many.", "paradigm", "reason")
        text = "Requests refused by the budget of their API key."
        self._over_budget = counter("tandem_requests_over_budget", text, "paradigm", "budget")
        self._retries = counter("tandem_retries", "Upstream calls that were repeated.", "paradigm")
        text = "From the request's arrival at the proxy to the last byte of its reply."
        self._duration = histogram("gen_ai_server_request_duration_seconds", text, *_STREAM, "code")
        text = "From the request's arrival to the first message that carries a token; sequential only."
        self._first_token = histogram("gen_ai_server_time_to_first_token_seconds", text, *_STREAM)
        text = "From the request's arrival to the first message that carries a token or an image."
        self._first_output = histogram("tandem_time_to_first_output_seconds", text, *_STREAM)
        text = "From the first message to the reply's end, a token after the first message's; finished streams."
        self._per_token = histogram("gen_ai_server_time_per_output_token_seconds", text, *_STREAM)
        text = (
            "The parts of a request's duration, which add up to it: the backend's phases, what it spent outside them"
            " (backend_other), the gateway's own share, and the residual (network, client)."
        )
        self._phases = histogram("tandem_phase_seconds", text, "paradigm", "model", "phase")
        text = "The gateway's own share of a finished request: before it went upstream and after upstream's last byte."
        self._overhead = histogram("tandem_gateway_overhead_seconds", text, "paradigm", "rpc")
        text = "Tokens of a finished request of a sequential model: input is its prompt, output what was generated."
        self._tokens = Histogram("tandem_request_tokens", text, ("model", "kind"), TOKENS_BUCKETS, registry)
        # To look a child up by its labels costs more than to count with it; the sets of labels are closed: keep them.
        self._requests_of, self._outputs_of = cache(self._requests.labels), cache(self._outputs.labels)
        for paradigm in PARADIGMS:
            self._retries.labels(paradigm)
            for reason in SHED_REASONS:
                self._shed.labels(paradigm, reason)
            for unit in BUDGETS:
                self._over_budget.labels(paradigm, unit)

    def durations(self) -> Iterator[tuple[Mapping[str, str], Distribution]]:
        """Yield how long requests took by their labels: paradigm, model, rpc, transport, streaming, code."""
        return self._duration.distributions()

    def outputs(self) -> Iterator[tuple[Mapping[str, str], int]]:
        """Yield how many outputs there were by their labels: paradigm, model, unit."""
        samples = next(iter(self._outputs.collect())).samples
        return ((sample.labels, int(sample.value)) for sample in samples if sample.name.endswith("_total"))

    def over_budget(self, paradigm: str, budget: str) -> None:
        """Count a request that its caller's API key did not allow; no overload, so it is not among those shed."""
        self._over_budget.labels(paradigm, budget).inc()

    def record_refused(self, route: Route, transport: str, code: str, seconds: float, admitted: bool) -> None:
        """Count a request that never came to the proxy; `admitted` says whether its caller was let in."""
        refusal = "" if admitted else DENIED
        self.record(Observation(route, transport, UNKNOWN_MODEL, code, seconds, seconds, refusal=refusal))

    def record(self, seen: Observation) -> None:
        """Count a request that has ended."""
        route = seen.route
        request = (route.paradigm, seen.model, route.rpc, seen.transport)
        stream = (*request, "true" if route.streaming else "false")
        self._requests_of(*request, seen.code).inc()
        self._duration.of(*stream, seen.code).observe(seen.total_seconds, seen.trace_id)
        if seen.num_outputs:
            self._record_outputs(seen, stream)
        elif route.unit is not None and not seen.was_denied:
            self._without_output.labels(*request, seen.code).inc()
        if seen.code == "OK":
            self._record_finished(seen, stream)
        if seen.num_retries:
            self._retries.labels(route.paradigm).inc(seen.num_retries)
        if seen.refusal in SHED_REASONS:
            self._shed.labels(route.paradigm, seen.refusal).inc()

    def _record_outputs(self, seen: Observation, stream: Sequence[str]) -> None:
        route = seen.route
        self._outputs_of(route.paradigm, seen.model, route.unit).inc(seen.num_outputs)
        if seen.num_images:
            self._outputs_of(route.paradigm, seen.model, "image").inc(seen.num_images)
        self._first_output.of(*stream).observe(seen.first_output_seconds, seen.trace_id)
        if route.paradigm == SEQUENTIAL:
            self._first_token.of(*stream).observe(seen.first_output_seconds, seen.trace_id)

    def _record_finished(self, seen: Observation, stream: Sequence[str]) -> None:
        route = seen.route
        self._overhead.of(route.paradigm, route.rpc).observe(seen.gateway_seconds, seen.trace_id)
        for phase, seconds in seen.phases.items():
            self._phases.of(route.paradigm, seen.model, phase).observe(seconds, seen.trace_id)
        if route.paradigm != SEQUENTIAL or route.unit is None:
            return
        self._tokens.of(seen.model, "input").observe(seen.num_input_tokens)
        self._tokens.of(seen.model, "output").observe(seen.num_outputs)
        if seen.seconds_per_output is not None:
            self._per_token.of(*stream).observe(seen.seconds_per_output, seen.trace_id)
