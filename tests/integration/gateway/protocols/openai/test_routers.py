"""Two gateways behind routers of others, as the OpenAI workers that these expect: vLLM's, and SMG (of SGLang)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import openai
import pytest

from benchmarks.harness.processes import free_port, running
from benchmarks.peers.installing import CannotSetUp, environment
from tandem.shared.cache_folder import cache_folder
from tests.integration.gateway.fakes import TEXT_MODEL, FakeBackend, sequential
from tests.integration.gateway.running import RunningGateway, running_gateway

REQUIREMENTS = ["vllm-router==0.1.17", "smg==1.13.0"]
COMMANDS = {"vllm-router": ["vllm-router"], "smg": ["smg", "launch"]}
PREFIX = "The two clocks of the tower never agreed, and the town had got used to having an hour twice. " * 8


@pytest.fixture(scope="module")
def programs() -> Path:
    try:
        return environment(cache_folder() / "peers" / "routers", REQUIREMENTS).parent
    except CannotSetUp as why:
        pytest.skip(str(why))


@pytest.fixture
async def workers() -> AsyncIterator[list[tuple[FakeBackend, RunningGateway]]]:
    async with AsyncExitStack() as stack:
        backends = [await stack.enter_async_context(sequential()) for _ in range(2)]
        yield [(each, await stack.enter_async_context(running_gateway([each]))) for each in backends]


@pytest.fixture(params=COMMANDS)
async def router(request, programs, workers) -> AsyncIterator[openai.AsyncOpenAI]:
    port = free_port()
    urls = [gateway.web_address for _, gateway in workers]
    program, *words = COMMANDS[request.param]
    flags = ["--host", "127.0.0.1", "--port", str(port), "--prometheus-port", str(free_port())]
    command = [str(programs / program), *words, *flags, "--policy", "cache_aware", "--worker-urls", *urls]
    address = f"http://127.0.0.1:{port}/v1"

    def is_ready() -> bool:
        try:
            return TEXT_MODEL in httpx.get(f"{address}/models", timeout=5).text
        except httpx.TransportError:
            return False

    process = running(command, is_ready)
    await asyncio.to_thread(process.__enter__)  # the gateways answer it in this thread
    try:
        async with openai.AsyncOpenAI(base_url=address, api_key="none", max_retries=0) as client:
            yield client
    finally:
        await asyncio.to_thread(process.__exit__, None, None, None)


async def test_models_texts_chats_and_streams_pass(router: openai.AsyncOpenAI):
    assert [model.id async for model in router.models.list()] == [TEXT_MODEL]
    completion = await router.completions.create(model=TEXT_MODEL, prompt="One", max_tokens=4)
    assert (completion.choices[0].text, completion.usage.completion_tokens) == ("0 1 2 3 ", 4)
    stream = await router.completions.create(model=TEXT_MODEL, prompt="One", max_tokens=4, stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == "0 1 2 3 "
    chat = [{"role": "user", "content": "One"}]
    reply = await router.chat.completions.create(model=TEXT_MODEL, messages=chat, max_tokens=2)
    assert reply.choices[0].message.content == "0 1 "


async def test_prompts_that_begin_alike_go_to_one_gateway(router: openai.AsyncOpenAI, workers):
    for number in range(6):
        await router.completions.create(model=TEXT_MODEL, prompt=f"{PREFIX} {number}", max_tokens=1)
    assert sorted(backend.servicer.num_calls for backend, _ in workers) == [0, 6]


async def test_what_a_gateway_refuses_is_told_as_it_says_it(router: openai.AsyncOpenAI):
    with pytest.raises(openai.BadRequestError) as caught:
        await router.completions.create(model=TEXT_MODEL, prompt="One", max_tokens=1, suffix="two")
    assert "suffix" in str(caught.value)
