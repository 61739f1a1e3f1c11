"""Requests that have ended, as the metrics see them."""

from __future__ import annotations

from typing import Any

from gateway.figures.observation import Observation
from runtime.rpc.routes import all_routes

ROUTES = {route.rpc: route for route in all_routes()}


def observation(rpc: str = "Sample", **fields: Any) -> Observation:
    """Return one that ended well after 0.1 s, without outputs, but for what is said."""
    plain = {"transport": "grpc", "model": "m", "code": "OK", "total_seconds": 0.1, "gateway_seconds": 0.001}
    return Observation(ROUTES[rpc], **{**plain, **fields})
