"""The module that tells Envoy's log when bytes came into its sockets and left: native/socket_clock.cpp says how.

Without it (no compiler, TLS, another Envoy or system) the proxy's clock begins when a request is parsed, and ends when
the reply is handed to its connection; nothing else changes.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from gateway.proxy.binary import packaged_version
from gateway.proxy.native.build import socket_clock_recipe
from gateway.proxy.sent_times import SentTimes
from gateway.proxy.sockets import Sockets
from gateway.proxy.template import Json
from runtime.compiled.library_file import copy_library
from runtime.compiled.opening import open_compiled
from runtime.compiled.recipe import LibraryUnavailable
from runtime.settings import cache_folder

logger = logging.getLogger(__name__)

_ENVOY = "1.40."
"""The interface of modules is of one version of Envoy."""

_EXTENSIONS = "type.googleapis.com/envoy.extensions"
_LISTENER = "grpc"


def place(sockets: Sockets) -> Path | None:
    """Put the module and its file into the folder and return its path; None, and a line in the log, without one."""
    if sys.platform != "linux" or not packaged_version().startswith(_ENVOY):
        logger.warning("times in the proxy's sockets are not measured: that needs Linux and Envoy %s", _ENVOY)
        return None
    module = sockets.folder / "socket_clock.so"
    try:
        open_compiled(cache_folder() / "kernels", socket_clock_recipe(), lambda path: copy_library(path, module))
    except LibraryUnavailable as error:
        logger.warning("times in the proxy's sockets are not measured: %s", error)
        return None
    SentTimes.make(sockets.sent_times)
    return module


def add(bootstrap: Json, paradigms: tuple[str, ...], module: Path, sockets: Sockets) -> None:
    """Have the module read and write for the public gRPC listener, and for the paradigms' clusters without TLS."""
    resources = bootstrap["static_resources"]
    for cluster in resources["clusters"]:
        if cluster["name"] in paradigms and "transport_socket_matches" not in cluster:
            cluster["transport_socket"] = _socket(module)
    for chain in (each["filter_chains"][0] for each in resources["listeners"] if each["name"] == _LISTENER):
        chain["transport_socket"] = _socket(module)
        manager = chain["filters"][0]["typed_config"]
        manager["http_filters"] = [_filter(module, sockets), *manager["http_filters"]]


def _socket(module: Path) -> Json:
    kind = f"{_EXTENSIONS}.transport_sockets.dynamic_modules.v3.DynamicModuleTransportSocket"
    config = {"@type": kind, "dynamic_module_config": _loaded(module), "transport_socket_name": "clock"}
    return {"name": "envoy.transport_sockets.dynamic_modules", "typed_config": config}


def _filter(module: Path, sockets: Sockets) -> Json:
    kind = f"{_EXTENSIONS}.filters.http.dynamic_modules.v3.DynamicModuleFilter"
    path = {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": str(sockets.sent_times)}
    config = {"@type": kind, "dynamic_module_config": _loaded(module), "filter_name": "clock", "filter_config": path}
    return {"name": "envoy.filters.http.dynamic_modules", "typed_config": config}


def _loaded(module: Path) -> Json:
    return {"module": {"local": {"filename": str(module)}}}
