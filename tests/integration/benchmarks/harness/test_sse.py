"""The client of the benchmark counts what a gateway sends, and takes no error for an end."""

from __future__ import annotations

import asyncio
import json

import pytest

from benchmarks.harness.sse import SseFailed, sse_loop
from tests.integration.gateway.fakes import running_gateway, sequential

PATH = "/v1/chat/completions"


def body(content: str, max_tokens: int) -> bytes:
    messages = [{"role": "user", "content": content}]
    return json.dumps({"messages": messages, "max_tokens": max_tokens, "stream": True}).encode()


async def test_every_event_of_every_stream_is_counted() -> None:
    async with sequential() as backend, running_gateway([backend]) as gateway:
        await gateway.until(serving=True)
        run = await asyncio.to_thread(sse_loop, gateway.gateway.http_port, PATH, [body("a", 3), body("b", 5)], 2, 6)
        with pytest.raises(SseFailed, match="400"):
            await asyncio.to_thread(sse_loop, gateway.gateway.http_port, PATH, [b"{}"], 1, 1)
    # Who speaks, the tokens, and why it ended.
    assert sorted(run.num_events) == [5, 5, 5, 7, 7, 7]
    assert (run.sent < run.first_event).all()
    assert (run.first_event <= run.ended).all()
    assert run.per_second > 0
