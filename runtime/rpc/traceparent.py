"""The header `traceparent` of W3C Trace Context: which trace a request belongs to, and whether it is recorded."""

from __future__ import annotations

import re
from typing import NamedTuple

from runtime.rpc.caller import Metadata

TRACEPARENT_METADATA = "traceparent"
TRACESTATE_METADATA = "tracestate"
"""What tracing systems add of their own; it travels with the other, unread."""

_SAMPLED = 1
# Later versions may add fields; the first four stay as they are.
_HEADER = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_ONLY_VERSION, _NO_VERSION = "00", "ff"


class TraceParent(NamedTuple):
    """`trace_id` has 32 hexadecimal digits and `span_id`, that of the sender's span, 16; neither is all zeros."""

    trace_id: str
    span_id: str
    is_sampled: bool


def parse_traceparent(header: str) -> TraceParent | None:
    """Return what the header says, None if it is malformed: a trace then begins anew."""
    found = _HEADER.fullmatch(header)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    is_known = version != _NO_VERSION and not (version == _ONLY_VERSION and more)
    if not is_known or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceParent(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def sampled_trace_id(metadata: Metadata) -> str:
    """Return the trace that a call with this metadata belongs to; empty if there is none that is recorded.

    Several values count as none, because it is unclear which one is meant.
    """
    value = metadata.get(TRACEPARENT_METADATA)
    if not isinstance(value, str):
        return ""
    found = parse_traceparent(value)
    return found.trace_id if found is not None and found.is_sampled else ""
