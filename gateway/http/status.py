"""What is running, as plain data: backends, models, requests so far. Behind /status and the page.

Reads what the gateway knows already; asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from google.protobuf import json_format

from gateway.figures.models import Models
from gateway.figures.quantiles import quantile
from gateway.figures.replicas import Replicas
from runtime.routes import SERVICES
from runtime.server import RpcServer


class RequestFigures(Protocol):
    """What is counted of a paradigm's requests, by rpc."""

    def requests_by_rpc_and_code(self, paradigm: str) -> Mapping[str, Mapping[str, int]]: ...

    def finished_buckets(self, paradigm: str) -> Mapping[str, Mapping[float, float]]: ...


class Status:
    """Everything that the page says of what runs; `server` knows the gRPC port and the gateway's own health."""

    def __init__(self, replicas: Replicas, models: Models, figures: RequestFigures, server: RpcServer) -> None:
        self._replicas = replicas
        self._models = models
        self._figures = figures
        self._server = server

    def readiness(self) -> dict[str, Any]:
        """Return whether the gateway is ready, and what is missing."""
        missing = {
            paradigm: self._replicas.problem(paradigm)
            for paradigm in SERVICES
            if self._replicas.is_configured(paradigm) and not self._replicas.is_serving(paradigm)
        }
        return {"ready": self._server.health.ready, "missing": missing}

    def report(self) -> dict[str, Any]:
        """Return the whole of it."""
        paradigms = [self._paradigm(paradigm) for paradigm in SERVICES]
        return {**self.readiness(), "grpc_port": self._server.port, "paradigms": paradigms}

    def _paradigm(self, paradigm: str) -> dict[str, Any]:
        replicas = self._replicas.of(paradigm)
        return {
            "paradigm": paradigm,
            "service": SERVICES[paradigm].full_name,
            "configured": self._replicas.is_configured(paradigm),
            "serving": self._replicas.is_serving(paradigm),
            "in_flight": self._replicas.in_flight(paradigm),
            "replicas": [
                {
                    "target": replica.address,
                    "state": "serving" if replica.is_serving else "not_ready",
                    "in_flight": replica.num_active,
                }
                for replica in replicas
            ],
            "models": [_described(model) for model in self._models.of(paradigm)],
            "rpcs": self._rpcs(paradigm),
        }

    def _rpcs(self, paradigm: str) -> list[dict[str, Any]]:
        codes = self._figures.requests_by_rpc_and_code(paradigm)
        buckets = self._figures.finished_buckets(paradigm)
        return [
            {
                "rpc": rpc,
                "requests": dict(sorted(codes[rpc].items())),
                "p50_seconds": quantile(0.50, buckets.get(rpc, {})),
                "p95_seconds": quantile(0.95, buckets.get(rpc, {})),
            }
            for rpc in sorted(codes)
        ]


def _described(model: Any) -> dict[str, Any]:
    """Return what the model's backend lists, with two words that both services have in common."""
    fields = model.DESCRIPTOR.fields_by_name
    return {
        **json_format.MessageToDict(model, preserving_proto_field_name=True),
        "makes": model.modality if "modality" in fields else "image",
        "runs_on": f"{model.device} {model.dtype}" if "device" in fields else _parallel_runs_on(model),
    }


def _parallel_runs_on(model: Any) -> str:
    return f"{', '.join(model.providers)} {model.runtime.precision}".rstrip()
