"""Plain requests for a few images, through the real server: answered as the method answers them, however they end."""

import asyncio
import contextlib

import grpc
import pytest

from services.gan.api.quick import fast_path
from services.gan.api.quick.replies import QuickReplies
from services.gan.api.service import GanServicer
from tandem.common.v1 import served_pb2
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc
from tests.integration.services.gan.api.test_endings import images, occupied, queued, until
from tests.integration.services.gan.api.test_served import RECORDED, served_of, taken
from tests.integration.services.gan.conftest import running_backend, tiny_settings

PLAIN = [
    {"model": "tiny", "seed": 5},
    {"model": "tiny", "seed": 2**64 - 1, "count": 1},
    {"model": "tiny", "seed": 0, "labels": [1]},
    {"model": "tiny", "seed": 7, "labels": [0], "encoding": 1},
    {"model": "plain", "seed": 9},
    {"model": "colour", "seed": 11},
    {"model": "tiny", "seed": 13, "count": 5},
    {"model": "tiny", "seed": 13, "count": 32, "labels": [1]},
    {"model": "plain", "seed": 17, "count": 20},
    {"model": "colour", "seed": 19, "count": 3},
]


def plain(**fields) -> gan_pb2.SampleRequest:
    return gan_pb2.SampleRequest(**{"model": "tiny", "seed": 1, **fields})


def without_times(message):
    kept = type(message).FromString(message.SerializeToString())
    kept.ClearField("timings")
    if isinstance(kept, served_pb2.Served):
        kept.ClearField("backend_seconds")
        kept.ClearField("first_output_delay_seconds")
    return kept


def codes(backend, code: str) -> float:
    return backend.sample("tandem_backend_requests_total", paradigm="parallel", rpc="Sample", code=code)


@pytest.fixture
def methods(monkeypatch: pytest.MonkeyPatch) -> list[gan_pb2.SampleRequest]:
    """The requests that come to the method."""
    came: list[gan_pb2.SampleRequest] = []
    sample = GanServicer.sample

    async def noted(self, request, call):
        came.append(request)
        return await sample(self, request, call)

    monkeypatch.setattr(GanServicer, "sample", noted)
    return came


@pytest.mark.parametrize("fields", PLAIN)
async def test_it_answers_as_the_method_does(methods, backend, fields):
    request = gan_pb2.SampleRequest(**fields)
    fast, slow = backend.stub.Sample(request), backend.stub.Sample(request, metadata=RECORDED)
    assert without_times(await fast) == without_times(await slow)
    assert without_times(await served_of(fast)) == without_times(await served_of(slow))
    assert (await served_of(fast)).timings == (await fast).timings
    assert methods == [request]
    assert codes(backend, "OK") == 2


async def test_the_phases_add_up_and_are_counted(methods, backend):
    timings = (await backend.stub.Sample(plain())).timings
    phases = [timings.queue_seconds, timings.batch_wait_seconds, timings.compute_seconds, timings.encode_seconds]
    assert min(phases) > 0
    assert sum(phases) == pytest.approx(timings.total_seconds)
    labels = {"paradigm": "parallel", "model": "tiny", "phase": "compute"}
    assert backend.sample("tandem_backend_phase_seconds_sum", **labels) == timings.compute_seconds
    assert methods == []


async def test_a_request_that_rides_in_several_passes(methods, narrow, gate):
    """Of two requests the second one fills the batch of the first, and has the rest in another."""
    first = await occupied(narrow, gate)
    calls = [narrow.stub.Sample(plain(count=count, seed=count)) for count in (5, 6)]
    waiting = [asyncio.ensure_future(call) for call in calls]
    await until(lambda: queued(narrow) == 11)
    gate.open()
    await first
    replies = await asyncio.gather(*waiting)
    assert methods == []
    assert images(narrow, "finished") == 12
    for call, reply in zip(calls, replies, strict=True):
        alone = await narrow.stub.Sample(plain(count=reply.seed, seed=reply.seed), metadata=RECORDED)
        assert without_times(reply) == without_times(alone)
        served, timings = await served_of(call), reply.timings
        assert (served.outputs, served.timings) == (reply.seed, timings)
        phases = [timings.queue_seconds, timings.batch_wait_seconds, timings.compute_seconds, timings.encode_seconds]
        assert sum(phases) == pytest.approx(timings.total_seconds)
    assert 3.0 < replies[1].timings.mean_batch_size < 8.0


@pytest.mark.parametrize("fields", [{"count": 65}, {"count": 2, "labels": [0, 1]}, {"count": 2, "encoding": 3}])
async def test_what_is_larger_or_unusual_is_the_methods(methods, models_dir, fields):
    settings = tiny_settings(models_dir, models=["tiny"], max_images_per_request=100, max_queued_images=100)
    async with running_backend(settings) as backend:
        reply = await backend.stub.Sample(plain(**fields))
    images = reply.images
    assert (images.shape[0] if images.shape else len(images.png)) == fields["count"]
    assert len(methods) == 1


