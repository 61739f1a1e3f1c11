"""Which trace a request belongs to, by the headers that Envoy logs; what is passed on of a caller's."""

from __future__ import annotations

import pytest

from gateway.tracing.request_trace import MAX_STATE_LENGTH, RequestTrace, context_to_pass_on, recorded_trace

TRACE, CALLERS, OWN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"
SENT, NAMED = f"00-{TRACE}-{CALLERS}-01", f"00-{TRACE}-{OWN}-01"


@pytest.mark.parametrize(
    ("headers", "trace"),
    [
        ({"traceparent": NAMED}, RequestTrace(TRACE, OWN)),
        ({"traceparent": NAMED, "tandem-traceparent": SENT}, RequestTrace(TRACE, OWN, CALLERS)),
        ({"traceparent": SENT, "tandem-traceparent": SENT}, RequestTrace(TRACE, "", CALLERS)),
        ({"traceparent": NAMED, "tandem-traceparent": "nonsense"}, RequestTrace(TRACE, OWN)),
        ({"traceparent": NAMED, "tandem-traceparent": SENT.replace("0af", "0bf")}, RequestTrace(TRACE, OWN)),
        ({"traceparent": NAMED, "tracestate": "a=b"}, RequestTrace(TRACE, OWN, "", "a=b")),
        ({"traceparent": NAMED[:-1] + "0", "tandem-traceparent": SENT}, None),
        ({"traceparent": NAMED[:-1] + "2", "tandem-traceparent": SENT}, None),
        ({"traceparent": "nonsense", "tandem-traceparent": "nonsense"}, None),
        ({}, None),
    ],
)
def test_the_trace_of_a_request(headers: dict[str, str], trace: RequestTrace | None) -> None:
    assert recorded_trace(headers) == trace


@pytest.mark.parametrize(
    ("state", "is_fit"),
    [
        ("a=b,c=d", True),
        ("", False),
        ("x" * MAX_STATE_LENGTH, True),
        ("x" * (MAX_STATE_LENGTH + 1), False),
        ("a=\u00fc", False),
        ("a=\n", False),
    ],
)
def test_a_callers_context_is_passed_on_as_far_as_it_is_fit_for_metadata(state: str, is_fit: bool) -> None:
    passed = context_to_pass_on([("a", "b"), ("traceparent", SENT), ("tracestate", state)], "traceparent")
    assert passed == (("traceparent", SENT), *([("tracestate", state)] if is_fit else []))


def test_a_context_that_is_malformed_or_of_another_header_is_not_passed_on() -> None:
    assert context_to_pass_on([("traceparent", "nonsense"), ("tracestate", "a=b")], "traceparent") == ()
    assert context_to_pass_on([("traceparent", SENT)], "tandem-traceparent") == ()
