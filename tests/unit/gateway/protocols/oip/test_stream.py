"""A stream that ends while it waits for its next request."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest

from gateway.admission import Entrance
from gateway.protocols.oip.stream import InferStream
from tandem.shared.errors import Unavailable


class IdleContext:
    """A call without a request, whose read fails once the call has ended."""

    def __init__(self) -> None:
        self.has_ended = asyncio.Event()

    async def send_initial_metadata(self, metadata: Any) -> None:
        pass

    async def read(self) -> Any:
        await self.has_ended.wait()
        raise RuntimeError("the call has ended")


async def test_a_read_that_fails_after_a_drain_is_not_an_error(tmp_path: Path) -> None:
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: told.append(about["message"]))
    context: Any = IdleContext()
    unused: Any = None
    entrance = Entrance(unused, unused, unused, tmp_path, "oip")
    stream = InferStream(unused, entrance, context)
    running = asyncio.create_task(stream.run())
    await asyncio.sleep(0)
    entrance.draining.set()
    with pytest.raises(Unavailable, match="the gateway is stopping"):
        await running
    context.has_ended.set()
    while len(asyncio.all_tasks()) > 1:
        await asyncio.sleep(0)
    gc.collect()
    assert told == []
