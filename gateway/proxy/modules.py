"""Our modules in Envoy: compiled where the gateway runs, and loaded by the configuration that refers to them.

native/socket_clock.cpp tells the log when bytes came into Envoy's sockets and left. Without it (no compiler, TLS,
another Envoy or system) the proxy's clock begins when a request is parsed, and ends when the reply is handed to its
connection. native/caller_shares.cpp bounds what one caller takes of the proxy. Without it all callers share one bound,
which one of them can use up.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from gateway.proxy.admin import GRPC, HTTP
from gateway.proxy.binary import packaged_version
from gateway.proxy.native.build import caller_shares_recipe, socket_clock_recipe
from gateway.proxy.sent_times import SentTimes
from gateway.proxy.sockets import Sockets
from gateway.proxy.template import Json
from gateway.settings import GatewaySettings
from tandem.shared.cache_folder import cache_folder
from tandem.shared.compiled.library_file import copy_library
from tandem.shared.compiled.opening import open_compiled
from tandem.shared.compiled.recipe import LibraryUnavailable, Recipe

logger = logging.getLogger(__name__)

_ENVOY = "1.40."
"""The interface of modules is of one version of Envoy."""

_EXTENSIONS = "type.googleapis.com/envoy.extensions"

REQUEST_BYTES = 512 << 20
"""What the requests in flight may hold together: half of the heap that envoy.yaml allows."""


def _place(recipe: Recipe, sockets: Sockets, without: str) -> Path | None:
    """Put the module into the folder and return its path; None, and the line `without` in the log, without one."""
    if sys.platform != "linux" or not packaged_version().startswith(_ENVOY):
        logger.warning("%s: that needs Linux and Envoy %s", without, _ENVOY)
        return None
    module = sockets.folder / f"{recipe.units[0].removesuffix('.cpp')}.so"
    try:
        open_compiled(cache_folder() / "kernels", recipe, lambda path: copy_library(path, module))
    except LibraryUnavailable as error:
        logger.warning("%s: %s", without, error)
        return None
    return module


def place_clock(sockets: Sockets) -> Path | None:
    """Put the clock's module and its file into the folder and return its path; None, and a log line, without one."""
    module = _place(socket_clock_recipe(), sockets, "times in the proxy's sockets are not measured")
    if module is not None:
        SentTimes.make(sockets.sent_times)
    return module


def add_clock(bootstrap: Json, paradigms: tuple[str, ...], module: Path, sockets: Sockets) -> None:
    """Have the module read and write for the public gRPC listener, and for the paradigms' clusters without TLS."""
    resources = bootstrap["static_resources"]
    for cluster in resources["clusters"]:
        if cluster["name"] in paradigms and "transport_socket_matches" not in cluster:
            cluster["transport_socket"] = _transport_socket(module, "clock")
    for listener in resources["listeners"]:
        if listener["name"] == GRPC:
            [chain] = listener["filter_chains"]
            chain["transport_socket"] = _transport_socket(module, "clock")
            manager = chain["filters"][0]["typed_config"]
            clock = _http_filter(module, "clock", str(sockets.sent_times))
            manager["http_filters"] = [clock, *manager["http_filters"]]


def place_shares(sockets: Sockets) -> Path | None:
    """Put the shares' module into the folder and return its path; None, and a line in the log, without one."""
    return _place(caller_shares_recipe(), sockets, "one caller can use up what the gateway has for all")


def add_shares(bootstrap: Json, settings: GatewaySettings, module: Path) -> None:
    """Have the module count for both public listeners: requests after their key is known, keys before."""
    most = (settings.max_connections, settings.max_in_flight, REQUEST_BYTES, settings.max_caller_share)
    shares = _http_filter(module, "shares", " ".join(map(str, most)))
    keys = [_http_filter(module, "keys", "")] if settings.api_keys_file else []
    for listener in bootstrap["static_resources"]["listeners"]:
        if listener["name"] in (GRPC, HTTP):
            filters = listener["filter_chains"][0]["filters"]
            before = filters[0]["typed_config"]["http_filters"]
            at = next(place for place, found in enumerate(before) if found["name"] == "envoy.filters.http.buffer")
            filters[0]["typed_config"]["http_filters"] = [*keys, *before[:at], shares, *before[at:]]
            network = "network", "filters.network.dynamic_modules.v3.DynamicModuleNetworkFilter"
            filters.insert(0, _filter(*network, module, "connections", ""))


def _transport_socket(module: Path, name: str) -> Json:
    """Return the transport socket `name` of a module."""
    kind = f"{_EXTENSIONS}.transport_sockets.dynamic_modules.v3.DynamicModuleTransportSocket"
    config = {"@type": kind, "dynamic_module_config": _load(module), "transport_socket_name": name}
    return {"name": "envoy.transport_sockets.dynamic_modules", "typed_config": config}


def _http_filter(module: Path, name: str, text: str) -> Json:
    """Return the HTTP filter `name` of a module, which `text` configures."""
    return _filter("http", "filters.http.dynamic_modules.v3.DynamicModuleFilter", module, name, text)


def _filter(layer: str, kind: str, module: Path, name: str, text: str) -> Json:
    value = {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text}
    own = {"dynamic_module_config": _load(module), "filter_name": name, "filter_config": value}
    return {"name": f"envoy.filters.{layer}.dynamic_modules", "typed_config": {"@type": f"{_EXTENSIONS}.{kind}", **own}}


def _load(module: Path) -> Json:
    return {"module": {"local": {"filename": str(module)}}}
