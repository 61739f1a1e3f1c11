"""What becomes of requests whose batch fails: each is run again alone, once."""

import asyncio
import contextlib
import gc
import itertools
import logging
import weakref

import pytest

from runtime.deadlines import Deadline
from services.common.batching.admission import BatchLimits
from services.common.batching.batcher import Batcher
from tandem.shared.errors import DeadlineExceeded, Internal, ModelFault, TandemError
from tests.unit.services.common.batching.fakes import NOT_FINITE, Recorder, Stepwise
from tests.unit.services.common.batching.rig import NEVER, busy, flat, running, submit, until_busy, until_queued


async def test_failing_request_fails_alone_and_those_beside_it_get_their_results(caplog):
    observer = Recorder()
    async with busy(observer=observer) as (model, batcher, first):
        good, bad, other = submit(batcher, [2]), submit(batcher, [-1]), submit(batcher, [3])
        await until_queued(batcher, 3)
        model.gate.set()
        with pytest.raises(Internal) as failure:
            await bad
        assert "secret" not in str(failure.value)
        assert [flat(await one) for one in (first, good, other)] == [[2], [4], [6]]
    assert model.batch_sizes == [1, 3, 1, 1, 1]
    assert observer.outcomes == {"finished": 3, "failed": 1}
    assert observer.passes == [1, 1, 1]
    assert "a secret of the model" in caplog.text


@contextlib.asynccontextmanager
async def held_in_failing_batch(*payloads, deadlines=(), observer=None):
    """A batcher whose model holds a batch of a request that fails, [-1], and of `payloads`, whose tasks are yielded."""
    model = Stepwise()
    async with running(model, observer=observer, max_batch_size=8) as batcher:
        first = submit(batcher, [1])
        await until_busy(model)
        bad = submit(batcher, [-1])
        others = [
            submit(batcher, payload, deadline)
            for payload, deadline in itertools.zip_longest(payloads, deadlines, fillvalue=NEVER)
        ]
        await until_queued(batcher, 1 + sum(map(len, payloads)))
        model.steps.release()
        await first
        await until_busy(model)
        yield model, batcher, others
        model.gate.set()
        with pytest.raises(Internal):
            await bad


async def test_caller_who_left_during_the_failing_pass_is_not_run_again():
    observer = Recorder()
    async with held_in_failing_batch([2], [3, 4], observer=observer) as (model, _, (leaves, stays)):
        leaves.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaves
        model.gate.set()
        assert flat(await stays) == [6, 8]
    assert model.batch_sizes == [1, 4, 1, 2]
    assert observer.outcomes == {"finished": 2, "cancelled": 1, "failed": 1}


async def test_request_past_its_deadline_is_not_run_again():
    observer, soon = Recorder(), Deadline.after(0.05)
    async with held_in_failing_batch([2], [3], deadlines=[soon], observer=observer) as (model, _, tasks):
        while not soon.has_passed():
            await asyncio.sleep(0)
        model.gate.set()
        late, stays = tasks
        with pytest.raises(DeadlineExceeded):
            await late
        assert flat(await stays) == [6]
    # Had the machine been too slow for the first pass, the late one would have left the queue before it.
    assert model.batch_sizes in ([1, 3, 1, 1], [1, 2, 1, 1])
    assert observer.outcomes == {"finished": 2, "cancelled": 1, "failed": 1}


async def test_result_may_be_the_failure_of_one_slice_and_the_batch_is_not_run_again(caplog):
    observer = Recorder()
    async with busy(observer=observer) as (model, batcher, first):
        good, bad, other = submit(batcher, [2]), submit(batcher, [NOT_FINITE]), submit(batcher, [3, 4])
        await until_queued(batcher, 4)
        model.gate.set()
        with pytest.raises(ModelFault, match="other requests are not affected"):
            await bad
        assert [flat(await one) for one in (first, good, other)] == [[2], [4], [6, 8]]
        assert [one.batch_size for one in (await other).passes] == [4]
    assert model.batch_sizes == [1, 4]
    assert observer.passes == [1, 4]
    assert observer.outcomes == {"finished": 3, "failed": 1}
    assert "doubler: a request failed" in caplog.text


class Payload(list):
    """Can be watched."""


def raise_fault(_):
    raise ArithmeticError


def raise_model_fault(_):
    raise ModelFault


@pytest.mark.parametrize(
    ("fail", "deadline"),
    [
        (lambda slices: [ModelFault() for _ in slices], NEVER),
        (raise_model_fault, NEVER),
        (raise_fault, NEVER),
        (lambda slices: [], NEVER),
        (raise_fault, Deadline.after(0.0)),
    ],
    ids=["result is an error", "expected error", "unexpected error", "too few results", "too late"],
)
async def test_payload_of_a_request_that_failed_is_free_at_once(monkeypatch, fail, deadline):
    logger = logging.getLogger("services.common.batching.batcher")
    monkeypatch.setattr(logger, "disabled", True)  # pytest keeps the tracebacks that are logged
    batcher = Batcher("broken", [lambda slices: fail(slices) if fails else [0]], BatchLimits(4, 8), Recorder())
    batcher.start()
    fails, held = True, []

    async def request():
        payload = Payload([1])
        held.append(weakref.ref(payload))
        with contextlib.suppress(TandemError):
            await batcher.submit(payload, 1, deadline)

    gc.collect()
    gc.disable()  # cycles of references stay
    try:
        for _ in range(3):
            await request()
        fails = False
        await batcher.submit([1], 1, NEVER)  # the instance's thread still has the last batch
        assert [each() for each in held] == [None] * 3
    finally:
        gc.enable()
        await batcher.stop()
