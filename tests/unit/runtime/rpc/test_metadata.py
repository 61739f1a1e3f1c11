"""Who calls, when the request came, and which trace it belongs to: what is malformed is refused, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.rpc.metadata import (
    ARRIVED_METADATA,
    CALLER_METADATA,
    MAX_WAIT_SECONDS,
    NOBODY,
    PEER_METADATA,
    Owner,
    TraceParent,
    arrival_wait_seconds,
    caller_of,
    connection_of,
    metadata_of,
    parse_traceparent,
    peer_entries,
    peer_of,
    sampled_trace_id,
)
from tandem.shared.errors import InvalidArgument


def test_without_one_it_is_nobody() -> None:
    assert caller_of(metadata_of([("user-agent", "grpc"), (CALLER_METADATA + "-bin", b"alice")])) == NOBODY


@pytest.mark.parametrize("value", ["", "x" * 65, "a b", "a,b", "é", "a\n", "../a", b"alice"])
def test_what_is_no_identifier_is_refused(value: str | bytes) -> None:
    with pytest.raises(InvalidArgument, match=r"tandem-caller: .* accepted: one value of 1 to 64 characters"):
        caller_of(metadata_of([(CALLER_METADATA, value)]))


@pytest.mark.parametrize(
    "value", ["127.0.0.1:5", "10.1.2.3:65535", "[::1]:80", "[2001:db8::7]:1", "[fe80::1%eth0]:1", "[::ffff:10.0.0.1]:9"]
)
def test_a_peer_is_an_address_and_a_port(value: str) -> None:
    assert peer_of(metadata_of([(PEER_METADATA, value), (CALLER_METADATA, "alice")])) == value


@pytest.mark.parametrize(
    "values",
    [[], [""], ["alice"], ["/run/a.sock"], ["1.2.3.4"], ["1.2.3.4:5\n"], ["1" * 46], [b"[::1]:1"], ["[::1]:1"] * 2],
)
def test_what_is_no_address_is_nobody(values: list[str | bytes]) -> None:
    assert peer_of(metadata_of([(PEER_METADATA, value) for value in values])) == NOBODY


@given(name=st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
def test_no_identifier_is_taken_for_an_address(name: str) -> None:
    assert peer_of(metadata_of([(PEER_METADATA, name)])) == NOBODY


@pytest.mark.parametrize(
    ("peer", "shown"),
    [
        ("ipv4:10.1.2.3:80", "10.1.2.3:80"),
        ("ipv6:%5B::1%5D:80", "[::1]:80"),
        ("ipv6:%5B::ffff:10.1.2.3%5D:80", "10.1.2.3:80"),
        ("unix:", NOBODY),
    ],
)
def test_what_grpcio_calls_a_peer_is_one_where_the_call_names_nobody(peer: str, shown: str) -> None:
    assert peer_of(metadata_of(peer_entries([("user-agent", "grpc")], peer))) == shown
    assert peer_entries([(PEER_METADATA, "10.0.0.1:1")], peer) == peer_entries([(CALLER_METADATA, "a")], peer) == ()


@pytest.mark.parametrize(
    ("identifier", "peer", "name"),
    [("alice", "1.2.3.4:5", "alice"), ("", "1.2.3.4:5", "1.2.3.4"), ("", "[::1]:5", "[::1]"), ("", "", NOBODY)],
)
def test_an_owner_is_the_key_or_the_address_and_knows_its_connection(identifier: str, peer: str, name: str) -> None:
    owner = Owner.of(identifier, peer)
    assert owner == name
    assert hash(owner) == hash(name)
    assert connection_of(owner) == peer


NOW = 1_764_153_023.5


def wait(*values: str | bytes) -> float:
    return arrival_wait_seconds(
        metadata_of([("user-agent", "grpc"), *((ARRIVED_METADATA, value) for value in values)]), NOW
    )


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1764153023.250000", 0.25),
        ("1764153023", 0.5),
        ("1764153023.500000", 0.0),
        ("1764153024.000000", 0.0),  # of a clock that is ahead
        ("1", MAX_WAIT_SECONDS),
        ("0", 0.0),  # not told
        ("1764152423.500000", 600.0),
    ],
)
def test_the_wait_is_between_nothing_and_ten_minutes(value: str, seconds: float) -> None:
    assert wait(value) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    "value",
    ["", "-1", "+1764153023", "1e9", "nan", "inf", "1764153023.", ".5", "1764153023.5 ", "1_764", "0x10", "٣", b"1"],
)
def test_what_is_no_number_of_seconds_counts_as_nothing(value: str | bytes) -> None:
    assert wait(value) == 0.0


@given(value=st.text(max_size=40))
def test_no_text_raises_or_leaves_the_bounds(value: str) -> None:
    assert 0.0 <= wait(value) <= MAX_WAIT_SECONDS


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
