"""However a request ends, it ends once: cancelled, late, refused, failed, or with its server."""

import asyncio

import grpc
import pytest
from google.protobuf import duration_pb2  # noqa: F401  its type must be known to unpack details
from google.rpc import error_details_pb2, status_pb2

from tandem.gan.v1 import gan_pb2


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


async def test_stream_whose_reader_does_not_read_draws_only_so_far_ahead(backend):
    call = backend.stub.SampleStream(stream(5000, images_per_message=1))
    await call.read()
    assert backend.worker.get("tiny").batcher.num_open <= 3 * 8, "as many as keep two instances busy"
    call.cancel()


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
