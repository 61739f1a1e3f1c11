"""The module that bounds what one caller takes of the proxy: native/caller_shares.cpp says what that is.

Without it (no compiler, another Envoy or system) all callers share one bound, which one of them can use up.
"""

from __future__ import annotations

from pathlib import Path

from gateway.proxy import modules
from gateway.proxy.admin import GRPC, HTTP
from gateway.proxy.native.build import caller_shares_recipe
from gateway.proxy.sockets import Sockets
from gateway.proxy.template import Json
from gateway.settings import GatewaySettings

REQUEST_BYTES = 512 << 20
"""What the requests in flight may hold together: half of the heap that envoy.yaml allows."""


def place(sockets: Sockets) -> Path | None:
    """Put the module into the folder and return its path; None, and a line in the log, without one."""
    return modules.place(caller_shares_recipe(), sockets, "one caller can use up what the gateway has for all")


def add(bootstrap: Json, settings: GatewaySettings, module: Path) -> None:
    """Have the module count for both public listeners: requests after their key is known, keys before."""
    most = (settings.max_connections, settings.max_in_flight, REQUEST_BYTES, settings.max_caller_share)
    shares = modules.http_filter(module, "shares", " ".join(map(str, most)))
    keys = [modules.http_filter(module, "keys", "")] if settings.api_keys_file else []
    for listener in bootstrap["static_resources"]["listeners"]:
        if listener["name"] in (GRPC, HTTP):
            filters = listener["filter_chains"][0]["filters"]
            before = filters[0]["typed_config"]["http_filters"]
            at = next(place for place, each in enumerate(before) if each["name"] == "envoy.filters.http.buffer")
            filters[0]["typed_config"]["http_filters"] = [*keys, *before[:at], shares, *before[at:]]
            filters.insert(0, modules.network_filter(module, "connections"))
