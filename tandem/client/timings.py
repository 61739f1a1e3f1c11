"""Where a call's time went inside the backend, as its reply says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timings:
    """The backend's own account of a request, in seconds; phases that the paradigm does not have are 0.

    The account begins with `queue_seconds`, at the request's arrival: at the gateway's proxy, or at the backend where
    that is called alone. What a caller waited beyond `total_seconds` went to the proxy, the network and the caller.
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
