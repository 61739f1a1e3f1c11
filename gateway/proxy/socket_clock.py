"""The module that tells Envoy's log when bytes came into its sockets and left: native/socket_clock.cpp says how.

Without it (no compiler, TLS, another Envoy or system) the proxy's clock begins when a request is parsed, and ends when
the reply is handed to its connection; nothing else changes.
"""

from __future__ import annotations

from pathlib import Path

from gateway.proxy import modules
from gateway.proxy.admin import GRPC
from gateway.proxy.native.build import socket_clock_recipe
from gateway.proxy.sent_times import SentTimes
from gateway.proxy.sockets import Sockets
from gateway.proxy.template import Json


def place(sockets: Sockets) -> Path | None:
    """Put the module and its file into the folder and return its path; None, and a line in the log, without one."""
    module = modules.place(socket_clock_recipe(), sockets, "times in the proxy's sockets are not measured")
    if module is not None:
        SentTimes.make(sockets.sent_times)
    return module


def add(bootstrap: Json, paradigms: tuple[str, ...], module: Path, sockets: Sockets) -> None:
    """Have the module read and write for the public gRPC listener, and for the paradigms' clusters without TLS."""
    resources = bootstrap["static_resources"]
    for cluster in resources["clusters"]:
        if cluster["name"] in paradigms and "transport_socket_matches" not in cluster:
            cluster["transport_socket"] = modules.transport_socket(module, "clock")
    for chain in (each["filter_chains"][0] for each in resources["listeners"] if each["name"] == GRPC):
        chain["transport_socket"] = modules.transport_socket(module, "clock")
        manager = chain["filters"][0]["typed_config"]
        manager["http_filters"] = [
            modules.http_filter(module, "clock", str(sockets.sent_times)),
            *manager["http_filters"],
        ]
