"""The stateless part of the Responses API, by OpenAI's client, which holds every object against its types."""

from __future__ import annotations

from typing import Any, Literal

import httpx
import openai
import pydantic
import pytest

from tandem.ar.v1 import ar_pb2
from tests.integration.gateway.protocols.backends import TEXT
from tests.integration.gateway.protocols.openai.events import Stubs

CONVERSATION = [
    {"role": "developer", "content": "Be brief."},
    {
        "role": "user",
        "content": [{"type": "input_text", "text": "What is "}, {"type": "input_text", "text": "a clock?"}],
    },
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "A"}]},
    {"role": "user", "content": "B"},
]
TURNS = [("system", "Be brief."), ("user", "What is a clock?"), ("assistant", "A"), ("user", "B")]


async def expected(stubs: Stubs, turns: list[tuple[str, str]], **sampling: Any) -> ar_pb2.CompleteResponse:
    chat = ar_pb2.ChatPrompt(messages=[ar_pb2.ChatMessage(role=role, content=text) for role, text in turns])
    request = ar_pb2.GenerateRequest(model=TEXT, chat=chat, sampling=ar_pb2.SamplingParams(**sampling))
    reply: ar_pb2.CompleteResponse = await stubs.ar.Complete(ar_pb2.CompleteRequest(generate=request))
    return reply


async def test_an_answer_is_that_of_grpc(client: openai.AsyncOpenAI, stubs: Stubs) -> None:
    want = await expected(stubs, TURNS, seed=4, max_tokens=9)
    asked: dict[str, Any] = {"model": TEXT, "input": CONVERSATION, "max_output_tokens": 9, "extra_body": {"seed": 4}}
    found = await client.responses.create(**asked, metadata={"a": "b"})
    assert (found.output_text, found.status, found.metadata) == (want.choices[0].text_delta, "incomplete", {"a": "b"})
    assert found.incomplete_details is not None
    assert found.usage is not None
    assert (found.usage.input_tokens, found.usage.output_tokens) == (want.usage.prompt_tokens, 9)


async def test_a_text_with_instructions_is_a_conversation(client: openai.AsyncOpenAI, stubs: Stubs) -> None:
    want = await expected(stubs, [("system", "Be brief."), ("user", "Hi")], seed=1, max_tokens=5)
    found = await client.responses.create(
        model=TEXT, input="Hi", instructions="Be brief.", max_output_tokens=5, extra_body={"seed": 1}
    )
    assert found.output_text == want.choices[0].text_delta


async def test_a_stream_tells_the_same_answer_in_order(client: openai.AsyncOpenAI) -> None:
    asked: dict[str, Any] = {"model": TEXT, "input": "Hi", "max_output_tokens": 20, "extra_body": {"seed": 6}}
    whole = await client.responses.create(**asked)
    events = [event async for event in await client.responses.create(**asked, stream=True)]
    kinds = [event.type for event in events]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        f"response.{whole.status}",
    ]
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole.output_text
    assert events[-1].response.output_text == whole.output_text
    assert events[-1].response.usage.total_tokens == whole.usage.total_tokens


class Hour(pydantic.BaseModel):
    hour: Literal[1, 2]
    is_late: bool


async def test_an_answer_matches_the_type_that_is_asked_for(client: openai.AsyncOpenAI) -> None:
    found = await client.responses.parse(model=TEXT, input="What time is it?", text_format=Hour)
    assert isinstance(found.output_parsed, Hour)
    assert found.text.format.name == "Hour"
    whole = await client.responses.create(model=TEXT, input="Hi", text={"format": {"type": "json_object"}})
    assert whole.output_text.lstrip().startswith("{")


async def test_reasoning_that_is_not_there_can_be_asked_for(client: openai.AsyncOpenAI) -> None:
    """Microsoft's agent framework and Inspect always do."""
    found = await client.responses.create(
        model=TEXT, input="Hi", max_output_tokens=3, store=False, include=["reasoning.encrypted_content"]
    )
    assert [item.type for item in found.output] == ["message"]


@pytest.mark.parametrize("schema", [{}, {"schema": None}, {"schema": {"type": "nothing"}}])
async def test_a_schema_that_is_none_is_refused_by_name(http: httpx.AsyncClient, schema: dict[str, Any]) -> None:
    asked = {"format": {"type": "json_schema", "name": "a", **schema}}
    response = await http.post("/v1/responses", json={"input": "a", "text": asked})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "text.format.schema")


REFUSED: list[tuple[str, Any]] = [
    ("input", []),
    ("input", [{"role": "tool", "content": "a"}]),
    ("input", [{"role": "user", "content": [{"type": "input_image"}]}]),
    ("previous_response_id", "resp_1"),
    ("tools", [{"type": "web_search"}]),
    ("store", True),
    ("include", ["message.output_text.logprobs"]),
    ("max_output_tokens", 0),
    ("temperature", 11),
]


@pytest.mark.parametrize("stream", [True, False])
async def test_what_cannot_be_is_refused_by_name(http: httpx.AsyncClient, stream: bool) -> None:
    for field, value in REFUSED:
        response = await http.post("/v1/responses", json={"input": "a", "stream": stream, field: value})
        assert response.status_code == 400, (field, value)
        assert response.json()["error"]["param"].partition("[")[0] == field, (field, value)
