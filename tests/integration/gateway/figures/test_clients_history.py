"""After everything that can happen to a request, the counters equal what the clients saw themselves."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable

import grpc
import pytest

from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument, ResourceExhausted
from tests.integration.gateway.fakes import GENERATE, HOLD, SAMPLE, FakeParallel, FakeSequential
from tests.integration.gateway.running import RunningGateway
from tests.waiting import until

NUM_TOKENS = 4
REQUEST = ar_pb2.GenerateRequest(text="a", sampling=ar_pb2.SamplingParams(max_tokens=NUM_TOKENS)).SerializeToString()
HELD = ar_pb2.GenerateRequest(text=HOLD).SerializeToString()


class Clients:
    """Callers that remember how each of their calls ended, and what it brought."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._gateway = gateway
        self.codes: Counter[str] = Counter()
        self.num_tokens = 0
        self.num_first_tokens = 0

    async def generate(
        self, request: bytes = REQUEST, timeout: float | None = None, leave_after: int | None = None
    ) -> None:
        """Read a stream to its end, or leave after so many tokens."""
        call = self._gateway.stream(GENERATE, request, timeout=timeout)
        num_tokens = 0
        try:
            async for message in call:
                num_tokens += len(ar_pb2.GenerateResponse.FromString(message).token_ids)
                if num_tokens == leave_after:
                    call.cancel()
        except (grpc.aio.AioRpcError, asyncio.CancelledError):
            pass
        self.codes[(await call.code()).name] += 1
        self.num_tokens += num_tokens
        self.num_first_tokens += num_tokens > 0

    async def leave_early(self, text: FakeSequential) -> None:
        """Cancel a call that the backend has begun and said nothing of."""
        began = text.num_calls
        call = self._gateway.stream(GENERATE, HELD)
        await until(lambda: text.num_calls != began)
        call.cancel()
        self.codes[(await call.code()).name] += 1

    async def sample(self) -> None:
        try:
            await self._gateway.unary(SAMPLE, b"")
            self.codes["OK"] += 1
        except grpc.aio.AioRpcError as error:
            self.codes[error.code().name] += 1

    async def assert_counted(self) -> None:
        await self._gateway.until_idle()
        for code, count in self.codes.items():
            assert self._gateway.value("tandem_requests_total", code=code) == count, code
        assert self._gateway.value("tandem_requests_total") == self.codes.total()
        assert self._gateway.value("gen_ai_server_request_duration_seconds_count") == self.codes.total()


def held_after(count: int) -> Callable[[int], Awaitable[object] | None]:
    """Return what makes a stream stop after so many tokens."""
    return lambda index: asyncio.Event().wait() if index == count + 1 else None


async def test_every_way_to_end_is_counted_once(
    gateway: RunningGateway, text: FakeSequential, images: FakeParallel
) -> None:
    clients, chance = Clients(gateway), random.Random(5)

    async def refuse() -> None:
        raise chance.choice([ResourceExhausted("the queue", 1, 0.1), InvalidArgument("count", 0, "1")])

    images.before_sample = lambda: refuse() if chance.random() < 0.5 else None
    kinds = [
        *[clients.generate] * 20,
        *[lambda: clients.leave_early(text)] * 10,
        *[lambda: clients.generate(HELD, timeout=1.0)] * 10,
        *[clients.sample] * 30,
    ]
    chance.shuffle(kinds)
    for start in range(0, len(kinds), 10):
        await asyncio.gather(*(each() for each in kinds[start : start + 10]))
    await clients.assert_counted()
    assert set(clients.codes) == {"OK", "CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INVALID_ARGUMENT"}
    assert clients.codes["CANCELLED"] == clients.codes["DEADLINE_EXCEEDED"] == 10
    assert gateway.value("tandem_outputs_total", unit="token") == clients.num_tokens == 20 * NUM_TOKENS
    shed = gateway.value("tandem_requests_shed_total", reason="backend_full")
    assert shed == clients.codes["RESOURCE_EXHAUSTED"]
    assert gateway.value("tandem_log_entries_dropped_total") == 0


@pytest.mark.parametrize("ending", ["the client leaves", "its deadline passes"])
async def test_what_a_stream_brought_before_it_was_cut_is_counted(
    gateway: RunningGateway, text: FakeSequential, ending: str
) -> None:
    clients = Clients(gateway)
    text.before_message = held_after(3)
    how = {"leave_after": 3} if ending == "the client leaves" else {"timeout": 3.0}
    await asyncio.gather(*(clients.generate(REQUEST, **how) for _ in range(10)))
    await clients.assert_counted()
    assert set(clients.codes) == {"CANCELLED" if ending == "the client leaves" else "DEADLINE_EXCEEDED"}
    assert gateway.value("tandem_outputs_total", model="fake-text", unit="token") == clients.num_tokens == 30
    assert gateway.value("tandem_time_to_first_output_seconds_count", model="fake-text") == 10
    assert gateway.value("tandem_requests_without_output_total") == 0
