"""A DNS server on loopback whose answers a test chooses: enough of the protocol for an A record."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

A, IN = 1, 1
TTL_SECONDS = 600  # as in Docker, where replicas come and go faster than that
ANSWER, NO_SUCH_NAME = 0x8180, 0x8183


class Names(asyncio.DatagramProtocol):
    """Every name stands for `addresses`; there is none if that is empty. Does not answer while `is_silent`."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.is_silent = False
        self.num_asked = 0
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, sender: Any) -> None:
        self.num_asked += 1
        if not self.is_silent:
            self._transport.sendto(self._answer(data), sender)

    def _answer(self, query: bytes) -> bytes:
        end = query.index(0, 12) + 5  # the name, its end, type and class
        (asked,) = struct.unpack(">H", query[end - 4 : end - 2])
        addresses = self.addresses if asked == A else []
        flags = ANSWER if self.addresses else NO_SUCH_NAME
        header = query[:2] + struct.pack(">HHHHH", flags, 1, len(addresses), 0, 0)
        records = [struct.pack(">HHHIH", 0xC00C, A, IN, TTL_SECONDS, 4) + socket.inet_aton(each) for each in addresses]
        return header + query[12:end] + b"".join(records)


@contextlib.asynccontextmanager
async def names() -> AsyncIterator[tuple[Names, str]]:
    """Run one; yields it and its address, as Envoy's configuration has it."""
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(Names, ("127.0.0.1", 0))
    try:
        port = transport.get_extra_info("sockname")[1]
        yield protocol, f"[{{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}]"
    finally:
        transport.close()
