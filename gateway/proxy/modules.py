"""Our modules in Envoy: compiled where the gateway runs, and loaded by the configuration that refers to them.

native/socket_clock.cpp tells the log when bytes came into Envoy's sockets and left. Without it (no compiler, TLS,
another Envoy or system) the proxy's clock begins when a request is parsed, and ends when the reply is handed to its
connection. native/caller_shares.cpp bounds what one caller takes of the proxy. Without it all callers share one bound,
which one of them can use up. native/affinity.cpp sends each request to a replica that has its model, and prompts that
begin alike to the same one. Without it each request goes where the fewest are in flight.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from gateway.proxy.binary import packaged_version
from gateway.proxy.native.build import AFFINITY, CLOCK, SHARES
from gateway.proxy.sent_times import SentTimes
from gateway.proxy.sockets import Sockets
from tandem.shared.cache_folder import cache_folder
from tandem.shared.compiled.library import open_compiled, place_library
from tandem.shared.compiled.recipe import LibraryUnavailable, Recipe

logger = logging.getLogger(__name__)

_ENVOY = "1.40."
"""The interface of modules is of one version of Envoy."""


def _place(recipe: Recipe, sockets: Sockets, without: str) -> Path | None:
    """Put the module into the folder and return its path; None, and the line `without` in the log, without one."""
    if sys.platform != "linux" or not packaged_version().startswith(_ENVOY):
        logger.warning("%s: that needs Linux and Envoy %s", without, _ENVOY)
        return None
    module = sockets.folder / f"{recipe.units[0].removesuffix('.cpp')}.so"
    try:
        return open_compiled(cache_folder() / "kernels", recipe, lambda path: place_library(path, module))
    except LibraryUnavailable as error:
        logger.warning("%s: %s", without, error)
        return None


def place_clock(sockets: Sockets) -> Path | None:
    """Put the clock's module and its file into the folder and return its path; None, and a log line, without one."""
    module = _place(CLOCK, sockets, "times in the proxy's sockets are not measured")
    if module is not None:
        SentTimes.make(sockets.sent_times)
    return module


def place_shares(sockets: Sockets) -> Path | None:
    """Put the shares' module into the folder and return its path; None, and a line in the log, without one."""
    return _place(SHARES, sockets, "one caller can use up what the gateway has for all")


def place_affinity(sockets: Sockets) -> Path | None:
    """Put the module that chooses replicas into the folder and return its path; None, and a line in the log, without
    one.
    """
    return _place(AFFINITY, sockets, "a request goes to any replica, whatever its model and its prompt")
