"""What the sequential backend tells a proxy of its calls, and whose turn they take."""

import asyncio
import math
import time

import grpc
import pytest

from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import served_pb2, served_pb2_grpc

WAIT_SECONDS = 50.0
TRACE = "0af7651916cd43dd8448eb211c80319c"
SCORED = ar_pb2.ScoreRequest(tokens={"token_lists": [{"ids": [1, 2, 3]}]})
RECORDED = (("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"),)


def request(**sampling: object) -> ar_pb2.GenerateRequest:
    return ar_pb2.GenerateRequest(model="tiny", text="The two clocks", sampling={"ignore_eos": True} | sampling)


async def served_of(call: grpc.aio.Call) -> served_pb2.Served:
    return served_pb2.Served.FromString(dict(await call.trailing_metadata())["tandem-served-bin"])


async def taken(backend, request_id: str) -> served_pb2.Served:
    stub = served_pb2_grpc.ServedServiceStub(backend.channel)
    async with asyncio.timeout(60):
        while not (found := (await stub.TakeServed(served_pb2.TakeServedRequest(request_ids=[request_id]))).served):
            await asyncio.sleep(0)
    return found[request_id]


async def test_a_stream_of_text(backend):
    call = backend.stub.Generate(request(max_tokens=12))
    responses = [each async for each in call]
    served = await served_of(call)
    assert (served.model, served.outputs, served.images) == ("tiny", 12, 0)
    assert served.first_outputs == len(next(each for each in responses if each.token_ids).token_ids)
    assert served.timings == responses[-1].timings
    assert served.backend_seconds >= served.timings.total_seconds


async def test_a_whole_text_and_pictures(both):
    call = both.stub.Complete(ar_pb2.CompleteRequest(generate=request(max_tokens=9)))
    reply = await call
    served = await served_of(call)
    assert (served.model, served.outputs, served.first_outputs, served.timings) == ("tiny", 9, 9, reply.timings)
    call = both.stub.Generate(ar_pb2.GenerateRequest(class_label=1, sampling={"n": 3}))
    tokens = sum([len(each.token_ids) async for each in call])
    served = await served_of(call)
    assert (served.model, served.outputs, served.images) == ("tiny-image", tokens, 3)


async def test_scores_and_errors(backend):
    call = backend.stub.Score(SCORED)
    reply = await call
    served = await served_of(call)
    assert (served.model, served.outputs, served.timings) == ("tiny", 0, reply.timings)
    for bad, model in ((request(temperature=-1.0), "tiny"), (ar_pb2.GenerateRequest(model="nobody", text="a"), "")):
        call = backend.stub.Generate(bad)
        with pytest.raises(grpc.aio.AioRpcError):
            await anext(aiter(call))
        served = await served_of(call)
        assert (served.model, served.outputs, served.HasField("timings")) == (model, 0, False)


async def test_a_cancelled_stream_tells_the_tokens_that_had_gone_out(backend):
    call = backend.stub.Generate(request(max_tokens=200), metadata=[("x-request-id", "gone")])
    first = await anext(aiter(call))
    call.cancel()
    served = await taken(backend, "gone")
    assert served.model == "tiny"
    assert served.first_outputs == len(first.token_ids) <= served.outputs < 200
    await backend.assert_idle()


@pytest.mark.parametrize("rpc", ["Generate", "Score"])
async def test_the_time_before_the_handler_is_queueing(backend, rpc):
    metadata = [("tandem-arrived", f"{time.time() - WAIT_SECONDS:.6f}"), *RECORDED]
    if rpc == "Generate":
        call = backend.stub.Generate(request(max_tokens=4), metadata=metadata)
        t = [each async for each in call][-1].timings
    else:
        call = backend.stub.Score(SCORED, metadata=metadata)
        t = (await call).timings
    served = await served_of(call)
    assert t.queue_seconds >= WAIT_SECONDS - 1e-3
    parts = t.queue_seconds + t.prefill_seconds + t.decode_seconds + t.encode_seconds
    assert math.isclose(parts, t.total_seconds, rel_tol=1e-9)
    assert served.arrival_wait_seconds <= t.queue_seconds
    assert served.backend_seconds >= t.total_seconds
    # The histograms have what the reply has.
    found = backend.sample("tandem_backend_phase_seconds_sum", paradigm="sequential", model="tiny", phase="queue")
    assert found == pytest.approx(t.queue_seconds)
    found = backend.sample("tandem_backend_request_duration_seconds_sum", paradigm="sequential", rpc=rpc, code="OK")
    assert found == served.backend_seconds
    samples = [sample for family in backend.registry.collect() for sample in family.samples if sample.exemplar]
    names = {sample.name for sample in samples if sample.exemplar.labels == {"trace_id": TRACE}}
    assert names == {"tandem_backend_request_duration_seconds_bucket", "tandem_backend_phase_seconds_bucket"}


async def test_callers_take_turns_and_share_cached_prompts_only_with_themselves(backend, monkeypatch):
    engine, seen = backend.worker.get("tiny").engine, []
    submit = engine.submit

    def noted(sequences, deadline=None):
        seen.extend((each.caller, each.cache_salt) for each in sequences)
        return submit(sequences, deadline)

    monkeypatch.setattr(engine, "submit", noted)
    for metadata in ([], [("tandem-peer", "[::1]:4711")], [("tandem-peer", "[::1]:4711"), ("tandem-caller", "alice")]):
        [_ async for _ in backend.stub.Generate(request(max_tokens=1), metadata=metadata)]
        await backend.stub.Score(SCORED, metadata=metadata)
    assert seen == [each for each in (("127.0.0.1", b""), ("[::1]", b""), ("alice", b"alice")) for _ in range(2)]
