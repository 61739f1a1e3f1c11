"""What is running, as plain data: backends, models, requests so far. Behind /status and the page.

Reads what the gateway knows already, and makes no calls.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from google.protobuf import json_format

from gateway.figures.metrics import GatewayMetrics
from gateway.figures.replicas import Replica, Replicas
from runtime.histogram import Distribution
from runtime.rpc.routes import SERVICES
from runtime.server.server import RpcServer
from tandem.shared.metrics import SECONDS_BUCKETS


class Status:
    """Everything that the page says of what runs; `server` knows the gRPC port and the gateway's own health."""

    def __init__(self, replicas: Replicas, metrics: GatewayMetrics, server: RpcServer) -> None:
        self._replicas = replicas
        self._metrics = metrics
        self._server = server

    def readiness(self) -> dict[str, Any]:
        """Return whether the gateway is ready, and what is missing."""
        return {"ready": self._server.health.ready, "missing": self._replicas.missing()}

    def report(self) -> dict[str, Any]:
        """Return the whole of it."""
        paradigms = [self._paradigm(paradigm) for paradigm in SERVICES]
        return {**self.readiness(), "grpc_port": self._server.port, "paradigms": paradigms}

    def _paradigm(self, paradigm: str) -> dict[str, Any]:
        return {
            "paradigm": paradigm,
            "service": SERVICES[paradigm].full_name,
            "configured": self._replicas.is_configured(paradigm),
            "serving": self._replicas.is_serving(paradigm),
            "in_flight": self._replicas.in_flight(paradigm),
            "replicas": [_state(replica) for replica in self._replicas.members(paradigm)],
            "models": [_describe(model) for model in self._replicas.models(paradigm)],
            "rpcs": self._rpcs(paradigm),
        }

    def _rpcs(self, paradigm: str) -> list[dict[str, Any]]:
        requests: dict[str, Counter[str]] = defaultdict(Counter)
        finished: dict[str, Distribution] = defaultdict(lambda: Distribution(SECONDS_BUCKETS))
        for labels, durations in self._metrics.durations():
            if labels["paradigm"] == paradigm:
                requests[labels["rpc"]][labels["code"]] += durations.num_observed
                if labels["code"] == "OK":
                    finished[labels["rpc"]].add(durations)
        return [
            {
                "rpc": rpc,
                "requests": dict(sorted(requests[rpc].items())),
                "p50_seconds": finished[rpc].quantile(0.50),
                "p95_seconds": finished[rpc].quantile(0.95),
            }
            for rpc in sorted(requests)
        ]


def _state(replica: Replica) -> dict[str, Any]:
    return {
        "target": replica.state.address,
        "state": "serving" if replica.state.is_serving else "not_ready",
        "in_flight": replica.state.num_active,
        "models": [model.name for model in replica.models or ()],
    }


def _describe(model: Any) -> dict[str, Any]:
    """Return what the model's backend lists, with two words that both services have in common."""
    fields = model.DESCRIPTOR.fields_by_name
    is_sequential = "device" in fields
    runs_on = (model.device, model.dtype) if is_sequential else (", ".join(model.providers), model.runtime.precision)
    return {
        **json_format.MessageToDict(model, preserving_proto_field_name=True),
        "makes": model.modality if "modality" in fields else "image",
        "runs_on": " ".join(runs_on).rstrip(),
    }
