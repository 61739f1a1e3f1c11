"""A connection that notes when the kernel had what came, and what becomes of requests on one that ends."""

import asyncio
import socket
import sys
import time

import pytest

from tandem.measure.generator.sending.http.noted_socket import NotedSocket, connect


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when bytes came")
async def test_bytes_have_the_time_when_they_came_and_not_when_they_were_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = await connect(*listener.getsockname())
        theirs, _ = listener.accept()
        came: asyncio.Future[tuple[bytes, float]] = asyncio.get_running_loop().create_future()
        transport = NotedSocket(ours, lambda data, at: came.set_result((data, at)), lambda error: None)
        transport.write(b"request")
        assert theirs.recv(99) == b"request"
        before = time.monotonic()
        theirs.send(b"reply")
        time.sleep(0.1)  # noqa: ASYNC251  the loop is busy
        after = time.monotonic()
        data, at = await came
        assert data == b"reply"
        assert before - 0.05 <= at <= after - 0.05  # two clocks, one of which may be set meanwhile
        transport.abort()
        theirs.close()


async def test_what_is_written_on_a_connection_that_has_just_ended_is_dropped_and_its_end_told() -> None:
    theirs, ours = socket.socketpair()
    ours.setblocking(False)
    lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    transport: NotedSocket

    def on_bytes(data: bytes, at: float) -> None:
        raise AssertionError

    transport = NotedSocket(ours, on_bytes, lost.set_result)
    theirs.close()
    while not transport.is_closing():
        await asyncio.sleep(0)
    assert not lost.done()
    transport.write(b"request")
    assert await lost is None
