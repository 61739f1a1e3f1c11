"""Images of requests count from before they are decoded until nothing holds them any more."""

import asyncio
import threading

import pytest

from services.common.images import messages as module
from services.common.images.messages import ReceivedImages
from tandem.common.v1 import images_pb2
from tandem.shared.errors import InvalidArgument, ResourceExhausted
from tandem.shared.model_spec import ImageSpec

SPEC = ImageSpec(shape=(4, 4, 1))
IMAGE_BYTES = 4 * 4 * 1 * 4
LIMIT_SECONDS = 60


def batch(count: int, num_bytes: int | None = None) -> images_pb2.ImageBatch:
    data = bytes(16 * count if num_bytes is None else num_bytes)
    return images_pb2.ImageBatch(shape=(count, *SPEC.shape), encoding=images_pb2.ENCODING_RAW_UINT8, data=data)


def broken(count: int) -> images_pb2.ImageBatch:
    """Return images of which it shows only when they are decoded that they are none."""
    return batch(count, num_bytes=1)


def room_for(num_images: int, max_caller_share: float = 1.0) -> ReceivedImages:
    return ReceivedImages(SPEC, num_images * IMAGE_BYTES, max_caller_share)


async def until_free(received: ReceivedImages) -> None:
    """Wait until nothing is held: the thread and the event loop let go of a result a moment after it is there."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while received._memory.num_held:
            await asyncio.sleep(0)


async def test_images_that_are_refused_count_no_more():
    received = room_for(10)
    with pytest.raises(InvalidArgument, match=r"images\.data") as refused:
        await received.decode("images", broken(10), 100, "a")
    assert len(await received.decode("images", batch(10), 100, "b")) == 10
    assert refused.value.field == "images.data"


async def test_images_count_until_nothing_holds_them():
    received = room_for(10, 0.5)
    images = await received.decode("images", batch(5), 100, "a")
    part = images[1:3]
    del images
    with pytest.raises(ResourceExhausted, match=r"a caller's part of the memory .* \(limit 320\)"):
        await received.decode("images", broken(1), 100, "a")
    del part
    await until_free(received)
    assert len(await received.decode("images", batch(5), 100, "a")) == 5


async def test_images_count_as_long_as_they_are_decoded_though_their_caller_has_gone(monkeypatch):
    decode, entered, gate = module.decode_images, threading.Event(), threading.Event()

    def held(*arguments):
        entered.set()
        assert gate.wait(LIMIT_SECONDS)
        return decode(*arguments)

    monkeypatch.setattr(module, "decode_images", held)
    received = room_for(10)
    call = asyncio.create_task(received.decode("images", batch(10), 100, "a"))
    assert await asyncio.to_thread(entered.wait, LIMIT_SECONDS)
    call.cancel()
    await asyncio.wait((call,))
    with pytest.raises(ResourceExhausted):
        await received.decode("images", batch(1), 100, "b")
    gate.set()
    await until_free(received)
    assert len(await received.decode("images", batch(10), 100, "b")) == 10
