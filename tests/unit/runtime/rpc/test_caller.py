"""Who calls, read from metadata: one identifier or nobody; anything else is refused, not mended."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.rpc.caller import (
    CALLER_METADATA,
    NOBODY,
    PEER_METADATA,
    Owner,
    caller_of,
    connection_of,
    metadata_of,
    peer_of,
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
    ("identifier", "peer", "name"),
    [("alice", "1.2.3.4:5", "alice"), ("", "1.2.3.4:5", "1.2.3.4"), ("", "[::1]:5", "[::1]"), ("", "", NOBODY)],
)
def test_an_owner_is_the_key_or_the_address_and_knows_its_connection(identifier: str, peer: str, name: str) -> None:
    owner = Owner.of(identifier, peer)
    assert owner == name
    assert hash(owner) == hash(name)
    assert connection_of(owner) == peer
