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

TOLERANCE = 0.2
"""Between two clocks at two ends of a busy machine; what was measured on an idle one is below 2 ms."""

DURATION, FIRST_OUTPUT = "gen_ai_server_request_duration_seconds", "tandem_time_to_first_output_seconds"
PER_TOKEN, PHASE = "gen_ai_server_time_per_output_token_seconds", "tandem_phase_seconds"


class Stopwatch:
    """Tells when messages came, in seconds after it was made."""

    def __init__(self) -> None:
        self._began_at = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._began_at


async def test_a_stream(gateway: RunningGateway, text: FakeSequential) -> None:
    """The first token comes late, after a message without one, and the others one after the other."""
    delays = {1: 0.8, 2: 0.4, 3: 0.4}
    text.before_message = lambda index: asyncio.sleep(delays.get(index, 0.0))
    request = ar_pb2.GenerateRequest(text="a", sampling=ar_pb2.SamplingParams(max_tokens=3)).SerializeToString()
    watch, arrivals = Stopwatch(), []
    async for message in gateway.stream(GENERATE, request):
        if ar_pb2.GenerateResponse.FromString(message).token_ids:
            arrivals.append(watch.seconds())
    seen = watch.seconds()
    await gateway.until_idle()
    assert gateway.value(f"{DURATION}_sum") == pytest.approx(seen, abs=TOLERANCE)
    assert gateway.value(f"{FIRST_OUTPUT}_sum") == pytest.approx(arrivals[0], abs=TOLERANCE)
    assert gateway.value(f"{PER_TOKEN}_sum") == pytest.approx((arrivals[-1] - arrivals[0]) / 2, abs=TOLERANCE)
    assert gateway.value(f"{FIRST_OUTPUT}_sum") >= 0.8
    assert gateway.value(f"{DURATION}_sum") <= seen  # nothing takes longer by the gateway's clock than by its client's


async def test_the_parts_are_the_backend_s_and_their_sum_is_the_whole(
    gateway: RunningGateway, text: FakeSequential
) -> None:
    timings = Timings(queue_seconds=0.1, prefill_seconds=0.2, decode_seconds=0.3, total_seconds=0.7)

    async def score(request: Any, call: Call) -> Any:
        await asyncio.sleep(1.0)
        return ar_pb2.ScoreResponse(timings=timings)

    text.on_score = score
    watch = Stopwatch()
    await gateway.unary(SCORE, b"")
    seen = watch.seconds()
    await gateway.until_idle()

    def part(phase: str) -> float:
        return gateway.value(f"{PHASE}_sum", phase=phase)

    assert (part("prefill"), part("decode")) == pytest.approx((0.2, 0.3))
    assert part("queue") <= 0.1
    assert part("backend_other") >= 1.0 - 0.6 - TOLERANCE
    assert gateway.value(f"{PHASE}_sum") == pytest.approx(gateway.value(f"{DURATION}_sum"), rel=1e-9)
    assert part("gateway") + part("residual") == pytest.approx(seen - 1.0, abs=TOLERANCE)


async def test_the_wait_for_a_busy_backend_is_not_left_unexplained(gateway: RunningGateway) -> None:
    """Its event loop is busy, so that its handler begins late: clients wait for it, and the clock knows where."""
    await gateway.unary(SAMPLE, b"")
    await gateway.until_idle()
    names = (f"{DURATION}_sum", f"{PHASE}_sum")
    before = [gateway.value(names[0]), gateway.value(names[1], phase="residual")]
    watch = Stopwatch()
    call = gateway.unary(SAMPLE, b"")
    await asyncio.sleep(0)  # it is sent by grpc's own threads; the handler needs this loop, and cannot have begun
    time.sleep(0.8)  # noqa: ASYNC251  the loop is to stand still
    await call
    seen = watch.seconds()
    await gateway.until_idle()
    assert gateway.value(names[0]) - before[0] == pytest.approx(seen, abs=TOLERANCE)
    assert gateway.value(names[1], phase="residual") - before[1] < TOLERANCE
