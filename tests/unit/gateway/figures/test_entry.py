"""What is read from an entry of Envoy's log."""

import dataclasses

import pytest

from gateway.figures.entry import read_entry
from tests.unit.gateway.figures.entries import GENERATE, entry, left, refused, served


def test_a_whole_entry() -> None:
    told = served(pictures=2)
    read = dataclasses.asdict(read_entry(entry(told=told, caller="alice", transport="http", attempts=2)))
    assert read == {
        "path": GENERATE,
        "request_id": "an id",
        "transport": "http",
        "caller": "alice",
        "code": "OK",
        "refusal": "",
        "num_attempts": 2,
        "upstream": "127.0.0.1:50051",
        "received_seconds": pytest.approx(0.0011),
        "asked_seconds": pytest.approx(0.002),
        "first_upstream_seconds": pytest.approx(0.010),
        "last_upstream_seconds": pytest.approx(0.110),
        "first_downstream_seconds": pytest.approx(0.011),
        "last_downstream_seconds": pytest.approx(0.112),
        "duration_seconds": pytest.approx(0.113),
        "served": told,
    }


def test_what_did_not_happen_is_nothing() -> None:
    read = read_entry(refused("14"))
    assert (read.upstream, read.asked_seconds, read.served, read.caller) == ("", 0.0, None, "")


def test_the_total_ends_with_the_last_byte_or_when_the_client_left() -> None:
    assert read_entry(entry()).total_seconds == pytest.approx(0.112)
    assert read_entry(left(duration=0.05)).total_seconds == pytest.approx(0.05)


@pytest.mark.parametrize("in_headers", [False, True])
@pytest.mark.parametrize("model", ["m", "mo", "mod", "mode"])  # each remainder of base64
def test_a_backend_tells_in_trailers_or_in_a_reply_s_only_headers(in_headers: bool, model: str) -> None:
    told = served(model=model)
    assert read_entry(entry(status="8", in_headers=in_headers, told=told)).served == told


def test_an_address_of_ipv6_is_in_brackets() -> None:
    assert read_entry(entry(upstream=("::1", 50051))).upstream == "[::1]:50051"


@pytest.mark.parametrize("value", ["!", "A", "AP9hIG1vZGVs", "/////w"])
def test_what_cannot_be_read_is_told_and_is_nothing(value: str, caplog: pytest.LogCaptureFixture) -> None:
    raw = entry()
    raw.response.response_trailers["tandem-served-bin"] = value
    assert read_entry(raw).served is None
    assert "cannot be read" in caplog.text
