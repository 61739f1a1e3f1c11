"""What wakes a call that waits: a message its reader, room its writer, and neither the other."""

import asyncio
import math

import pytest

from runtime.http2.context import HIGH_BACKLOG_BYTES, Http2Context
from runtime.http2.events import Event, Flag, Kind


class FullWire:
    """The client has taken nothing of what was sent."""

    def __init__(self) -> None:
        self.num_sent = 0

    def send(self, call_id: int, message: bytes) -> int:
        self.num_sent += 1
        return HIGH_BACKLOG_BYTES + 1

    def finish(self, *_: object) -> None: ...

    def refuse_alike(self, *_: object) -> None: ...


def event(kind: int, flags: int = 0) -> Event:
    return Event(kind, flags, 1, math.inf, "/a/b", b"", b"")


async def rounds_of_the_loop() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def wire() -> FullWire:
    return FullWire()


@pytest.fixture
def context(wire: FullWire) -> Http2Context:
    return Http2Context(event(Kind.CALL), wire, None)


async def test_messages_do_not_wake_a_writer_but_room_does(context: Http2Context, wire: FullWire) -> None:
    async def write() -> None:
        while True:
            await context.write(b"part")

    writing = asyncio.create_task(write())
    await rounds_of_the_loop()
    for _ in range(20):
        context.take(event(Kind.MESSAGE, Flag.HAS_MESSAGE))
        await rounds_of_the_loop()
    context.take(event(Kind.MESSAGE, Flag.IS_HALF_CLOSED))
    await rounds_of_the_loop()
    assert wire.num_sent == 1
    context.take(event(Kind.WRITABLE))
    await rounds_of_the_loop()
    assert wire.num_sent == 2
    writing.cancel()
