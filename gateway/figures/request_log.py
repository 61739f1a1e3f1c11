"""A line in the log for each request that has ended, at level DEBUG: how it ended and where its time went.

A line has no prompt, no output, no key and no caller. Counts nothing.
"""

from __future__ import annotations

import logging

from gateway.envoy.access_log_pb2 import HTTPAccessLogEntry
from gateway.figures.log_entry import upstream_of
from gateway.figures.observation import Observation

logger = logging.getLogger(__name__)


def log_request(raw: HTTPAccessLogEntry, seen: Observation) -> None:
    """Write the line: the message is for people, the extra fields are for programs."""
    if not logger.isEnabledFor(logging.DEBUG):
        return
    parts = ", ".join(f"{name} {seconds * 1e3:.2f}" for name, seconds in seen.phases.items())
    logger.debug(
        "%s of %s: %s after %.2f ms%s",
        seen.route.rpc,
        seen.model,
        seen.code,
        seen.total_seconds * 1e3,
        f" ({parts})" if parts else "",
        extra={
            "request_id": raw.request.request_id,
            "trace_id": seen.trace_id,
            "rpc": seen.route.rpc,
            "model": seen.model,
            "code": seen.code,
            "transport": seen.transport,
            "replica": upstream_of(raw),
            "seconds": seen.total_seconds,
            "phases": dict(seen.phases),
            "mean_batch_size": seen.mean_batch_size,
            "outputs": seen.num_outputs,
            "retries": seen.num_retries,
            "refusal": seen.refusal,
        },
    )
