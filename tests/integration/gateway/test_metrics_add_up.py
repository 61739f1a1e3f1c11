"""What Prometheus says is what the clients saw."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import grpc
import pytest

from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument, NotFound, ResourceExhausted, Unavailable
from tandem.shared.metrics import SECONDS_BUCKETS
from tests.integration.gateway.fakes import (
    GENERATE,
    HOLD,
    SAMPLE,
    SAMPLE_STREAM,
    SCORE,
    FakeBackend,
    FakeParallel,
    FakeSequential,
)
from tests.integration.gateway.running import RunningGateway

REQUEST = ar_pb2.GenerateRequest(text="a", sampling=ar_pb2.SamplingParams(max_tokens=4)).SerializeToString()
HELD = ar_pb2.GenerateRequest(text=HOLD).SerializeToString()
STREAM = {"paradigm": "sequential", "model": "fake-text", "rpc": "Generate", "transport": "grpc", "streaming": "true"}


async def finish(call: Any) -> str:
    """Return the code that this call's client saw."""
    try:
        await call if hasattr(call, "__await__") else [message async for message in call]
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


def mixed_requests(gateway: RunningGateway, chance: random.Random) -> list[tuple[str, Any]]:
    """Return calls of every kind, good and bad, in random order: the rpc and how to make the call."""
    calls: list[tuple[str, Any]] = [
        *[("Generate", lambda: gateway.stream(GENERATE, REQUEST))] * 30,
        *[("Generate", lambda: gateway.stream(GENERATE, b"\xff\xff"))] * 5,
        *[("Generate", lambda: gateway.stream(GENERATE, HELD, timeout=1.0))] * 10,
        *[("Score", lambda: gateway.unary(SCORE, b""))] * 10,
        *[("Sample", lambda: gateway.unary(SAMPLE, b"\x10\x02"))] * 20,
        *[("Sample", lambda: gateway.unary(SAMPLE, b"\x0a\x04none"))] * 5,
        *[("Sample", lambda: gateway.unary(SAMPLE, bytes((4 << 20) + 1)))] * 2,
        *[("SampleStream", lambda: gateway.stream(SAMPLE_STREAM, b"\x0a\x02\x10\x03"))] * 10,
    ]
    chance.shuffle(calls)
    return calls


async def test_requests_by_code_are_the_clients_history(
    gateway: RunningGateway, text: FakeSequential, images: FakeParallel
) -> None:
    chance = random.Random(1)
    errors = [InvalidArgument("a", 1, "2"), NotFound("x", []), ResourceExhausted("queue", 1, 1), Unavailable("gone")]

    async def sometimes_fail(share: float) -> None:
        if chance.random() < share:
            raise chance.choice([*errors, RuntimeError("a fault")])

    text.before_message = lambda index: sometimes_fail(0.05)
    images.before_sample = lambda: sometimes_fail(0.3)
    history: Counter[tuple[str, str]] = Counter()

    async def one(rpc: str, call: Any) -> None:
        history[rpc, await finish(call())] += 1

    calls = mixed_requests(gateway, chance)
    for start in range(0, len(calls), 16):
        await asyncio.gather(*(one(rpc, call) for rpc, call in calls[start : start + 16]))
    await gateway.until_idle()
    for (rpc, code), count in history.items():
        assert gateway.value("tandem_requests_total", rpc=rpc, code=code) == count, (rpc, code)
    assert {code for _, code in history} >= {"OK", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}
    assert history["Generate", "DEADLINE_EXCEEDED"] == 10
    assert gateway.value("tandem_requests_total") == len(calls)
    assert gateway.value("gen_ai_server_request_duration_seconds_count") == len(calls)
    assert gateway.value("tandem_requests_in_flight") == 0


