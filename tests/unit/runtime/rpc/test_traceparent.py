"""The header `traceparent`, good and bad, by the cases of W3C Trace Context."""

from __future__ import annotations

import pytest

from runtime.rpc.caller import metadata_of
from runtime.rpc.traceparent import TraceParent, parse_traceparent, sampled_trace_id

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("header", "is_sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"00-{TRACE}-{SPAN}-02", False),
        (f"cc-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-will-be", True),
    ],
)
def test_what_a_header_says(header: str, is_sampled: bool) -> None:
    assert parse_traceparent(header) == TraceParent(TRACE, SPAN, is_sampled)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00-1-2-03",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}٣-{SPAN}-01",
    ],
)
def test_a_malformed_header_is_none(header: str) -> None:
    assert parse_traceparent(header) is None
    assert sampled_trace_id(metadata_of([("traceparent", header)])) == ""


def test_a_call_belongs_to_the_one_trace_that_is_recorded() -> None:
    sampled, unsampled = ("traceparent", f"00-{TRACE}-{SPAN}-01"), ("traceparent", f"00-{TRACE}-{SPAN}-00")
    assert sampled_trace_id(metadata_of([("a", "b"), sampled])) == TRACE
    for entries in ([unsampled], [], [sampled, sampled]):
        assert sampled_trace_id(metadata_of(entries)) == ""
    assert sampled_trace_id(metadata_of([("traceparent", b"\xff")])) == ""
