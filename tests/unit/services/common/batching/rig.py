"""A batcher to be tested, around a model that doubles numbers."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator

from runtime.deadlines import Deadline
from services.common.batching.admission import BatchLimits
from services.common.batching.batcher import Batcher
from tests.unit.services.common.batching.fakes import Doubler, Recorder

NEVER = Deadline(math.inf)


@contextlib.asynccontextmanager
async def running(model: Doubler, observer=None, num_instances=1, num_spare=0, **limits):
    """A started batcher; at the end the gate is open and the books must balance."""
    runs = [model.run] * (num_instances + num_spare)
    limits = BatchLimits(**{"max_batch_size": 4, "max_queued": 100, **limits})
    batcher = Batcher("doubler", runs, limits, observer or Recorder(), num_spare)
    batcher.start()
    try:
        yield batcher
        batcher.check_integrity()
    finally:
        model.gate.set()
        await batcher.stop()


def submit(batcher, numbers, deadline=NEVER, caller="", is_begun=False):
    return asyncio.create_task(batcher.submit(numbers, len(numbers), deadline, caller, is_begun=is_begun))


def flat(batched):
    return [number for part in batched.results for number in part]


async def until_busy(model: Doubler, num_batches: int = 1) -> None:
    for _ in range(num_batches):
        assert await asyncio.to_thread(model.entered.acquire, timeout=20), "no batch came"


async def until_queued(batcher, num_samples: int) -> None:
    async with asyncio.timeout(60):
        while batcher.num_queued != num_samples:
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def busy(model: Doubler | None = None, **options) -> AsyncIterator[tuple[Doubler, Batcher, asyncio.Task]]:
    """A batcher whose only instance, but for spare ones, is held in a pass of one request, that of the number 1."""
    model = model or Doubler(is_open=False)
    async with running(model, **options) as batcher:
        first = submit(batcher, [1])
        await until_busy(model)
        yield model, batcher, first
        model.gate.set()
        await asyncio.wait([first])
