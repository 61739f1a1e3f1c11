"""What is read from an entry of Envoy's log."""

from typing import Any

import pytest

from gateway.figures.log_entry import code_of, refusal_of, served_of, status_of, timeout_seconds, times_of, upstream_of
from tests.unit.gateway.figures.entries import LEFT, entry, left, refused, served


def test_the_sockets_clock_begins_earlier_and_ends_later() -> None:
    found = times_of(entry(last_downstream_tx=0.115, sockets=(-0.004, 0.105)))
    assert found[:7] == pytest.approx((0.0051, 0.006, 0.014, 0.114, 0.015, 0.119, 0.119))
    assert (found.unread, found.reply_unread, found.total) == pytest.approx((0.004, 0.005, 0.119))


def test_of_what_did_not_pass_the_sockets_clock_says_nothing() -> None:
    found = times_of(entry(sockets=(-0.004, 0.0)))
    assert (found.reply_unread, found.last_downstream, found.ended) == pytest.approx((0.0, 0.116, 0.117))


def test_what_did_not_happen_is_nothing() -> None:
    raw = refused("14")
    assert (upstream_of(raw), times_of(raw).asked, served_of(raw)) == ("", 0.0, None)


@pytest.mark.parametrize("in_headers", [False, True])
@pytest.mark.parametrize("model", ["m", "mo", "mod", "mode"])  # each remainder of base64
def test_a_backend_tells_in_trailers_or_in_a_reply_s_only_headers(in_headers: bool, model: str) -> None:
    told = served(model=model)
    assert served_of(entry(status="8", in_headers=in_headers, told=told)) == told


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", "127.0.0.1:50051"), ("::1", "[::1]:50051")])
def test_an_address_of_ipv6_is_in_brackets(host: str, address: str) -> None:
    assert upstream_of(entry(upstream=(host, 50051))) == address


@pytest.mark.parametrize("value", ["!", "A", "AP9hIG1vZGVs", "/////w"])
def test_what_cannot_be_read_is_told_and_is_nothing(value: str, caplog: pytest.LogCaptureFixture) -> None:
    raw = entry()
    raw.response.response_trailers["tandem-served-bin"] = value
    assert served_of(raw) is None
    assert "cannot be read" in caplog.text


OVERFLOW = {"flags": ("upstream_overflow",), "details": "upstream_reset_before_response_started{overflow}"}
MID_STREAM = {"status": None, "details": "upstream_reset_after_response_started{connection_termination}", **LEFT}
RETRIED = ("upstream_connection_failure", "upstream_retry_limit_exceeded")

CODES: dict[str, tuple[Any, str]] = {
    "well": (entry(), "OK"),
    "an error of the backend": (entry(status="8", in_headers=True), "RESOURCE_EXHAUSTED"),
    "an error after messages": (entry(status="13"), "INTERNAL"),
    "a status that gRPC does not have": (entry(status="99"), "UNKNOWN"),
    "a status that is no number": (entry(status="x"), "UNKNOWN"),
    "the client cancelled": (left(), "CANCELLED"),
    "it cancelled before anything came": (left(response_code=None, first_downstream_tx=None), "CANCELLED"),
    "its connection is gone": (left(flags=("downstream_connection_termination",)), "CANCELLED"),
    "it cancelled long before its deadline": (left(timeout="5S"), "CANCELLED"),
    "it cancelled though the backend was done": (left(status="0"), "CANCELLED"),
    "its own deadline": (left(timeout="99975u", duration=0.1031), "DEADLINE_EXCEEDED"),
    "its deadline, a little earlier than written": (left(timeout="124m", duration=0.1228), "DEADLINE_EXCEEDED"),
    "its deadline, though the backend was done": (left(status="0", timeout="100m", duration=0.1), "DEADLINE_EXCEEDED"),
    "a deadline that was rounded up": (left(timeout="12400m", duration=12.3), "DEADLINE_EXCEEDED"),
    "the request was not here in time": (refused("4", details="request_overall_timeout"), "DEADLINE_EXCEEDED"),
    "the backend's timer": (entry(status="4", in_headers=True), "DEADLINE_EXCEEDED"),
    "the backend's timer, after a message": (entry(status="4"), "DEADLINE_EXCEEDED"),
    "the gateway is full": (refused("8", attempts=1, **OVERFLOW), "RESOURCE_EXHAUSTED"),
    "no replica is ready": (refused("14", flags=("no_healthy_upstream",)), "UNAVAILABLE"),
    "not configured": (refused("14"), "UNAVAILABLE"),
    "no such method": (refused("12"), "UNIMPLEMENTED"),
    "too large": (refused("8", details="request_payload_too_large"), "RESOURCE_EXHAUSTED"),
    "nobody is left to try": (refused("14", flags=RETRIED, attempts=3), "UNAVAILABLE"),
    "killed after a message": (entry(flags=("upstream_connection_termination",), **MID_STREAM), "INTERNAL"),
    "reset after a message": (entry(flags=("upstream_remote_reset",), **MID_STREAM), "INTERNAL"),
    "the proxy ended before anything came": (entry(status=None, details="", response_code=None, **LEFT), "UNAVAILABLE"),
    "not let in": (refused("16", details="ext_authz_denied"), "UNAUTHENTICATED"),
    "another protocol": (entry(status=None, response_code=404, details="direct_response"), "UNIMPLEMENTED"),
    "another protocol, without a key": (entry(status=None, response_code=401), "UNAUTHENTICATED"),
}


@pytest.mark.parametrize("way", CODES)
def test_the_code_is_what_the_client_saw(way: str) -> None:
    raw, code = CODES[way]
    assert code_of(raw, status_of(raw)) == code


@pytest.mark.parametrize(
    ("raw", "refusal"),
    [
        (entry(), ""),
        (refused("8", attempts=1, **OVERFLOW), "gateway_full"),
        (refused("8", details="overload"), "gateway_full"),
        (refused("8", details="caller_share"), "gateway_full"),
        (entry(status="8", in_headers=True, told=served(outputs=0)), "backend_full"),
        (entry(status="8"), "backend_full"),
        (refused("8", details="request_payload_too_large"), ""),
        (refused("8", details="ext_authz_denied"), "denied"),
        (refused("16", details="ext_authz_denied"), "denied"),
        (refused("14", flags=("no_healthy_upstream",)), ""),
    ],
)
def test_who_turned_it_away(raw: Any, refusal: str) -> None:
    assert refusal_of(raw, status_of(raw)) == refusal


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("5S", 5.0), ("100m", 0.1), ("99975u", 0.099975), ("7n", 7e-9), ("2M", 120.0), ("1H", 3600.0)],
)
def test_timeouts_as_grpc_writes_them(header: str, seconds: float) -> None:
    assert timeout_seconds(header) == pytest.approx(seconds)
