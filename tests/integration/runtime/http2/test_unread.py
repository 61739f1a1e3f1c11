"""Replies that nobody reads: what they hold is bounded, by owner and together, and ends after a while."""

import asyncio
from dataclasses import dataclass, field

import grpc
import h2.errors
import pytest
from google.rpc import error_details_pb2, status_pb2

from runtime.rpc.message import read_message
from tests.faults.attacks.connection import OPEN_WINDOW, connected
from tests.faults.attacks.grpc_stream import begin
from tests.integration.runtime.http2.conftest import Serving
from tests.waiting import until

LIMIT_SECONDS = 60
LARGE = 4 << 20
MESSAGE = LARGE + 5  # with its prefix
UNARY, STREAM = "/test.Service/Unary", "/test.Service/Stream"
CANCEL = h2.errors.ErrorCodes.CANCEL
ALICE, ALICE_ELSEWHERE, BOB = (("tandem-peer", peer) for peer in ("10.0.0.1:5", "10.0.0.1:6", "10.0.0.2:5"))


@dataclass
class Handler(grpc.GenericRpcHandler):
    """Replies with a large message, or with a small one and then large ones without an end."""

    num_replied: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)

    def service(self, details):
        if details.method == UNARY:
            return grpc.stream_unary_rpc_method_handler(self._unary)
        return grpc.stream_stream_rpc_method_handler(self._stream)

    async def _unary(self, _: object, context) -> bytes:
        await read_message(context)
        self.num_replied += 1
        return bytes(LARGE)

    async def _stream(self, _: object, context) -> None:
        await read_message(context)
        await context.write(b"begun")
        try:
            while True:
                await context.write(bytes(LARGE))
        finally:
            self.left.set()


async def ended(serving: Serving, path: str, owner: tuple[str, str]) -> str | int | None:
    """Return the status of a call of somebody who reads, or with what it was reset."""
    async with connected(serving.address) as connection:
        stream = await connection.answer(await begin(connection, path, b"hi", owner))
    return stream.error_code if stream.status is None else stream.status_name


async def until_replied(serving: Serving, count: int) -> None:
    await until(lambda: serving.handler.num_replied >= count)


SOON = pytest.mark.parametrize("http2", [{"unread_seconds": 0.1}], indirect=True)


@SOON
@pytest.mark.parametrize("path", [UNARY, STREAM])
async def test_a_call_of_which_nothing_is_taken_is_reset(serving, path):
    async with connected(serving.address, window=20_000) as connection:
        stream = await connection.answer(await begin(connection, path, b"hi"))
        assert (stream.status, stream.error_code) == (None, CANCEL)
    if path == STREAM:
        await until(serving.handler.left.is_set)


@SOON
async def test_a_connection_that_takes_nothing_is_dropped(serving):
    async with connected(serving.address, window=OPEN_WINDOW - 1) as connection:
        connection.vanish()
        await connection.grant(OPEN_WINDOW - 65_535)
        for _ in range(6):  # more than the kernel holds
            await begin(connection, UNARY, b"hi")
        await until_replied(serving, 6)
        await until(lambda: not serving.server._quick.connections(serving.server._server))


@pytest.mark.parametrize("http2", [{"max_unsent_bytes": 4 * MESSAGE + 1000}], indirect=True)
async def test_one_owner_s_unread_replies_leave_room_for_those_of_others(serving):
    async with connected(serving.address, window=0) as connection:
        numbers = [await begin(connection, UNARY, b"hi", ALICE) for _ in range(2)]
        await until_replied(serving, 2)
        assert await ended(serving, UNARY, ALICE) == "RESOURCE_EXHAUSTED"
        assert await ended(serving, UNARY, ALICE_ELSEWHERE) == "RESOURCE_EXHAUSTED"
        assert await ended(serving, STREAM, ALICE) == CANCEL
        assert await ended(serving, UNARY, BOB) == "OK"
        connection.reset(numbers[0])
        await connection.flush()
        await until_ok(serving, ALICE)
        assert await ended(serving, UNARY, ALICE) == "OK"  # nothing of the one before is left
    await until_ok(serving, ALICE)


async def until_ok(serving: Serving, owner: tuple[str, str]) -> None:
    """Call until the server knows that the one before was reset."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while (end := await ended(serving, UNARY, owner)) != "OK":
            assert end == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize("http2", [{"max_unsent_bytes": MESSAGE, "max_owner_share": 1.0}], indirect=True)
async def test_unread_replies_together_are_bounded_and_the_refusal_says_what_holds_the_memory(serving):
    async with connected(serving.address, window=0) as connection:
        await begin(connection, UNARY, b"hi", ALICE)
        await until_replied(serving, 1)
        assert await ended(serving, STREAM, BOB) == "RESOURCE_EXHAUSTED"
        await until(serving.handler.left.is_set)
        async with grpc.aio.insecure_channel(serving.address) as channel:
            with pytest.raises(grpc.aio.AioRpcError, match="memory for replies that were not read is full") as refused:
                await channel.unary_unary(UNARY)(b"hi", metadata=[BOB])
    retry = error_details_pb2.RetryInfo()
    status = status_pb2.Status.FromString(dict(refused.value.trailing_metadata())["grpc-status-details-bin"])
    assert status.code == refused.value.code().value[0] == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert status.details[0].Unpack(retry)
    assert retry.retry_delay.ToTimedelta().total_seconds() == 1.0


@pytest.mark.parametrize("http2", [{"max_unsent_bytes": 1000}], indirect=True)
async def test_messages_larger_than_the_bound_go_out_where_nothing_else_waits(serving):
    assert await ended(serving, UNARY, ALICE) == "OK"
    async with grpc.aio.insecure_channel(serving.address) as channel:
        call = channel.unary_stream(STREAM)(b"hi", timeout=LIMIT_SECONDS)
        assert [len(await call.read()) for _ in range(4)] == [5, LARGE, LARGE, LARGE]
        call.cancel()
