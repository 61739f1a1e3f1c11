"""OpenAI's own clients: in Python, which holds replies against its types, tries again, leaves; and npm's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import ModelFault, ResourceExhausted
from tests.integration.gateway.callers import client_of
from tests.integration.gateway.fakes import FakeBackend, FakeSequential
from tests.integration.gateway.protocols.backends import IMAGES, PICTURES, TEXT
from tests.integration.gateway.protocols.openai.events import Stubs, parsed
from tests.integration.gateway.running import RunningGateway, running_gateway
from tests.npm import OPENAI, install

OfFakes = tuple[openai.AsyncOpenAI, RunningGateway]
MESSAGES = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "What is a clock?"}]


async def test_models_are_listed_text_first(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == [TEXT, PICTURES, IMAGES]
    assert (await client.models.retrieve(IMAGES)).owned_by == "tandem"
    with pytest.raises(openai.NotFoundError) as caught:
        await client.models.retrieve("another")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


async def test_what_is_not_there_is_told_in_this_api_s_shape(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await client.embeddings.create(model=TEXT, input="a")
    told = {"message": "there is nothing at '/v1/embeddings'", "type": "invalid_request_error"}
    assert caught.value.body == {**told, "param": None, "code": None}
    with pytest.raises(openai.APIStatusError, match="'/v1/completions' does not take GET") as refused:
        await client.get("/completions", cast_to=object)
    assert (refused.value.status_code, refused.value.type) == (405, "invalid_request_error")


async def test_a_proxy_that_speaks_http_1_0_gets_whole_replies_and_streams(gateway: RunningGateway) -> None:
    for is_stream in (False, True):
        body = json.dumps({"model": TEXT, "messages": MESSAGES, "seed": 5, "max_tokens": 9, "stream": is_stream})
        about = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nHost: localhost\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(gateway.web_address).port)
        writer.write(f"POST /v1/chat/completions HTTP/1.0\r\n{about}\r\n{body}".encode())
        async with asyncio.timeout(30):
            head, _, reply = (await reader.read()).decode().partition("\r\n\r\n")  # to the end of the connection
        writer.close()
        assert head.startswith("HTTP/1.0 200 OK\r\n")
        if not is_stream:
            text = json.loads(reply)["choices"][0]["message"]["content"]
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in parsed(reply)) == text


async def test_the_stream_helper_puts_the_answer_together(client: openai.AsyncOpenAI) -> None:
    # It takes an end by length for a failure.
    options = {"model": TEXT, "messages": MESSAGES, "seed": 5, "n": 2, "max_completion_tokens": 150, "stop": ["e", "a"]}
    whole = await client.chat.completions.create(**options, logprobs=True)
    async with client.chat.completions.stream(**options, logprobs=True) as stream:
        final = await stream.get_final_completion()
    assert [each.message.content for each in final.choices] == [each.message.content for each in whole.choices]
    assert [each.finish_reason for each in final.choices] == [each.finish_reason for each in whole.choices]
    assert final.choices[1].logprobs == whole.choices[1].logprobs


async def test_every_chunk_says_the_same_of_the_reply(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(model=TEXT, messages=MESSAGES, max_tokens=5, stream=True)
    chunks = [chunk async for chunk in stream]
    [about] = {(chunk.id, chunk.created, chunk.model, chunk.system_fingerprint) for chunk in chunks}
    assert all(about)
    assert all(each.choices for each in chunks)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [each.choices[0].finish_reason for each in chunks].count(None) == len(chunks) - 1


async def test_usage_so_far_ends_in_the_whole_usage(client: openai.AsyncOpenAI) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    stream = await client.chat.completions.create(
        model=TEXT, messages=MESSAGES, max_tokens=6, stream=True, extra_body={"stream_options": options}
    )
    usages = [chunk.usage async for chunk in stream]
    assert None not in usages
    totals = [usage.total_tokens for usage in usages if usage]
    assert totals == sorted(totals)
    assert totals[-1] == totals[-2]


async def test_usage_counts_what_was_tried_ahead(client: openai.AsyncOpenAI, stubs: Stubs) -> None:
    sampling = {"seed": 1, "temperature": 0, "max_tokens": 60}
    request = ar_pb2.GenerateRequest(model=TEXT, text="The clock", sampling=ar_pb2.SamplingParams(**sampling))
    counted = (await stubs.ar.Complete(ar_pb2.CompleteRequest(generate=request))).usage
    asked: dict[str, Any] = {"model": TEXT, "prompt": "The clock", **sampling}
    checked = await client.completions.create(**asked)
    assert checked.usage is not None
    details = checked.usage.completion_tokens_details
    assert details is not None
    found = (details.accepted_prediction_tokens, details.rejected_prediction_tokens)
    assert found == (counted.accepted_tokens, counted.drafted_tokens - counted.accepted_tokens)
    assert all(found)
    plain = await client.completions.create(**asked, extra_body={"speculative_tokens": 0})
    assert plain.usage is not None
    assert (plain.usage.completion_tokens_details, plain.choices[0].text) == (None, checked.choices[0].text)


@pytest.fixture
async def of_fakes(ar: FakeBackend, gan: FakeBackend) -> AsyncIterator[OfFakes]:
    """A client of a gateway before scripted backends."""
    async with (
        running_gateway([ar], [gan]) as gateway,
        openai.AsyncOpenAI(base_url=f"{gateway.web_address}/v1", api_key="none") as client,
    ):
        yield client, gateway


async def test_what_is_full_is_tried_again_when_told(of_fakes: OfFakes, text: FakeSequential) -> None:
    client, _ = of_fakes

    def refuse(_: int) -> None:
        if text.num_calls < 3:
            raise ResourceExhausted("the queue", 4, 0.02)

    text.before_message = refuse
    reply = await client.completions.create(model="", prompt="a", max_tokens=2)
    assert (text.num_calls, reply.choices[0].text) == (3, "0 1 ")


async def test_a_failure_in_the_middle_is_an_error_and_no_end(of_fakes: OfFakes, text: FakeSequential) -> None:
    client, _ = of_fakes

    def fail(index: int) -> None:
        if index == 2:
            raise ModelFault

    text.before_message = fail
    stream = await client.chat.completions.create(model="", messages=MESSAGES, stream=True, max_tokens=5)
    received = aiter(stream)
    assert [(await anext(received)).choices[0].delta.content for _ in range(2)] == ["", "0 "]
    with pytest.raises(openai.APIError, match="NaN, infinity"):
        await anext(received)


async def test_a_backend_that_dies_tears_the_stream(of_fakes: OfFakes, ar: FakeBackend, text: FakeSequential) -> None:
    client, _ = of_fakes
    text.before_message = lambda index: asyncio.Event().wait() if index == 2 else None
    stream = await client.completions.create(model="", prompt="a", stream=True, max_tokens=5)
    received = aiter(stream)
    await anext(received)
    await ar.stop()
    with pytest.raises(openai.APIError, match=r"the server is stopping|the backend went away"):
        await anext(received)


async def test_a_backend_that_is_away_is_told_as_such(of_fakes: OfFakes, ar: FakeBackend) -> None:
    client, gateway = of_fakes
    async with client_of(gateway) as http:
        assert (await http.get("/health")).status_code == 200
        await ar.stop()
        await gateway.until(serving=False)
        assert (await http.get("/health")).status_code == 503
    for name in ("", "fake-text"):
        with pytest.raises(openai.APIStatusError, match="sequential backend is not ready") as caught:
            await client.with_options(max_retries=0).completions.create(model=name, prompt="a")
        assert (caught.value.status_code, caught.value.code) == (503, "service_unavailable")


NPM_CHECKS = """
import OpenAI from "openai";
const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none", maxRetries: 0 });
const body = { model: "tiny", messages: [{ role: "user", content: "a" }], seed: 3, max_tokens: 12 };
const whole = await client.chat.completions.create(body);
let text = "";
for await (const chunk of await client.chat.completions.create({ ...body, stream: true })) {
  text += chunk.choices[0].delta.content ?? "";
}
if (text !== whole.choices[0].message.content) throw new Error(`stream ${text}`);
try {
  await client.chat.completions.create({ ...body, temperature: 99 });
  throw new Error("no refusal");
} catch (error) {
  if (!(error instanceof OpenAI.BadRequestError) || error.param !== "temperature") throw error;
}
for await (const chunk of await client.chat.completions.create({ ...body, max_tokens: 200, stream: true })) {
  break;  // leaves
}
const drawn = await client.images.generate({ model: "fashion-gan", prompt: "1" });
if (!drawn.data[0].b64_json) throw new Error("no image");
"""


async def test_npm_s_client_streams_leaves_and_reads_errors(gateway: RunningGateway, tmp_path: Path) -> None:
    install(tmp_path, OPENAI)
    (tmp_path / "checks.mjs").write_text(NPM_CHECKS)
    process = await asyncio.create_subprocess_exec(
        "node", "checks.mjs", f"{gateway.web_address}/v1", cwd=tmp_path, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(120):
        _, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        await gateway.until_idle()
