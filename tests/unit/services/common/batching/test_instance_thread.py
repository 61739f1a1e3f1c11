"""The thread of an instance: what it keeps of a batch."""

import asyncio
import weakref

from services.common.batching.instance_thread import InstanceThread
from services.common.batching.request import BatchRequest
from tests.unit.services.common.batching.rig import NEVER

LIMIT_SECONDS = 60


class Payload:
    """Something that takes memory."""


async def test_an_idle_instance_holds_nothing_of_its_last_batch():
    is_done = asyncio.Event()
    instance = InstanceThread("idle", lambda slices: [Payload() for _ in slices], lambda *_: is_done.set())
    instance.start()
    payload = Payload()
    held = weakref.ref(payload)
    instance.give([BatchRequest(payload, 1, NEVER, 0.0, lambda *_: True).take(1, 0.0)])
    del payload
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            await is_done.wait()
            while held() is not None:
                await asyncio.sleep(0)
    finally:
        await instance.stop()
