"""What the parallel backend tells a proxy of its calls, and whose turn they take."""

import asyncio
import math
import time

import grpc
import pytest

from tandem.common.v1 import served_pb2, served_pb2_grpc
from tandem.gan.v1 import gan_pb2

WAIT_SECONDS = 50.0
TRACE = "0af7651916cd43dd8448eb211c80319c"
RECORDED = (("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"),)


def request(count: int = 1, model: str = "tiny") -> gan_pb2.SampleRequest:
    return gan_pb2.SampleRequest(model=model, count=count, seed=1)


def stream(count: int, images_per_message: int = 4) -> gan_pb2.SampleStreamRequest:
    return gan_pb2.SampleStreamRequest(sample=request(count), images_per_message=images_per_message)


async def served_of(call: grpc.aio.Call) -> served_pb2.Served:
    return served_pb2.Served.FromString(dict(await call.trailing_metadata())["tandem-served-bin"])


async def taken(backend, request_id: str) -> served_pb2.Served:
    stub = served_pb2_grpc.ServedServiceStub(backend.channel)
    async with asyncio.timeout(60):
        while not (found := (await stub.TakeServed(served_pb2.TakeServedRequest(request_ids=[request_id]))).served):
            await asyncio.sleep(0)
    return found[request_id]


@pytest.mark.parametrize("rpc", ["Sample", "SampleStream", "Discriminate"])
async def test_the_time_before_the_handler_is_queueing(backend, rpc):
    images = (await backend.stub.Sample(request(1))).images
    before = backend.sample("tandem_backend_phase_seconds_sum", paradigm="parallel", model="tiny", phase="queue")
    metadata = [("tandem-arrived", f"{time.time() - WAIT_SECONDS:.6f}")]
    if rpc == "Sample":
        call = backend.stub.Sample(request(3), metadata=metadata)
        t = (await call).timings
    elif rpc == "SampleStream":
        call = backend.stub.SampleStream(stream(9), metadata=metadata)
        t = [each.part async for each in call][-1].timings
    else:
        judged = gan_pb2.DiscriminateRequest(model="tiny", images=images, labels=[0])
        call = backend.stub.Discriminate(judged, metadata=metadata)
        t = (await call).timings
    served = await served_of(call)
    assert t.queue_seconds >= WAIT_SECONDS - 1e-3
    parts = t.queue_seconds + t.batch_wait_seconds + t.compute_seconds + t.encode_seconds
    assert parts <= t.total_seconds or math.isclose(parts, t.total_seconds, rel_tol=1e-9)
    assert served.arrival_wait_seconds <= t.queue_seconds
    assert served.backend_seconds >= t.total_seconds
    if rpc != "Discriminate":
        after = backend.sample("tandem_backend_phase_seconds_sum", paradigm="parallel", model="tiny", phase="queue")
        assert after - before == pytest.approx(t.queue_seconds)


async def test_callers_take_turns(backend, monkeypatch):
    model, seen = backend.worker.get("tiny"), []
    for batcher in (model.batcher, model.judge):

        def noted(*arguments, begin=batcher.begin, is_begun=False):
            seen.append((arguments[4], is_begun))
            return begin(*arguments, is_begun=is_begun)

        monkeypatch.setattr(batcher, "begin", noted)
    alice = [("tandem-caller", "alice"), ("tandem-peer", "10.0.0.7:4711")]
    images = (await backend.stub.Sample(request(1), metadata=[("tandem-peer", "10.0.0.7:4711")])).images
    await backend.stub.Discriminate(
        gan_pb2.DiscriminateRequest(model="tiny", images=images, labels=[0]), metadata=alice
    )
    [_ async for _ in backend.stub.SampleStream(stream(8), metadata=alice)]
    assert seen == [("10.0.0.7", False), ("alice", False), ("alice", False), ("alice", True)]


async def test_latencies_name_the_recorded_trace(backend):
    await backend.stub.Sample(request(1), metadata=RECORDED)
    await backend.stub.Sample(request(1))
    samples = [sample for family in backend.registry.collect() for sample in family.samples if sample.exemplar]
    assert {sample.exemplar.labels["trace_id"] for sample in samples} == {TRACE}
    names = {sample.name for sample in samples}
    assert names == {"tandem_backend_request_duration_seconds_bucket", "tandem_backend_phase_seconds_bucket"}
