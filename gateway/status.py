"""What is running, as plain data: backends, models, requests so far. Behind /status and the page.

Reads the gateway's own state and histograms; asks nobody.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from prometheus_client import Histogram

from gateway.backend import Backend
from gateway.metrics import GatewayMetrics
from gateway.permits import Permits
from gateway.quantiles import quantile
from runtime.server import RpcServer


class Status:
    """Everything that the page says of what runs; paradigms are keys of `backends` and of `permits`."""

    def __init__(
        self,
        backends: Mapping[str, Backend],
        permits: Mapping[str, Permits],
        metrics: GatewayMetrics,
        server: RpcServer,
    ) -> None:
        self._backends = backends
        self._permits = permits
        self._metrics = metrics
        self._server = server

    def readiness(self) -> dict[str, Any]:
        """Return whether the gateway is ready, and what is missing."""
        missing = {
            paradigm: backend.problem()
            for paradigm, backend in self._backends.items()
            if backend.is_configured and not backend.is_serving
        }
        return {"ready": self._server.health.ready, "missing": missing}

    def report(self) -> dict[str, Any]:
        """Return the whole of it."""
        paradigms = [self._paradigm(paradigm, backend) for paradigm, backend in self._backends.items()]
        return {**self.readiness(), "grpc_port": self._server.port, "paradigms": paradigms}

    def _paradigm(self, paradigm: str, backend: Backend) -> dict[str, Any]:
        return {
            "paradigm": paradigm,
            "service": backend.service,
            "configured": backend.is_configured,
            "serving": backend.is_serving,
            "in_flight": self._permits[paradigm].in_flight,
            "replicas": [
                {"target": replica.target, "state": replica.state.name.lower(), "in_flight": replica.in_flight}
                for replica in backend.replicas
            ],
            "models": list(
                {model.name: _described(model) for each in backend.replicas for model in each.models}.values()
            ),
            "rpcs": self._rpcs(paradigm),
        }

    def _rpcs(self, paradigm: str) -> list[dict[str, Any]]:
        codes = self._metrics.requests_by_rpc_and_code(paradigm)
        buckets = _finished_buckets(self._metrics.duration, paradigm)
        return [
            {
                "rpc": rpc,
                "requests": dict(sorted(codes[rpc].items())),
                "p50_seconds": quantile(0.50, buckets[rpc]),
                "p95_seconds": quantile(0.95, buckets[rpc]),
            }
            for rpc in sorted(codes)
        ]


def _described(model: Any) -> dict[str, Any]:
    """Return what the model's backend lists, with two words that both services have in common."""
    fields = model.DESCRIPTOR.fields_by_name
    return {
        **json_format.MessageToDict(model, preserving_proto_field_name=True),
        "makes": model.modality if "modality" in fields else "image",
        "runs_on": f"{model.device} {model.dtype}" if "device" in fields else ", ".join(model.providers),
    }


def _finished_buckets(histogram: Histogram, paradigm: str) -> dict[str, dict[float, float]]:
    """Return cumulative counts by bound for each rpc, of the requests that ended with OK."""
    buckets: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for metric in histogram.collect():
        for sample in metric.samples:
            labels = sample.labels
            if "le" in labels and labels["paradigm"] == paradigm and labels["code"] == "OK":
                buckets[labels["rpc"]][float(labels["le"])] += sample.value
    return buckets
