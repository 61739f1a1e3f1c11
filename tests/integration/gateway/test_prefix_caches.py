"""Real sequential replicas behind a gateway: their prefix caches together find what a single one would."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from runtime.rpc.routes import SEQUENTIAL
from services.ar.settings import ArSettings
from tandem.ar.v1 import ar_pb2, ar_pb2_grpc
from tests.integration.gateway.running import running_gateway
from tests.integration.services.ar.conftest import Backend, serving
from tests.tiny_models import add_to_repository

NUM_CONVERSATIONS, NUM_TURNS = 16, 4


async def converse(stub: ar_pb2_grpc.AutoregressiveServiceStub, number: int) -> None:
    """Hold one conversation, each of whose turns begins with all that was said before."""
    request = ar_pb2.GenerateRequest(sampling={"max_tokens": 4, "ignore_eos": True, "seed": 1})
    request.chat.messages.add(role="system", content=f"{number} is the number of this conversation. " * 3)
    for turn in range(NUM_TURNS):
        request.chat.messages.add(role="user", content=f"this is the question number {turn}")
        reply = await stub.Complete(ar_pb2.CompleteRequest(generate=request))
        request.chat.messages.add(role="assistant", content=reply.choices[0].text_delta or "nothing")


async def work_of(replicas: list[Backend]) -> list[tuple[float, float]]:
    """Return the prompt tokens of each replica after all conversations, and how many of those its cache had."""
    async with running_gateway(ar_targets=[each.address for each in replicas]) as gateway:
        await gateway.until_replicas_serve(SEQUENTIAL, len(replicas))
        stub = ar_pb2_grpc.AutoregressiveServiceStub(gateway.channel)
        await asyncio.gather(*(converse(stub, number) for number in range(NUM_CONVERSATIONS)))
    names = ("tandem_prompt_tokens_total", "tandem_prompt_cached_tokens_total")
    return [(each.sample(names[0], model="tiny"), each.sample(names[1], model="tiny")) for each in replicas]


async def test_caches_of_several_replicas_find_as_much_as_one(tmp_path: Path) -> None:
    add_to_repository(tmp_path)
    settings = ArSettings(models_dir=tmp_path, models=["tiny"], kv_cache_tokens=16_384, max_context_tokens=512)
    shares = []
    for count in (1, 2):
        async with AsyncExitStack() as stack:
            work = await work_of([await stack.enter_async_context(serving(settings)) for _ in range(count)])
        assert all(num_tokens > 0 for num_tokens, _ in work)
        shares.append(sum(cached for _, cached in work) / sum(num_tokens for num_tokens, _ in work))
    assert shares[1] >= 0.9 * shares[0] > 0.4