async def test_first_output_is_not_a_framing_message(gateway: RunningGateway, text: FakeSequential) -> None:
    held = asyncio.Event()
    text.before_message = lambda index: held.wait() if index == 1 else None
    stream = gateway.stream(GENERATE, REQUEST)
    assert ar_pb2.GenerateResponse.FromString(await stream.read()).token_ids == []
    # So long the first token is away that its bucket differs from the framing message's.
    asyncio.get_running_loop().call_later(0.2, held.set)
    while await stream.read() is not grpc.aio.EOF:
        pass
    await gateway.until_idle()
    assert gateway.value("gen_ai_server_time_to_first_token_seconds_sum", **STREAM) >= 0.19
    assert gateway.value("tandem_time_to_first_output_seconds_sum", **STREAM) >= 0.19
    assert gateway.value("gen_ai_server_time_per_output_token_seconds_count", **STREAM) == 1
    assert gateway.value("tandem_outputs_total", paradigm="sequential", model="fake-text", unit="token") == 4


async def test_request_that_ends_without_output_is_counted_not_timed(
    gateway: RunningGateway, text: FakeSequential
) -> None:
    async def refuse() -> None:
        raise InvalidArgument("a", 1, "2")

    text.before_message = lambda index: refuse() if index == 1 else None
    assert await finish(gateway.stream(GENERATE, REQUEST)) == "INVALID_ARGUMENT"
    await gateway.until_idle()
    assert gateway.value("tandem_requests_without_output_total", code="INVALID_ARGUMENT") == 1
    assert gateway.value("tandem_time_to_first_output_seconds_count") == 0


async def test_score_and_list_models_generate_nothing(gateway: RunningGateway) -> None:
    assert await finish(gateway.unary(SCORE, b"")) == "OK"
    assert await finish(gateway.unary("/tandem.gan.v1.GanService/ListModels", b"")) == "OK"
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", code="OK") == 2
    assert gateway.value("tandem_requests_without_output_total") == 0
    assert gateway.value("tandem_outputs_total") == 0


async def test_images_are_counted_not_messages(gateway: RunningGateway) -> None:
    await gateway.unary(SAMPLE, b"\x10\x07")
    [_ async for _ in gateway.stream(SAMPLE_STREAM, b"\x0a\x02\x10\x03")]
    await gateway.until_idle()
    assert gateway.value("tandem_outputs_total", paradigm="parallel", model="fake-<gan>", unit="image") == 10
    assert gateway.value("tandem_time_to_first_output_seconds_count", rpc="Sample", streaming="false") == 1
    assert gateway.value("tandem_time_to_first_output_seconds_count", rpc="SampleStream", streaming="true") == 1
    assert gateway.value("gen_ai_server_time_to_first_token_seconds_count") == 0


@pytest.mark.parametrize(
    ("asked", "label"), [(b"", "fake-<gan>"), (b"fake-<gan>", "fake-<gan>"), (b"../../x", "unknown")]
)
async def test_model_label_is_from_a_closed_set(gateway: RunningGateway, asked: bytes, label: str) -> None:
    await finish(gateway.unary(SAMPLE, b"\x0a" + bytes([len(asked)]) + asked))
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", model=label) == gateway.value("tandem_requests_total") == 1


async def test_parts_add_up_to_the_whole(gateway: RunningGateway, ar: FakeBackend) -> None:
    for _ in range(20):
        await finish(gateway.stream(GENERATE, REQUEST))
        await gateway.unary(SAMPLE, b"")
    await gateway.until_idle()
    assert gateway.value("tandem_phase_seconds_count", phase="gateway") == 40
    for paradigm in ("sequential", "parallel"):
        parts = gateway.value("tandem_phase_seconds_sum", paradigm=paradigm)
        whole = gateway.value("gen_ai_server_request_duration_seconds_sum", paradigm=paradigm)
        assert parts == pytest.approx(whole, rel=1e-9)
    own = gateway.value("tandem_gateway_overhead_seconds_sum", rpc="Sample")
    assert own == gateway.value("tandem_phase_seconds_sum", paradigm="parallel", phase="gateway")


async def test_every_histogram_has_the_common_buckets(gateway: RunningGateway) -> None:
    await finish(gateway.stream(GENERATE, REQUEST))
    await gateway.until_idle()
    bounds: dict[str, set[float]] = {}
    for metric in gateway.gateway.registry.collect():
        for sample in metric.samples:
            if "le" in sample.labels:
                bounds.setdefault(metric.name, set()).add(float(sample.labels["le"]))
    assert len(bounds) == 6
    assert all(found == {*SECONDS_BUCKETS, float("inf")} for found in bounds.values())