async def test_seeds_that_it_draws_draw_the_same_again(backend):
    replies = await asyncio.gather(*(backend.stub.Sample(plain(seed=None)) for _ in range(8)))
    assert len({reply.seed for reply in replies}) == 8
    again = [await backend.stub.Sample(plain(seed=reply.seed), metadata=RECORDED) for reply in replies]
    assert [each.images for each in replies] == [each.images for each in again]


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"labels": [99]}, "INVALID_ARGUMENT"), ({"model": "nobody"}, "NOT_FOUND"), ({"model": ""}, "NOT_FOUND")],
)
async def test_what_is_wrong_is_told_by_the_method(methods, backend, fields, code):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await backend.stub.Sample(plain(**fields))
    assert refused.value.code().name == code
    assert len(methods) == 1


async def test_a_full_queue_is_told_by_the_method(methods, narrow, gate):
    first = await occupied(narrow, gate)
    waiting = [asyncio.ensure_future(narrow.stub.Sample(plain())) for _ in range(16)]
    await until(lambda: queued(narrow) == 16)
    assert methods == []
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await narrow.stub.Sample(plain())
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len(methods) == 1
    gate.open()
    await asyncio.gather(first, *waiting)
    assert images(narrow, "finished") == 17


async def test_a_caller_that_leaves_takes_its_request_out_of_the_queue(narrow, gate):
    first = await occupied(narrow, gate)
    call = narrow.stub.Sample(plain(), metadata=[("x-request-id", "left")])
    waiting = asyncio.ensure_future(call)
    await until(lambda: queued(narrow) == 1)
    call.cancel()
    await until(lambda: queued(narrow) == 0)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    served = await taken(narrow, "left")
    assert (served.model, served.outputs, served.HasField("timings")) == ("tiny", 0, False)
    gate.open()
    await first
    assert (images(narrow, "finished"), images(narrow, "cancelled")) == (1, 1)
    assert (codes(narrow, "OK"), codes(narrow, "CANCELLED")) == (1, 1)


async def test_a_caller_that_leaves_during_the_pass_is_counted_once(narrow, gate):
    gate.close()
    call = narrow.stub.Sample(plain())
    waiting = asyncio.ensure_future(call)
    await asyncio.to_thread(gate.entered.acquire)
    call.cancel()
    await until(lambda: codes(narrow, "CANCELLED") == 1)
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await narrow.stub.Sample(plain())
    assert (images(narrow, "finished"), images(narrow, "cancelled")) == (1, 1)


async def test_a_deadline_in_the_queue(narrow, gate):
    first = await occupied(narrow, gate)
    with pytest.raises(grpc.aio.AioRpcError) as late:
        await narrow.stub.Sample(plain(), timeout=1.0)
    assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    await until(lambda: queued(narrow) == 0)
    gate.open()
    await first
    assert (codes(narrow, "OK"), codes(narrow, "DEADLINE_EXCEEDED")) == (1, 1)


async def test_a_pass_that_fails_is_internal_and_says_what_was_served(backend, monkeypatch, caplog):
    def broken(*_):
        raise ArithmeticError("a secret of the model")

    for instance in backend.worker.get("tiny").batcher._instances:
        monkeypatch.setattr(instance, "_run", broken)
    call = backend.stub.Sample(plain())
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    assert failed.value.code() == grpc.StatusCode.INTERNAL
    assert "secret" not in failed.value.details()
    assert (await served_of(call)).model == "tiny"
    assert codes(backend, "INTERNAL") == 1
    assert "a secret of the model" in caplog.text


@pytest.mark.parametrize(("of", "name"), [(QuickReplies, "write"), (fast_path, "_reply_of")])
async def test_replies_that_cannot_be_written_are_internal(backend, monkeypatch, caplog, of, name):
    def broken(*_):
        raise MemoryError("a secret of the writer")

    monkeypatch.setattr(of, name, broken)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await backend.stub.Sample(plain())
    assert failed.value.code() == grpc.StatusCode.INTERNAL
    assert (codes(backend, "INTERNAL"), codes(backend, "OK")) == (1, 0)
    assert "a secret of the writer" in caplog.text


async def test_its_replies_are_kept_for_a_proxy_that_asks_afterwards(backend):
    call = backend.stub.Sample(plain(), metadata=[("x-request-id", "an-id")])
    await call
    assert await taken(backend, "an-id") == await served_of(call)


@contextlib.asynccontextmanager
async def open_at_the_end(models_dir, gate, drain_seconds):
    """Yield a call that is in the model while its server stops."""
    settings = tiny_settings(models_dir, models=["tiny"], num_instances=1)
    async with running_backend(settings, drain_seconds) as backend:
        gate.close()
        channel = grpc.aio.insecure_channel(backend.address)
        last = asyncio.ensure_future(gan_pb2_grpc.GanServiceStub(channel).Sample(plain()))
        await asyncio.to_thread(gate.entered.acquire)
        asyncio.get_running_loop().call_later(0.3, gate.open)
    yield last
    await channel.close()


async def test_open_calls_are_drained_at_the_end(models_dir, gate):
    async with open_at_the_end(models_dir, gate, drain_seconds=20.0) as last:
        assert (await last).seed == 1


async def test_calls_that_are_open_after_that_are_told(models_dir, gate):
    async with open_at_the_end(models_dir, gate, drain_seconds=0.0) as last:
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await last
    assert (ended.value.code(), ended.value.details()) == (grpc.StatusCode.UNAVAILABLE, "the server is stopping")
