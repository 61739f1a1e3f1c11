"""What the clock says is what the client saw, for delays that are known, and its parts say where the time went."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from runtime.rpc.call import Call
from tandem.ar.v1 import ar_pb2
from tandem.common.v1.timings_pb2 import Timings
from tests.integration.gateway.fakes import GENERATE, SAMPLE, SCORE, FakeSequential
from tests.integration.gateway.running import RunningGateway

DURATION, FIRST_OUTPUT = "gen_ai_server_request_duration_seconds", "tandem_time_to_first_output_seconds"
PER_TOKEN, PHASE = "gen_ai_server_time_per_output_token_seconds", "tandem_phase_seconds"


async def test_a_stream(gateway: RunningGateway, text: FakeSequential) -> None:
    """The first token comes late, after a message without one, and the others one after the other."""
    delays = {1: 0.2, 2: 0.1, 3: 0.1}
    text.before_message = lambda index: asyncio.sleep(delays.get(index, 0.0))
    request = ar_pb2.GenerateRequest(text="a", sampling=ar_pb2.SamplingParams(max_tokens=3)).SerializeToString()
    began = time.monotonic()
    assert len([message async for message in gateway.stream(GENERATE, request)]) == 5
    seen = time.monotonic() - began
    await gateway.until_idle()
    duration, first_output, per_token = (gateway.value(f"{name}_sum") for name in (DURATION, FIRST_OUTPUT, PER_TOKEN))
    assert 0.4 <= duration <= seen
    assert 0.2 <= first_output <= duration
    assert 0 < 2 * per_token <= duration - 0.2


async def test_the_parts_are_the_backend_s_and_their_sum_is_the_whole(
    gateway: RunningGateway, text: FakeSequential
) -> None:
    timings = Timings(queue_seconds=0.02, prefill_seconds=0.04, decode_seconds=0.06, total_seconds=0.14)

    async def score(request: Any, call: Call) -> Any:
        await asyncio.sleep(0.2)
        return ar_pb2.ScoreResponse(timings=timings)

    text.on_score = score
    began = time.monotonic()
    await gateway.unary(SCORE, b"")
    seen = time.monotonic() - began
    await gateway.until_idle()

    def part(phase: str) -> float:
        return gateway.value(f"{PHASE}_sum", phase=phase)

    assert (part("prefill"), part("decode")) == pytest.approx((0.04, 0.06))
    assert part("queue") <= 0.02
    assert part("backend_other") >= 0.2 - 0.12
    assert gateway.value(f"{PHASE}_sum") == pytest.approx(gateway.value(f"{DURATION}_sum"), rel=1e-9)
    assert part("gateway") + part("residual") <= seen - 0.2


async def test_the_wait_for_a_busy_backend_is_not_left_unexplained(gateway: RunningGateway) -> None:
    """Its event loop is busy, so that its handler begins late: clients wait for it, and the clock knows where."""
    await gateway.unary(SAMPLE, b"")
    await gateway.until_idle()
    before = [gateway.value(f"{DURATION}_sum"), gateway.value(f"{PHASE}_sum", phase="residual")]
    call, path = gateway.unary(SAMPLE, b""), "/stats?filter=^http.grpc.downstream_rq_active$"
    await asyncio.sleep(0)  # it is sent by grpc's own threads; the handler needs this loop, and cannot have begun
    while gateway.gateway.envoy.admin._ask_blocking("GET", path)[1].split()[-1] == b"0":
        pass
    time.sleep(0.2)  # noqa: ASYNC251  the loop is to stand still
    await call
    await gateway.until_idle()
    duration = gateway.value(f"{DURATION}_sum") - before[0]
    residual = gateway.value(f"{PHASE}_sum", phase="residual") - before[1]
    assert 0 <= residual <= duration - 0.2
