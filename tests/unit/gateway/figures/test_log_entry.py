"""What is read from an entry of Envoy's log."""

import pytest

from gateway.figures.log_entry import Times, served_of, times_of, upstream_of
from tests.unit.gateway.figures.entries import TIMES, entry, left, refused, served


def test_the_times_of_a_whole_entry() -> None:
    assert times_of(entry()) == pytest.approx(
        Times(
            received=TIMES["last_rx"],
            asked=TIMES["first_upstream_tx"],
            first_upstream=TIMES["first_upstream_rx"],
            last_upstream=TIMES["last_upstream_rx"],
            first_downstream=TIMES["first_downstream_tx"],
            last_downstream=TIMES["last_downstream_tx"],
            ended=0.113,
        )
    )


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


def test_the_total_ends_with_the_last_byte_or_when_the_client_left() -> None:
    assert times_of(entry()).total == pytest.approx(0.112)
    assert times_of(left(duration=0.05)).total == pytest.approx(0.05)


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
