"""Where a call's time went, as its reply says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timings:
    """The backend's own account of a request, in seconds; phases that the paradigm does not have are 0.

    Sequential: queue, prefill, decode. Parallel: queue, batch_wait, compute. `encode_seconds` is the translation of the
    request into the model's input and of its output into the reply. `mean_batch_size` >= 1: sequences a decode step, or
    images a pass, this request's own included.
    """

    queue_seconds: float = 0.0
    prefill_seconds: float = 0.0
    batch_wait_seconds: float = 0.0
    decode_seconds: float = 0.0
    compute_seconds: float = 0.0
    encode_seconds: float = 0.0
    total_seconds: float = 0.0
    mean_batch_size: float = 1.0


@dataclass(frozen=True)
class GatewayTimings:
    """The gateway's account, in seconds: its own share of the call, and the whole from receipt to status."""

    gateway_seconds: float
    total_seconds: float


def gateway_timings(trailers: Iterable[tuple[str, str | bytes]] | None) -> GatewayTimings | None:
    """Return what the trailing metadata says; None when a backend was called without a gateway."""
    values = {key: value for key, value in trailers or () if key.startswith("tandem-")}
    try:
        return GatewayTimings(float(values["tandem-gateway-seconds"]), float(values["tandem-total-seconds"]))
    except (KeyError, ValueError):
        return None
