"""Each entry of Envoy's log becomes one record in the metrics, a line at level DEBUG, and a charge to the caller."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.envoy.access_log_pb2 import HTTPAccessLogEntry
from gateway.figures.log_entry import upstream_of
from gateway.figures.metrics import GatewayMetrics
from gateway.figures.model_statistics import ModelStatistics
from gateway.figures.observation import UNKNOWN_MODEL, Observation, observe
from gateway.tracing.request_trace import recorded_trace
from runtime.rpc.metadata import CALLER_METADATA
from runtime.rpc.routes import Route, all_routes
from tandem.common.v1.served_pb2 import Served

if TYPE_CHECKING:  # brings the SDK, which is loaded only where something is traced
    from gateway.tracing.tracer import Tracer

logger = logging.getLogger(__name__)
request_logger = logging.getLogger(f"{__package__}.request_log")
"""At level DEBUG it has a line for each request that has ended, without prompt, output, key and caller."""

MAX_MODELS = 100
"""Names that become labels; backends choose them, and one gone wrong must not fill Prometheus."""

Charge = Callable[[str, Route, int, int], None]
"""Takes a caller's identifier, the route, what has gone out in its units, and the images made of its tokens."""


class Recorder:
    """Counts entries; `charge` is called at most once a request, for callers who are known by a key.

    Without a `tracer` traces that callers began are named in the metrics all the same.
    """

    def __init__(
        self, metrics: GatewayMetrics, charge: Charge, statistics: ModelStatistics, tracer: Tracer | None = None
    ) -> None:
        self._metrics = metrics
        self._statistics = statistics
        self._charge = charge
        self._tracer = tracer
        self._trace_of = recorded_trace if tracer is None else tracer.trace_of
        self._routes = {route.path: route for route in all_routes()}
        self._models: set[str] = set()

    def record(self, raw: HTTPAccessLogEntry, served: Served | None) -> None:
        """Count an entry with what its backend served, None if that is not known.

        Methods that there are not are not counted. What is wrong with one entry must not lose the others.
        """
        try:
            if route := self._routes.get(raw.request.path):
                self._record(raw, route, served)
        except Exception:
            logger.exception("an entry of the log cannot be counted")

    def _record(self, raw: HTTPAccessLogEntry, route: Route, served: Served | None) -> None:
        headers = raw.request.request_headers
        trace = self._trace_of(headers)
        model = self._label(served.model if served else "")
        seen = observe(raw, route, model, served, trace.trace_id if trace else "")
        self._metrics.record(seen)
        self._statistics.record(seen)
        _log_request(raw, seen)
        caller = headers.get(CALLER_METADATA, "")
        if caller and (seen.num_outputs or seen.num_images):
            self._charge(caller, route, seen.num_outputs, seen.num_images)
        if trace is not None and self._tracer is not None:
            self._tracer.record(raw, seen, trace)

    def _label(self, model: str) -> str:
        if model in self._models:
            return model
        if not model or len(self._models) >= MAX_MODELS:
            return UNKNOWN_MODEL
        self._models.add(model)
        return model


def _log_request(raw: HTTPAccessLogEntry, seen: Observation) -> None:
    """Write the line: the message is for people, the extra fields are for programs."""
    if not request_logger.isEnabledFor(logging.DEBUG):
        return
    parts = ", ".join(f"{name} {seconds * 1e3:.2f}" for name, seconds in seen.phases.items())
    request_logger.debug(
        "%s of %s: %s after %.2f ms%s",
        seen.route.rpc,
        seen.model,
        seen.code,
        seen.total_seconds * 1e3,
        f" ({parts})" if parts else "",
        extra={
            "request_id": raw.request.request_id,
            "trace_id": seen.trace_id,
            "rpc": seen.route.rpc,
            "model": seen.model,
            "code": seen.code,
            "transport": seen.transport,
            "replica": upstream_of(raw),
            "seconds": seen.total_seconds,
            "phases": dict(seen.phases),
            "mean_batch_size": seen.mean_batch_size,
            "outputs": seen.num_outputs,
            "retries": seen.num_retries,
            "refusal": seen.refusal,
        },
    )
