"""However a request ends, it ends once: cancelled, late, refused, failed, or with its server."""

import asyncio
import math
import time

import grpc
import numpy as np
import pytest
from google.protobuf import duration_pb2  # noqa: F401  its type must be known to unpack details
from google.rpc import error_details_pb2, status_pb2

from services.common.runtimes.onnx_session import OnnxSession
from services.gan.metrics import BatcherMetrics
from tandem.gan.v1 import gan_pb2
from tests.integration.services.gan.conftest import running_backend, tiny_settings


def request(count=1, **fields):
    return gan_pb2.SampleRequest(model="tiny", count=count, **{"seed": 1, **fields})


def stream(count, **fields):
    return gan_pb2.SampleStreamRequest(sample=request(count), **fields)


def images(backend, outcome) -> float:
    return backend.sample("tandem_images_total", model="tiny", network="generator", outcome=outcome)


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


def queued(backend) -> float:
    return backend.sample("tandem_images_queued", model="tiny", network="generator")


async def occupied(backend, gate) -> asyncio.Task:
    """Return a request that holds the only instance."""
    gate.close()
    first = asyncio.ensure_future(backend.stub.Sample(request(labels=[0])))
    await asyncio.to_thread(gate.entered.acquire)
    return first


async def test_queue_full_is_said_at_once_with_a_delay(narrow, gate):
    first = await occupied(narrow, gate)
    waiting = asyncio.ensure_future(narrow.stub.Sample(request(count=10)))
    await until(lambda: queued(narrow) == 10)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await narrow.stub.Sample(request(count=7))
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    trailers = dict(refused.value.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    retry = error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(retry)
    assert 0 < retry.retry_delay.ToTimedelta().total_seconds() < 60
    gate.open()
    await asyncio.gather(first, waiting)
    assert images(narrow, "finished") == 11


async def test_queue_full_refuses_the_beginning_of_a_stream(narrow, gate):
    first = await occupied(narrow, gate)
    waiting = asyncio.ensure_future(narrow.stub.Sample(request(count=10)))
    await until(lambda: queued(narrow) == 10)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        async for _ in narrow.stub.SampleStream(stream(100)):
            pass
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    gate.open()
    await asyncio.gather(first, waiting)


async def test_stream_goes_on_when_others_fill_the_queue(narrow, gate):
    call = narrow.stub.SampleStream(stream(200))
    parts = [await call.read()]
    gate.close()
    await asyncio.to_thread(gate.entered.acquire)
    others = []
    await until(lambda: queued(narrow) >= 8)
    while queued(narrow) < 16:
        before = queued(narrow)
        others.append(asyncio.ensure_future(narrow.stub.Sample(request())))
        await until(lambda before=before: queued(narrow) > before)
    gate.open()
    while (part := await call.read()) is not grpc.aio.EOF:
        parts.append(part)
    assert sum(part.part.images.shape[0] for part in parts) == 200
    await asyncio.gather(*others)


async def test_deadline_in_the_queue(narrow, gate):
    first = await occupied(narrow, gate)
    with pytest.raises(grpc.aio.AioRpcError) as late:
        await narrow.stub.Sample(request(count=10), timeout=1.0)
    assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    await until(lambda: queued(narrow) == 0)
    gate.open()
    await first
    await until(lambda: images(narrow, "cancelled") == 10)
    assert narrow.sample("tandem_batch_size_sum", paradigm="parallel", model="tiny") == 1


async def test_cancelled_stream_stops_the_work(backend):
    call = backend.stub.SampleStream(stream(5000, images_per_message=4))
    await call.read()
    call.cancel()
    batcher = backend.worker.get("tiny").batcher
    await until(lambda: batcher.num_open == 0)
    drawn = backend.sample("tandem_batch_size_sum", paradigm="parallel", model="tiny")
    assert drawn < 5000
    await backend.stub.Sample(request())
    assert images(backend, "finished") + images(backend, "cancelled") <= drawn + 5000


async def test_stream_whose_reader_does_not_read_draws_only_so_far_ahead(backend):
    call = backend.stub.SampleStream(stream(5000, images_per_message=1))
    await call.read()
    batcher = backend.worker.get("tiny").batcher
    assert batcher.num_open <= 3 * 8
    call.cancel()


async def test_random_cancels_leave_nothing_behind(backend):
    source = np.random.default_rng(0)
    # As long as sixteen at a time take here, so that some are finished and some are not, on any machine.
    began = time.monotonic()
    await asyncio.gather(*(backend.stub.Sample(request(4, labels=[0])) for _ in range(16)))
    usual_patience = max(0.01, time.monotonic() - began)

    async def one() -> str:
        count = int(source.integers(1, 12))
        call = backend.stub.Sample(request(count, labels=[0])) if source.random() < 0.7 else None
        patience = float(source.exponential(usual_patience))
        try:
            async with asyncio.timeout(patience):
                if call is not None:
                    await call
                else:
                    async for _ in backend.stub.SampleStream(stream(count * 20)):
                        pass
        except TimeoutError:
            return "cancelled"
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "finished"

    limit = asyncio.Semaphore(16)

    async def limited() -> str:
        async with limit:
            return await one()

    outcomes = await asyncio.gather(*(limited() for _ in range(1000)))
    assert {"cancelled", "finished"} <= set(outcomes) <= {"cancelled", "finished", "RESOURCE_EXHAUSTED"}
    batcher = backend.worker.get("tiny").batcher
    await until(lambda: batcher.num_open == 0)
    assert batcher.num_queued == 0
    assert queued(backend) == 0
    batcher.check_integrity()


async def test_failing_pass_is_internal_without_its_text(backend, monkeypatch, caplog):
    def fail(*_):
        raise ArithmeticError("a secret of the model")

    with monkeypatch.context() as patch:
        patch.setattr(OnnxSession, "run", fail)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await backend.stub.Sample(request())
    assert failed.value.code() == grpc.StatusCode.INTERNAL
    assert "secret" not in failed.value.details()
    assert "a secret of the model" in caplog.text
    assert images(backend, "failed") == 1
    assert (await backend.stub.Sample(request())).images.data


async def test_dead_batcher_fails_what_is_open_and_is_told(models_dir, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("the books are lost")

    async with running_backend(tiny_settings(models_dir, models=["tiny"], num_instances=1)) as backend:
        monkeypatch.setattr(BatcherMetrics, "passed", fail)
        calls = [backend.stub.Sample(request(count=8)) for _ in range(4)]
        reason = await backend.worker.wait_dead()
        assert str(reason) == "the books are lost"
        codes = {await call.code() for call in calls}
        assert codes <= {grpc.StatusCode.OK, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE}
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await backend.stub.Sample(request())
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        assert math.isclose(queued(backend), 0)
    assert "loop died" in caplog.text
