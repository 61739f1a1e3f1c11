"""Hundreds of connections that never get to a whole request, at the gRPC ports and the HTTP port."""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import h2.connection
import pytest
from hpack import Encoder

from tests.effort import Effort
from tests.faults.attacks.grpc_stream import call_headers
from tests.faults.clients import SAMPLE
from tests.faults.figures import Watch
from tests.faults.report import Sheet

NUM_CONNECTIONS = (20, 60)  # of each kind, at once
WITH_A_CALL = "slow body"  # its head is whole, so a call has begun
# A byte a second as an attacker would; with quick effort faster, since only what others feel is looked at.
PAUSE_SECONDS = (0.05, 1.0)
NUM_BYTES = (8, 40)
HELD_BAR_SECONDS = 40
NO_LIMIT = "grpc has no limit for a head; the connection's age ends it, and strangers do not reach a backend"


HEADERS_FRAME, END_HEADERS = 1, 4


def _preface() -> bytes:
    connection = h2.connection.H2Connection()
    connection.initiate_connection()
    return bytes(connection.data_to_send())


def _slow_headers() -> bytes:
    """Return a good preface and HEADERS whose block comes byte by byte."""
    block = Encoder().encode(call_headers(SAMPLE))
    return len(block).to_bytes(3, "big") + bytes([HEADERS_FRAME, END_HEADERS]) + (1).to_bytes(4, "big") + block


def _client_hello() -> bytes:
    """Return what a TLS client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


POST = f"POST {SAMPLE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"


@dataclass(frozen=True)
class Head:
    """What a connection sends: `at_once`, then `slowly` a byte at a time, or half-closes."""

    at_once: bytes = b""
    slowly: bytes = b""
    half_closes: bool = False


GRPC_HEADS: Mapping[str, Head] = {
    "slow preface": Head(slowly=_preface()),
    "slow headers": Head(_preface(), _slow_headers()),
    "idle": Head(),
    "garbage": Head(os.urandom(4096)),
    "TLS to a plain port": Head(_client_hello()),
    "half-open TCP": Head(half_closes=True),
    "half-open after the preface": Head(_preface(), half_closes=True),
}
HTTP_HEADS: Mapping[str, Head] = {
    "slow headers": Head(slowly=POST.encode()),
    "slow body": Head(f"{POST}\r\n".encode(), b"{" + b" " * 998 + b"}"),
    "idle": Head(),
    "garbage": Head(os.urandom(4096)),
    "TLS to a plain port": Head(_client_hello()),
    "half-open TCP": Head(half_closes=True),
}


# The port, by the attribute of its server that has its address, and the kinds of connections that it gets.
PORTS = {"gRPC": ("address", GRPC_HEADS), "HTTP": ("web_address", HTTP_HEADS)}


@pytest.mark.parametrize(
    ("port", "which"), [("gRPC", "gateway"), ("gRPC", "sequential"), ("gRPC", "parallel"), ("HTTP", "gateway")]
)
async def test_slow_heads(port: str, which: str, watch: Watch, effort: Effort, sheet: Sheet) -> None:
    """Hundreds of connections at once: their preface, headers or (HTTP) body a byte at a time, nothing, garbage, TLS,
    half of TCP closed; with full effort a byte a second for 40 s."""
    row, (field, heads) = f"slow heads, {port}" if port == "HTTP" else f"slow heads, {port}, {which}", PORTS[port]
    async with watch.attack(which, row) as attacked:
        address = getattr(attacked.server, field).removeprefix("http://")
        held = dict(await asyncio.gather(*(_held(address, name, head, effort) for name, head in heads.items())))
        attacked.history.unheard[SAMPLE] += effort.of(*NUM_CONNECTIONS) if WITH_A_CALL in held else 0
    # A connection that is idle between requests may be open: it has limits of its own.
    standing = {name: count for name, count in held.items() if name != "idle" and count}
    names = ", ".join(f"{name} {count}" for name, count in standing.items()) or "none"
    unit = f"of {effort.of(*NUM_CONNECTIONS) * (len(held) - 1)} still open after {HELD_BAR_SECONDS} s: {names}"
    if effort.is_full:
        known = f"{NO_LIMIT}; found: all 60 with slow headers" if which != "gateway" else ""
        sheet.expect_none(f"{row}: connections held", sum(standing.values()), unit, known=known)


async def _held(address: str, name: str, head: Head, effort: Effort) -> tuple[str, int]:
    """Return the kind and how many of its connections still stand at the end; they are dropped then."""
    host, _, port = address.rpartition(":")
    crowd = [await asyncio.open_connection(host, int(port)) for _ in range(effort.of(*NUM_CONNECTIONS))]
    draining = [asyncio.create_task(_drain(reader)) for reader, _ in crowd]
    try:
        for _, writer in crowd:
            with contextlib.suppress(OSError):
                writer.write(head.at_once)
                if head.half_closes:
                    writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        for index in range(effort.of(*NUM_BYTES)):
            for reader, writer in crowd:
                if _is_open(reader):
                    writer.write(head.slowly[index : index + 1])
            await asyncio.sleep(effort.of(*PAUSE_SECONDS))
        return name, sum(_is_open(reader) for reader, _ in crowd)
    finally:
        for (_, writer), task in zip(crowd, draining, strict=True):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*draining, return_exceptions=True)


def _is_open(reader: asyncio.StreamReader) -> bool:
    return not reader.at_eof() and reader.exception() is None


async def _drain(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(4096):
            pass
