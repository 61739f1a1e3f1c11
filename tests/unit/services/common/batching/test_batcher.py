"""Which requests make up a batch, who waits, and how a batcher ends."""

import asyncio

import pytest

from services.common.batching.admission import BatchLimits
from services.common.batching.batcher import Batcher
from tandem.shared.errors import Internal, Unavailable
from tests.unit.services.common.batching.fakes import Doubler, Recorder
from tests.unit.services.common.batching.rig import NEVER, busy, flat, running, submit, until_busy, until_queued


async def test_requests_that_arrive_while_busy_make_up_the_next_batch():
    async with busy() as (model, batcher, first):
        others = [submit(batcher, [number]) for number in (2, 3, 4)]
        await until_queued(batcher, 3)
        assert batcher.last_progress() is not None
        model.gate.set()
        assert [flat(await one) for one in (first, *others)] == [[2], [4], [6], [8]]
        assert batcher.last_progress() is None, "who has nothing to do stands still for no harm"
    assert model.batch_sizes == [1, 3]


async def test_small_requests_overtake_the_rest_of_a_large_one():
    observer = Recorder()
    async with busy(observer=observer) as (model, batcher, _):
        large, small = submit(batcher, list(range(12))), submit(batcher, [100])
        await until_queued(batcher, 13)
        model.gate.set()
        await asyncio.gather(large, small)
    assert observer.ends == [("finished", 1), ("finished", 1), ("finished", 12)]


async def test_idle_instances_share_a_large_request():
    model = Doubler(is_open=False)
    async with running(model, num_instances=2) as batcher:
        large = submit(batcher, [1, 2, 3, 4])
        await until_busy(model, num_batches=2)
        model.gate.set()
        assert flat(await large) == [2, 4, 6, 8]
    assert model.batch_sizes == [2, 2]


async def test_a_spare_instance_takes_a_full_batch_while_the_others_compute():
    async with busy(num_spare=1) as (model, batcher, first):
        part = [submit(batcher, [number]) for number in (2, 3, 4)]
        await until_queued(batcher, 3)
        assert model.batch_sizes == [1], "a batch that others could join has begun"
        rest = submit(batcher, [5, 6])
        await until_busy(model)
        assert model.batch_sizes == [1, 4]
        assert batcher.num_queued == 1
        model.gate.set()
        assert [flat(await one) for one in (first, *part, rest)] == [[2], [4], [6], [8], [10, 12]]
    assert model.batch_sizes == [1, 4, 1]


async def test_a_batch_of_several_requests_ends_at_the_preferred_size():
    async with busy(preferred_batch_size=2) as (model, batcher, first):
        rest = [submit(batcher, [number]) for number in (2, 3, 4)]
        await until_queued(batcher, 3)
        model.gate.set()
        await asyncio.gather(first, *rest)
    assert model.batch_sizes == [1, 2, 1]


async def test_dead_loop_fails_all_that_is_open_and_tells(caplog):
    class Broken(Recorder):
        def passed(self, batch_size: int, seconds: float) -> None:
            raise RuntimeError("no metrics today")

    observer = Broken()
    async with busy(observer=observer, max_batch_size=1) as (model, batcher, first):
        waiting = submit(batcher, [2])
        await until_queued(batcher, 1)
        model.gate.set()
        assert str(await batcher.wait_dead()) == "no metrics today"
        assert flat(await first) == [2]
        with pytest.raises(Internal):
            await waiting
        with pytest.raises(Unavailable):
            await batcher.submit([3], 1, NEVER)
        assert batcher.last_progress() is None
    assert observer.outcomes == {"finished": 1, "failed": 1}
    assert "loop died" in caplog.text


async def test_model_that_ends_its_thread_is_a_death_too(caplog):
    def leave(slices):
        raise SystemExit

    observer = Recorder()
    batcher = Batcher("leaver", [leave], BatchLimits(4, 4), observer)
    batcher.start()
    with pytest.raises(Internal):
        await batcher.submit([1], 1, NEVER)
    assert "told to end" in str(await batcher.wait_dead())
    await batcher.stop()
    assert observer.outcomes == {"failed": 1}


async def test_stop_fails_what_is_open_and_waits_for_the_pass_in_hand():
    observer, model = Recorder(), Doubler(is_open=False)
    batcher = Batcher("doubler", [model.run], BatchLimits(4, 4), observer)
    batcher.start()
    running_one, waiting = submit(batcher, [1]), submit(batcher, [2])
    await until_busy(model)
    stopping = asyncio.create_task(batcher.stop())
    for one in (running_one, waiting):
        with pytest.raises(Unavailable, match="stopping"):
            await one
    assert not stopping.done()
    model.gate.set()
    await stopping
    assert observer.outcomes == {"failed": 2}


async def test_a_request_without_a_future_ends_once(caplog):
    recorder, ends = Recorder(), []
    async with busy(observer=recorder) as (model, batcher, first):
        one, two = (
            batcher.begin(
                [number], 1, NEVER, lambda request, error: ends.append((request, error)) or request is not two
            )
            for number in (2, 3)
        )
        gone = batcher.begin([4], 1, NEVER, lambda *_: ends.append("gone"))
        batcher.abandon(gone)
        model.gate.set()
        await first
        while batcher.num_open:
            await asyncio.sleep(0)
    assert ends == [(one, None), (two, None)]
    assert [request.batched().results for request in (one, two)] == [[[4]], [[6]]]
    assert recorder.outcomes == {"finished": 2, "cancelled": 2}


async def test_delay_gathers_a_full_batch_without_waiting_to_its_end():
    model = Doubler()
    async with running(model, max_batch_size=3, max_batch_delay_seconds=3600.0) as batcher:
        assert [flat(one) for one in await asyncio.gather(*(submit(batcher, [n]) for n in (1, 2, 3)))] == [
            [2],
            [4],
            [6],
        ]
    assert model.batch_sizes == [3]
