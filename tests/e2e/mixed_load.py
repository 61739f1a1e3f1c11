"""Steady traffic of every kind through a gateway, in a thread of its own: texts, images both ways, and mistakes."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import grpc

from tandem.ar.v1 import ar_pb2, ar_pb2_grpc
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc

TEXT_MODEL, IMAGE_MODEL, NUM_CHOICES = "tiny", "fashion-ar", 4


@dataclass
class Load:
    """What was asked for and came: images drawn in sequence."""

    num_images: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    async def run(self, address: str) -> None:
        async with grpc.aio.insecure_channel(address) as channel:
            self._text = ar_pb2_grpc.AutoregressiveServiceStub(channel)
            self._images = gan_pb2_grpc.GanServiceStub(channel)
            kinds = (self._story, self._story, self._picture, self._batch, self._batch, self._stream, self._mistakes)
            await asyncio.gather(*(self._repeat(kind) for kind in kinds))

    async def _repeat(self, kind: Callable[[int], Awaitable[None]]) -> None:
        number = 0
        while not self.stop.is_set():
            number += 1
            await kind(number)

    async def _story(self, number: int) -> None:
        sampling = ar_pb2.SamplingParams(max_tokens=16, ignore_eos=True, seed=number)
        request = ar_pb2.GenerateRequest(model=TEXT_MODEL, text="The two clocks", sampling=sampling)
        async for _ in self._text.Generate(request):
            pass

    async def _picture(self, number: int) -> None:
        sampling = ar_pb2.SamplingParams(n=NUM_CHOICES, seed=number)
        request = ar_pb2.GenerateRequest(model=IMAGE_MODEL, class_label=number % 10, sampling=sampling)
        async for _ in self._text.Generate(request):
            pass
        self.num_images += NUM_CHOICES

    async def _batch(self, number: int) -> None:
        await self._images.Sample(gan_pb2.SampleRequest(count=1 + number % 4, seed=number))

    async def _stream(self, number: int) -> None:
        # More than a pass holds, so that a request waits with a part of itself.
        request = gan_pb2.SampleStreamRequest(sample=gan_pb2.SampleRequest(count=100, seed=number))
        async for _ in self._images.SampleStream(request):
            pass

    async def _mistakes(self, number: int) -> None:
        with suppress(grpc.aio.AioRpcError):
            await self._images.Sample(gan_pb2.SampleRequest(count=0))
        await self._text.Score(ar_pb2.ScoreRequest(model=TEXT_MODEL, texts=ar_pb2.TextContent(texts=["one two"])))
        await self._images.ListModels(gan_pb2.ListModelsRequest())
        await asyncio.to_thread(self.stop.wait, 0.2)


@contextmanager
def mixed_load(address: str) -> Iterator[Load]:
    """Keep the load up until the end of the block; an error of any kind but the mistakes is raised there."""
    load = Load()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(load.run(address))
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work, name="load")
    thread.start()
    try:
        yield load
    finally:
        load.stop.set()
        thread.join()
    if failures:
        raise failures[0]
