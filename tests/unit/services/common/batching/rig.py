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
async def running(
    model: Doubler,
    max_batch_size=4,
    max_queued=100,
    num_instances=1,
    delay=0.0,
    observer=None,
    num_spare=0,
    preferred_batch_size=None,
):
    """A started batcher; at the end the gate is open and the books must balance."""
    limits = BatchLimits(max_batch_size, max_queued, delay, preferred_batch_size=preferred_batch_size)
    runs = [model.run] * (num_instances + num_spare)
    batcher = Batcher("doubler", runs, limits, observer or Recorder(), num_spare)
    batcher.start()
    try:
        yield batcher
        batcher.check_integrity()
    finally:
        model.gate.set()
        await batcher.stop()


def submit(batcher, numbers, deadline=NEVER):
    return asyncio.create_task(batcher.submit(numbers, len(numbers), deadline))


def flat(batched):
    return [number for part in batched.results for number in part]


async def until_busy(model: Doubler, num_batches: int = 1) -> None:
    for _ in range(num_batches):
        assert await asyncio.to_thread(model.entered.acquire, timeout=20), "no batch came"


async def until_queued(batcher, num_samples: int) -> None:
    while batcher.num_queued != num_samples:
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def busy(num_queued=0, observer=None, **limits) -> AsyncIterator[tuple[Doubler, Batcher, asyncio.Task]]:
    """A batcher whose only instance is held in a pass of one request, that of the number 1."""
    model = Doubler(is_open=False)
    async with running(model, observer=observer, **limits) as batcher:
        first = submit(batcher, [1])
        await until_busy(model)
        yield model, batcher, first
