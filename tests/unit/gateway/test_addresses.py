"""Numbers stand for themselves, names for what the resolver says, and a name that nobody knows for nothing new."""

import socket

import pytest

from gateway import addresses
from gateway.addresses import is_numeric, resolve, split


@pytest.mark.parametrize(
    ("target", "host", "port", "numeric"),
    [
        ("127.0.0.1:50051", "127.0.0.1", 50051, True),
        ("[::1]:50051", "::1", 50051, True),
        ("ar:50051", "ar", 50051, False),
        ("localhost:1", "localhost", 1, False),
    ],
)
def test_a_target_has_a_host_and_a_port(target: str, host: str, port: int, numeric: bool) -> None:
    assert split(target) == (host, port)
    assert is_numeric(target) is numeric


async def test_a_host_with_both_families_counts_once() -> None:
    assert await resolve("localhost:7") in ({"127.0.0.1:7"}, {"[::1]:7"})


async def test_numbers_resolve_to_themselves() -> None:
    assert await resolve("127.0.0.1:7") == {"127.0.0.1:7"}
    assert await resolve("[::1]:7") == {"[::1]:7"}


async def test_what_nobody_knows_is_no_answer() -> None:
    assert await resolve("no-such-host.invalid:7") is None


async def test_a_name_may_stand_for_several(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(family, socket.SOCK_STREAM, 6, "", (host, 7)) for family, host in _ADDRESSES]

    class Loop:
        async def getaddrinfo(self, *_: object, **__: object) -> list[object]:
            return list(found)

    monkeypatch.setattr(addresses.asyncio, "get_running_loop", Loop)
    assert await resolve("ar:7") == {"10.0.0.1:7", "10.0.0.2:7"}
    del found[:2]
    assert await resolve("ar:7") == {"[fd00::1]:7"}


_ADDRESSES = [(socket.AF_INET, "10.0.0.1"), (socket.AF_INET, "10.0.0.2"), (socket.AF_INET6, "fd00::1")]
