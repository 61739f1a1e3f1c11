"""Our modules in Envoy: compiled where the gateway runs, and loaded by the configuration that refers to them."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from gateway.proxy.binary import packaged_version
from gateway.proxy.sockets import Sockets
from gateway.proxy.template import Json
from tandem.shared.cache_folder import cache_folder
from tandem.shared.compiled.library_file import copy_library
from tandem.shared.compiled.opening import open_compiled
from tandem.shared.compiled.recipe import LibraryUnavailable, Recipe

logger = logging.getLogger(__name__)

_ENVOY = "1.40."
"""The interface of modules is of one version of Envoy."""

_EXTENSIONS = "type.googleapis.com/envoy.extensions"


def place(recipe: Recipe, sockets: Sockets, without: str) -> Path | None:
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


def transport_socket(module: Path, name: str) -> Json:
    """Return the transport socket `name` of a module."""
    kind = f"{_EXTENSIONS}.transport_sockets.dynamic_modules.v3.DynamicModuleTransportSocket"
    config = {"@type": kind, "dynamic_module_config": _loaded(module), "transport_socket_name": name}
    return {"name": "envoy.transport_sockets.dynamic_modules", "typed_config": config}


def http_filter(module: Path, name: str, text: str) -> Json:
    """Return the HTTP filter `name` of a module, which `text` configures."""
    return _filter("http", "filters.http.dynamic_modules.v3.DynamicModuleFilter", module, name, text)


def network_filter(module: Path, name: str) -> Json:
    """Return the network filter `name` of a module."""
    return _filter("network", "filters.network.dynamic_modules.v3.DynamicModuleNetworkFilter", module, name, "")


def _filter(layer: str, kind: str, module: Path, name: str, text: str) -> Json:
    value = {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text}
    own = {"dynamic_module_config": _loaded(module), "filter_name": name, "filter_config": value}
    return {"name": f"envoy.filters.{layer}.dynamic_modules", "typed_config": {"@type": f"{_EXTENSIONS}.{kind}", **own}}


def _loaded(module: Path) -> Json:
    return {"module": {"local": {"filename": str(module)}}}
