"""Sample over either server: one method, without a coroutine over our own, that answers alike and ends once."""

import asyncio
import contextlib

import grpc
import pytest

from services.gan.api import service
from tandem.common.v1 import served_pb2
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc
from tests.integration.services.gan.api.test_endings import images, occupied, queued, until
from tests.integration.services.gan.api.test_served import served_of, taken
from tests.integration.services.gan.conftest import SERVERS, running_backend, tiny_settings

REQUESTS = [
    {"model": "tiny", "seed": 2**64 - 1},
    {"model": "tiny", "seed": 0, "labels": [1], "encoding": 1},
    {"model": "tiny", "seed": 13, "count": 32, "labels": [1], "truncation": 0.5},
    {"model": "tiny", "seed": 13, "count": 2, "labels": [0, 1], "encoding": 3},
    {"model": "plain", "count": 2, "latents": {"values": [0.5] * 16}, "encoding": 2},
    {"model": "colour", "seed": 19, "count": 30, "encoding": 2},
]


def plain(**fields) -> gan_pb2.SampleRequest:
    return gan_pb2.SampleRequest(**{"model": "tiny", "seed": 1, **fields})


def without_times(message):
    kept = type(message).FromString(message.SerializeToString())
    kept.ClearField("timings")
    if isinstance(kept, served_pb2.Served):
        kept.ClearField("backend_seconds")
    return kept


def codes(backend, code: str) -> float:
    return backend.sample("tandem_backend_requests_total", paradigm="parallel", rpc="Sample", code=code)


async def test_both_servers_answer_alike(models_dir):
    answers = []
    for server in SERVERS:
        async with running_backend(tiny_settings(models_dir, http2=server)) as backend:
            calls = [backend.stub.Sample(gan_pb2.SampleRequest(**fields)) for fields in REQUESTS]
            replies = [await call for call in calls]
            assert codes(backend, "OK") == len(REQUESTS)
            served = [await served_of(call) for call in calls]
            assert [one.timings for one in served] == [reply.timings for reply in replies]
            answers.append([*map(without_times, replies), *map(without_times, served)])
    assert answers[0] == answers[1]


async def test_the_phases_add_up_and_are_counted(backend):
    for count in (1, 32):  # in one pass, and in several
        timings = (await backend.stub.Sample(plain(count=count))).timings
        phases = [timings.queue_seconds, timings.batch_wait_seconds, timings.compute_seconds, timings.encode_seconds]
        assert min(phases) > 0
        assert sum(phases) == pytest.approx(timings.total_seconds)
    labels = {"paradigm": "parallel", "model": "tiny", "phase": "compute"}
    assert backend.sample("tandem_backend_phase_seconds_sum", **labels) >= timings.compute_seconds


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


@pytest.mark.parametrize("encoding", [1, 3])  # a PNG is made in a thread
async def test_a_reply_that_cannot_be_made_is_internal(backend, monkeypatch, caplog, encoding):
    def broken(*_):
        raise MemoryError("a secret of the writer")

    monkeypatch.setattr(service, "sample_reply", broken)
    call = backend.stub.Sample(plain(encoding=encoding))
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    assert failed.value.code() == grpc.StatusCode.INTERNAL
    assert "secret" not in failed.value.details()
    assert (await served_of(call)).model == "tiny"
    assert (codes(backend, "INTERNAL"), codes(backend, "OK")) == (1, 0)
    assert "a secret of the writer" in caplog.text


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
