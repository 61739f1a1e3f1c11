"""How long a call took to reach its handler: the proxy in front sends the time at which the request arrived.

What passes before a handler runs, in sockets and in the server's event loop, cannot be seen from the handler. The
proxy's wall clock is compared with this machine's, so between machines the figure is as good as their clocks agree.
"""

from __future__ import annotations

import re

from runtime.rpc.caller import Metadata

ARRIVED_METADATA = "tandem-arrived"
"""Metadata key: when the request arrived at the proxy, seconds since the epoch with up to nine decimals."""

MAX_WAIT_SECONDS = 600.0

_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)


def arrival_wait_seconds(metadata: Metadata, now: float) -> float:
    """Return how long before `now` (wall clock) the request arrived at the proxy, 0 to `MAX_WAIT_SECONDS`.

    It is 0 unless the metadata has exactly one well-formed time that is neither 0 nor in the future.
    """
    value = metadata.get(ARRIVED_METADATA)
    if not isinstance(value, str) or not _SECONDS.fullmatch(value):
        return 0.0
    arrived = float(value)
    return min(max(0.0, now - arrived), MAX_WAIT_SECONDS) if arrived else 0.0
