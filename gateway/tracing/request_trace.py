"""To which trace a request belongs, from the headers in its log entry. Knows nothing of OpenTelemetry's SDK."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from runtime.rpc.metadata import TRACEPARENT_METADATA, TRACESTATE_METADATA, parse_traceparent

PARENT_METADATA = "tandem-traceparent"
"""Header with the `traceparent` that the caller sent: Envoy replaces the other where it traces."""

MAX_STATE_LENGTH = 512
"""Characters of a `tracestate` that are passed on; a longer one is left out, as the standard allows."""


_UNRECORDED, _LENGTH = "-00", 55
"""How a header of this version ends that says so, and how long it is."""


class RequestTrace(NamedTuple):
    """A recorded trace with a request in it: 32 hexadecimal digits, and 16 each for two spans."""

    trace_id: str
    span_id: str = ""
    """The request's own span; empty if it has no name yet."""
    parent_id: str = ""
    """The caller's; empty if the trace begins with the request."""
    state: str = ""
    """The header `tracestate`."""


def recorded_trace(headers: Mapping[str, str]) -> RequestTrace | None:
    """Return the trace that a request was sent on with; None if there is none, or if it is not recorded."""
    header = headers.get(TRACEPARENT_METADATA, "")
    if not header or (header.endswith(_UNRECORDED) and len(header) == _LENGTH):
        return None  # as of most requests where a share is recorded: these must cost next to nothing
    sent = parse_traceparent(header)
    if sent is None or not sent.is_sampled:
        return None
    parent = parse_traceparent(headers.get(PARENT_METADATA, ""))
    parent_id = parent.span_id if parent is not None and parent.trace_id == sent.trace_id else ""
    span_id = "" if sent.span_id == parent_id else sent.span_id
    return RequestTrace(sent.trace_id, span_id, parent_id, headers.get(TRACESTATE_METADATA, ""))


def context_to_pass_on(metadata: Iterable[tuple[str, str | bytes]], key: str) -> tuple[tuple[str, str], ...]:
    """Return a caller's trace context for a call that is made on its behalf; `key` has its `traceparent`.

    What is malformed or not fit for metadata is left out.
    """
    found = {name: value for name, value in metadata if name in (key, TRACESTATE_METADATA) and isinstance(value, str)}
    traceparent, state = found.get(key, ""), found.get(TRACESTATE_METADATA, "")
    if parse_traceparent(traceparent) is None:
        return ()
    is_fit = 0 < len(state) <= MAX_STATE_LENGTH and state.isascii() and state.isprintable()
    return ((TRACEPARENT_METADATA, traceparent), *(((TRACESTATE_METADATA, state),) if is_fit else ()))
