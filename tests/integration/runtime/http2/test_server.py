"""What a call does not lose to others of its batch, to the end of its connection or of the server; what it may hold."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import grpc
import pytest

from runtime.http2.library import open_http2
from runtime.http2.server import Http2Server
from runtime.rpc.message import ManyMessages, read_message
from tests.faults.attacks.connection import Connection, connected
from tests.faults.attacks.grpc_stream import begin, call_headers, framed
from tests.waiting import until

LIMIT_SECONDS = 60
ECHO, HELD, BAD = (f"/test.Service/{name}" for name in ("Echo", "Held", "Bad"))
STREAM = "/test.Many/Stream"
LARGE = 4 << 20


@dataclass
class Handler(grpc.GenericRpcHandler):
    """Held waits for `gate` with its reply, which is large; Bad cannot be found without an exception.

    Stream is the same, and takes many messages.
    """

    entered: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    def service(self, details):
        if details.method == BAD:
            raise KeyError(BAD)
        return grpc.stream_unary_rpc_method_handler(self._echo if details.method == ECHO else self._held)

    async def _echo(self, _: object, context) -> bytes:
        return await read_message(context)

    async def _held(self, _: object, context) -> bytes:
        await read_message(context)
        self.entered.set()
        try:
            await self.gate.wait()
        finally:
            self.left.set()
        return bytes(LARGE)

    def more(self) -> list[grpc.GenericRpcHandler]:
        return [ManyMessages("test.Many", {"Stream": grpc.stream_unary_rpc_method_handler(self._held)})]


async def test_a_value_that_is_not_even_ascii_is_left_out_and_takes_no_other_call_with_it(serving):
    async with connected(serving.address) as connection:
        numbers = [connection.open_stream(call_headers(ECHO, *more)) for more in ([(b"x-bin", b"\xff")], [], [], [])]
        for number in numbers:
            connection.queue(number, framed(b"hi"))
        await connection.flush()
        assert [(await connection.answer(number)).status_name for number in numbers] == ["OK"] * 4


async def test_a_call_that_cannot_be_begun_ends_alone(serving):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{serving.port}") as channel:
        calls = [channel.unary_unary(path)(b"hi", timeout=LIMIT_SECONDS) for path in (BAD, ECHO, ECHO)]
        codes = [await sent.code() for sent in calls]
    assert codes == [grpc.StatusCode.INTERNAL, grpc.StatusCode.OK, grpc.StatusCode.OK]


async def read_reply(connection: Connection, number: int, grant: int) -> None:
    """Read a large reply to its trailers, with leave for `grant` more bytes again and again."""
    stream = connection.stream(number)
    async with asyncio.timeout(LIMIT_SECONDS):
        while not stream.ended.is_set():
            await connection.grant(grant, number)
            await asyncio.sleep(0)
    assert (stream.status_name, stream.num_bytes) == ("OK", len(framed(bytes(LARGE))))


async def test_a_stop_lets_a_reply_through_that_is_larger_than_the_client_s_window(serving):
    async with connected(serving.address, window=65_535) as connection:
        number = await begin(connection, HELD, b"hi")
        await serving.handler.entered.wait()
        stopped = asyncio.create_task(serving.server.stop(LIMIT_SECONDS))
        serving.handler.gate.set()
        await read_reply(connection, number, 16 << 10)
    await stopped


@pytest.mark.parametrize("http2", [{"max_age_seconds": 0.1}], indirect=True)
async def test_a_client_that_reads_slowly_and_writes_gets_the_last_reply_of_its_connection(serving):
    async with connected(serving.address, window=2 * LARGE) as connection:
        await connection.grant(2 * LARGE)
        number = await begin(connection, HELD, b"hi")
        # A notice first; the number of the last stream follows.
        await until(lambda: connection.last_stream == number)
        serving.handler.gate.set()
        await read_reply(connection, number, 1)


@pytest.mark.parametrize(("size", "count"), [(1 << 20, 20), (0, 20_000)])
async def test_messages_that_no_method_reads_are_not_kept_without_bound(serving, size, count):
    async with connected(serving.address) as connection:
        number = connection.open_stream(call_headers(STREAM))
        await connection.send(number, count * framed(bytes(size)))
        assert (await connection.answer(number)).status_name == "RESOURCE_EXHAUSTED"


REFUSED = [
    (STREAM, framed(bytes(LARGE))[: LARGE // 2], "RESOURCE_EXHAUSTED"),
    (HELD, b"\0", "INTERNAL"),
    (HELD, 2000 * framed(b""), "INTERNAL"),
]


@pytest.mark.parametrize("http2", [{"max_held_bytes": 1 << 20}], indirect=True)
@pytest.mark.parametrize(("path", "rest", "status"), REFUSED)
async def test_the_method_of_a_call_that_is_refused_while_it_runs_is_cancelled(serving, path, rest, status):
    async with connected(serving.address) as connection, asyncio.timeout(LIMIT_SECONDS):
        number = connection.open_stream(call_headers(path))
        await connection.send(number, framed(b"hi"), end_stream=False)
        await serving.handler.entered.wait()
        await connection.send(number, rest, end_stream=False)
        assert (await connection.answer(number)).status_name == status
        await serving.handler.left.wait()


async def test_an_address_that_cannot_be_had_is_told(serving, tmp_path):
    (tmp_path / "a.sock").touch()
    unix = (f"unix:{tmp_path}/a.sock", 0, "in use")
    for host, port, reason in (("127.0.0.1", serving.port, "in use"), ("no host", 0, "no address"), unix):
        with pytest.raises(OSError, match=reason):
            await Http2Server(open_http2()).start(host, port, [])
