"""What Prometheus says is what the clients saw."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from tandem.ar.v1 import ar_pb2
from tests.integration.gateway.fakes import (
    GENERATE,
    SAMPLE,
    SAMPLE_STREAM,
    SCORE,
    FakeBackend,
    FakeSequential,
)
from tests.integration.gateway.running import RunningGateway

REQUEST = ar_pb2.GenerateRequest(text="a", sampling=ar_pb2.SamplingParams(max_tokens=4)).SerializeToString()
STREAM = {"paradigm": "sequential", "model": "fake-text", "rpc": "Generate", "transport": "grpc", "streaming": "true"}


async def finish(call: Any) -> str:
    """Return the code that this call's client saw."""
    try:
        await call if hasattr(call, "__await__") else [message async for message in call]
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


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
