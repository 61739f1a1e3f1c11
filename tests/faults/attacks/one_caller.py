"""What one caller can do to take from the others: attacks that go on until their process is ended, from one address.

`python -m tests.faults.attacks.one_caller NAME ADDRESS WEB_ADDRESS` runs one. What it is refused it asks for again.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import cache, wraps

import h2.exceptions

from runtime.process.lifecycle import raise_file_limit
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tests.faults.attacks.connection import OPEN_WINDOW, Connection, connected
from tests.faults.attacks.grpc_stream import begin, call_headers, framed
from tests.faults.clients import GENERATE, SAMPLE, SAMPLE_STREAM, images
from tests.faults.server import ROOT, environment

ATTACKER = "127.0.0.2"
LARGEST_BYTES = 4 * 1024 * 1024
WATCH = "/grpc.health.v1.Health/Watch"
FLOATS = images_pb2.ENCODING_RAW_FLOAT32

Attack = Callable[[str, str], Awaitable[None]]
Act = Callable[[Connection], Awaitable[None]]


async def _repeat(count: int, one: Callable[[], Awaitable[None]], pause_seconds: float = 0.1) -> None:
    """Let so many go on, each again and again whatever comes of it."""

    async def endlessly() -> None:
        while True:
            with contextlib.suppress(OSError, RuntimeError, h2.exceptions.ProtocolError):
                await one()
            await asyncio.sleep(pause_seconds)

    await asyncio.gather(*(endlessly() for _ in range(count)))


def over(num_connections: int, window: int = OPEN_WINDOW) -> Callable[[Act], Attack]:
    """Make an attack of what goes on over so many connections; one that is closed is opened again."""

    def make(act: Act) -> Attack:
        @wraps(act)
        async def attack(address: str, _: str) -> None:
            async def one() -> None:
                async with connected(address, window, source=ATTACKER) as connection:
                    while not connection.closed.is_set() and connection.last_stream is None:
                        await act(connection)

            await _repeat(num_connections, one)

        return attack

    return make


async def _wait_answers(connection: Connection, numbers: Iterable[int], seconds: float = 10) -> None:
    for number in numbers:
        with contextlib.suppress(TimeoutError):
            await connection.answer(number, seconds)


@over(1, window=0)
async def stall_streams(connection: Connection) -> None:
    """Open endless streams on one connection without reading any."""
    sample = gan_pb2.SampleRequest(count=100_000, encoding=FLOATS)
    message = gan_pb2.SampleStreamRequest(sample=sample).SerializeToString()
    for _ in range(64):
        await begin(connection, SAMPLE_STREAM, message)
    await asyncio.sleep(0.2)


@over(4, window=0)
async def leave_replies_unread(connection: Connection) -> None:
    """Ask for large replies on four connections without reading any."""
    message = gan_pb2.SampleRequest(count=1024, encoding=FLOATS).SerializeToString()
    for _ in range(16):
        await begin(connection, SAMPLE, message)
    await asyncio.sleep(0.2)


@over(2)
async def send_empty_messages(connection: Connection) -> None:
    """Send unary calls of 838,000 empty messages each, on two connections."""
    number = connection.open_stream(call_headers(SAMPLE))
    await connection.send(number, framed(b"") * (LARGEST_BYTES // 5 - 8))
    await _wait_answers(connection, [number])


@cache
def _bomb() -> bytes:
    return framed(gzip.compress(bytes(16 << 20)), compressed=True)


@over(2)
async def send_what_inflates(connection: Connection) -> None:
    """Send 300 small messages at a time that inflate to 16 MiB each, on two connections."""
    numbers = [connection.open_stream(call_headers(SAMPLE, ("grpc-encoding", "gzip"))) for _ in range(300)]
    for number in numbers:
        await connection.send(number, _bomb())
    await _wait_answers(connection, numbers)


@over(20)
async def watch_health(connection: Connection) -> None:
    """Watch the health of the gateway by a thousand streams on each of twenty connections."""
    for _ in range(1000):
        await begin(connection, WATCH, b"")
    await connection.closed.wait()


@over(8)
async def leave_bodies_incomplete(connection: Connection) -> None:
    """Send 240 requests but for their last byte, on eight connections."""
    body, numbers = framed(bytes(LARGEST_BYTES))[:-1], [connection.open_stream(call_headers(SAMPLE)) for _ in range(30)]
    for number in numbers:
        await connection.send(number, body, end_stream=False)
    await _wait_answers(connection, numbers, 60)


@over(50)
async def hog(connection: Connection) -> None:
    """Keep 200 streams of images open over 50 connections."""
    message = gan_pb2.SampleStreamRequest(sample=images(64), images_per_message=8).SerializeToString()
    numbers = [await begin(connection, SAMPLE_STREAM, message) for _ in range(4)]
    await _wait_answers(connection, numbers, 60)


@over(1)
async def give_up(connection: Connection) -> None:
    """Begin some 2,000 requests a second on one connection, and reset each at its deadline of 50 ms."""
    numbers = [await begin(connection, SAMPLE, images(64).SerializeToString(), timeout="50m") for _ in range(100)]
    await asyncio.sleep(0.05)
    for number in numbers:
        connection.reset(number)
    await connection.flush()


_KEYS = itertools.count()


@over(2)
async def show_unknown_keys(connection: Connection) -> None:
    """Ask with keys that nobody has, as fast as two connections carry it."""
    keys = [("authorization", f"Bearer {next(_KEYS)}") for _ in range(100)]
    numbers = [await begin(connection, SAMPLE, images().SerializeToString(), key) for key in keys]
    await _wait_answers(connection, numbers)


async def _over_http(web_address: str, count: int, sent: bytes, pause_seconds: float) -> None:
    """Open so many connections to the HTTP port, again and again, send this and read what comes."""
    host, _, port = web_address.rpartition("/")[2].rpartition(":")

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, int(port), local_addr=(ATTACKER, 0))
        with contextlib.closing(writer):
            writer.write(sent)
            await reader.read()

    await _repeat(count, one, pause_seconds)


async def connect_and_say_nothing(_: str, web_address: str) -> None:
    """Hold 1,100 connections to the HTTP port that say nothing."""
    await _over_http(web_address, 1100, b"", pause_seconds=1.0)


async def read_over_http(_: str, web_address: str) -> None:
    """Draw pictures in sequence as JSON over 512 connections of HTTP/1.1, one after another on each."""
    body = json.dumps({"classLabel": 1, "sampling": {"n": 4}, "partialImages": True}).encode()
    head = f"POST {GENERATE} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n"
    await _over_http(web_address, 512, f"{head}content-length: {len(body)}\r\n\r\n".encode() + body, pause_seconds=0.1)


ATTACKS: tuple[Attack, ...] = (
    stall_streams,
    leave_replies_unread,
    send_empty_messages,
    send_what_inflates,
    connect_and_say_nothing,
    watch_health,
    leave_bodies_incomplete,
    hog,
    give_up,
    read_over_http,
)


@contextlib.contextmanager
def attacking(attack: Attack, *addresses: str) -> Iterator[None]:
    """Let an attack go on in a process of its own; it fails if that ends early."""
    command = (sys.executable, "-m", "tests.faults.attacks.one_caller", attack.__name__, *addresses)
    with subprocess.Popen(command, cwd=ROOT, env=environment()) as process:
        try:
            yield
            assert process.poll() is None
        finally:
            process.kill()


if __name__ == "__main__":
    os.nice(5)  # one on another machine would take no time of this one
    raise_file_limit()
    asyncio.run(globals()[sys.argv[1]](*sys.argv[2:]))
