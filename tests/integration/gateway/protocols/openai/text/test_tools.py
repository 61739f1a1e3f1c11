"""Functions that a model calls, by OpenAI's own client: whole and streamed, in chat and in the Responses API."""

from __future__ import annotations

import json
from typing import Any

import httpx
import jsonschema
import openai
import pytest

from tandem.ar.v1 import ar_pb2
from tests.integration.gateway.protocols.backends import TEXT
from tests.integration.gateway.protocols.openai.events import Stubs
from tests.tiny_models import VOCAB_SIZE

CITY = {
    "type": "object",
    "properties": {"city": {"enum": ["Bern", "Rome"]}, "days": {"enum": [1, 2, 3]}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
NONE: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
SCHEMAS = {"weather": CITY, "now": NONE}
TOOLS: Any = [
    {"type": "function", "function": {"name": "weather", "description": "Tells it.", "parameters": CITY}},
    {"type": "function", "function": {"name": "now"}},
]
FLAT: Any = [{"type": "function", **tool["function"]} for tool in TOOLS]
MESSAGES: Any = [{"role": "user", "content": "What is the weather?"}]
NAMED: Any = {"type": "function", "function": {"name": "weather"}}


def check(name: str, arguments: str) -> None:
    """Have what a function is called with match its schema."""
    jsonschema.validate(json.loads(arguments), SCHEMAS[name])


@pytest.mark.parametrize("seed", range(4))
async def test_a_call_that_is_required_is_made_whole_and_streamed(client: openai.AsyncOpenAI, seed: int) -> None:
    asked: dict[str, Any] = {"model": TEXT, "messages": MESSAGES, "tools": TOOLS, "seed": seed, "n": 2}
    asked |= {"tool_choice": "required", "parallel_tool_calls": False}
    whole = await client.chat.completions.create(**asked)
    for choice in whole.choices:
        assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
        [call] = choice.message.tool_calls or []
        assert call.type == "function"
        check(call.function.name, call.function.arguments)
    async with client.chat.completions.stream(**asked) as stream:
        final = await stream.get_final_completion()
    for streamed, choice in zip(final.choices, whole.choices, strict=True):
        [call], [expected] = streamed.message.tool_calls or [], choice.message.tool_calls or []
        assert (streamed.finish_reason, call.function.name) == ("tool_calls", expected.function.name)
        assert call.function.arguments == expected.function.arguments
        assert call.id.startswith("call_")
        assert call.id != expected.id


async def test_several_calls_come_in_order_each_in_parts_of_its_own(client: openai.AsyncOpenAI) -> None:
    asked: dict[str, Any] = {"model": TEXT, "messages": MESSAGES, "tools": TOOLS, "tool_choice": "required"}
    for seed in range(20):
        options = {"seed": seed, "max_tokens": 600, "temperature": 2.0}
        whole = (await client.chat.completions.create(**asked, **options)).choices[0]
        if len(whole.message.tool_calls or ()) > 1 and whole.finish_reason == "tool_calls":
            break
    else:
        pytest.fail("no seed makes several calls")
    ids: dict[int, str] = {}
    parts: dict[int, list[str]] = {}
    async for chunk in await client.chat.completions.create(**asked, **options, stream=True):
        for part in chunk.choices[0].delta.tool_calls or ():
            assert part.function is not None
            if part.id is not None:
                assert part.index == len(ids)
                assert (part.type, part.function.name) == (
                    "function",
                    whole.message.tool_calls[part.index].function.name,
                )
                ids[part.index] = part.id
            parts.setdefault(part.index, []).append(part.function.arguments or "")
    found = ["".join(parts[index]) for index in range(len(ids))]
    assert found == [call.function.arguments for call in whole.message.tool_calls]
    assert len(set(ids.values())) == len(ids)


async def test_the_named_function_is_called_once(client: openai.AsyncOpenAI) -> None:
    found = await client.chat.completions.create(model=TEXT, messages=MESSAGES, tools=TOOLS, tool_choice=NAMED, n=6)
    for choice in found.choices:
        [call] = choice.message.tool_calls or []
        assert call.function.name == "weather"
        check("weather", call.function.arguments)


async def test_only_functions_that_are_allowed_are_called(client: openai.AsyncOpenAI) -> None:
    allowed: Any = {"mode": "required", "tools": [{"type": "function", "function": {"name": "now"}}]}
    asked: dict[str, Any] = {"model": TEXT, "messages": MESSAGES, "tools": TOOLS}
    choice: Any = {"type": "allowed_tools", "allowed_tools": allowed}
    narrowed = await client.chat.completions.create(**asked, tool_choice=choice, n=6)
    assert {call.function.name for each in narrowed.choices for call in each.message.tool_calls or ()} == {"now"}
    plain = await client.chat.completions.create(**asked, max_tokens=1)
    assert narrowed.usage.prompt_tokens == plain.usage.prompt_tokens  # the prompt is the same
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "now"}]}
    found = await client.responses.create(model=TEXT, input="Well?", tools=FLAT, tool_choice=choice)
    assert {item.name for item in found.output} == {"now"}
    assert found.tool_choice.model_dump() == choice


async def test_a_call_that_max_tokens_cuts_is_told_as_such(client: openai.AsyncOpenAI) -> None:
    asked: dict[str, Any] = {"model": TEXT, "messages": MESSAGES, "tools": TOOLS, "tool_choice": NAMED, "seed": 1}
    reply = await client.chat.completions.create(**asked)
    assert reply.usage is not None
    [whole], fewer = reply.choices, reply.usage.completion_tokens - len("days: 1}}\n</tool_call>")
    [cut] = (await client.chat.completions.create(**asked, max_tokens=fewer)).choices
    [first], [call] = cut.message.tool_calls or [], whole.message.tool_calls or []
    assert (cut.finish_reason, whole.finish_reason) == ("length", "tool_calls")
    assert call.function.arguments.startswith(first.function.arguments)
    assert first.function.arguments != call.function.arguments


async def test_a_call_that_the_model_begins_is_completed(client: openai.AsyncOpenAI) -> None:
    """The bias makes a random model begin one at its first token, or behind some text."""
    for bias, is_found in ((100, lambda text: text is None), (7, lambda text: text)):
        for seed in range(20):
            asked: dict[str, Any] = {"model": TEXT, "messages": MESSAGES, "tools": TOOLS, "seed": seed}
            asked |= {"logit_bias": {str(VOCAB_SIZE): bias}, "parallel_tool_calls": False, "max_tokens": 400}
            whole = (await client.chat.completions.create(**asked)).choices[0]
            if whole.finish_reason == "tool_calls" and is_found(whole.message.content):
                break
        else:
            pytest.fail(f"no seed begins a call with a bias of {bias}")
        [call] = whole.message.tool_calls or []
        check(call.function.name, call.function.arguments)
        async with client.chat.completions.stream(**asked) as stream:
            message = (await stream.get_final_completion()).choices[0].message
        assert message.content == whole.message.content
        assert [each.function.arguments for each in message.tool_calls or ()] == [call.function.arguments]
        refused = await client.chat.completions.create(**asked, tool_choice="none")
        assert refused.choices[0].message.tool_calls is None


async def test_where_nothing_is_called_the_answer_is_text(client: openai.AsyncOpenAI) -> None:
    for choice in ("auto", "none"):
        asked: dict[str, Any] = {"model": TEXT, "messages": MESSAGES, "tools": TOOLS, "tool_choice": choice, "seed": 2}
        asked |= {"logit_bias": {str(VOCAB_SIZE): -100}, "max_tokens": 30}
        found = (await client.chat.completions.create(**asked)).choices[0].message
        assert found.tool_calls is None
        stream = await client.chat.completions.create(**asked, stream=True)
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == found.content
    without = {name: value for name, value in asked.items() if not name.startswith("tool")}
    assert (await client.chat.completions.create(**without)).choices[0].message.content == found.content


async def test_the_same_functions_are_called_over_grpc(client: openai.AsyncOpenAI, stubs: Stubs) -> None:
    asked: dict[str, Any] = {"model": TEXT, "messages": MESSAGES, "tools": TOOLS, "tool_choice": NAMED, "seed": 5}
    [expected] = (await client.chat.completions.create(**asked)).choices[0].message.tool_calls or []
    chat = ar_pb2.ChatPrompt(messages=[ar_pb2.ChatMessage(**MESSAGES[0])], called_tool="weather")
    chat.tools.add(name="weather", description="Tells it.", parameters=json.dumps(CITY, separators=(",", ":")))
    chat.tools.add(name="now")
    request = ar_pb2.GenerateRequest(model=TEXT, chat=chat, sampling=ar_pb2.SamplingParams(seed=5))
    [choice] = (await stubs.ar.Complete(ar_pb2.CompleteRequest(generate=request))).choices
    [call] = choice.tool_calls
    assert (choice.finish_reason, choice.text_delta) == (ar_pb2.FINISH_REASON_TOOL_CALLS, "")
    assert (call.name, call.arguments) == ("weather", expected.function.arguments)
    parts = [part async for message in stubs.ar.Generate(request) for part in message.tool_calls]
    assert "".join(part.arguments for part in parts) == call.arguments
    assert [(bool(part.id), part.name) for part in parts] == [(True, "weather")] + [(False, "")] * (len(parts) - 1)


async def test_an_answer_in_json_may_stand_beside_functions(client: openai.AsyncOpenAI) -> None:
    schema: Any = {"type": "json_schema", "json_schema": {"name": "a", "schema": CITY}}
    for choice in ("auto", "required"):
        asked: dict[str, Any] = {"model": TEXT, "messages": MESSAGES, "tools": TOOLS, "tool_choice": choice}
        found = (await client.chat.completions.create(**asked, response_format=schema)).choices[0].message
        if found.tool_calls:
            check(found.tool_calls[0].function.name, found.tool_calls[0].function.arguments)
        else:
            assert choice == "auto"
            check("weather", found.content or "")


async def test_a_conversation_goes_on_with_what_a_call_has_brought(client: openai.AsyncOpenAI) -> None:
    first = await client.chat.completions.create(model=TEXT, messages=MESSAGES, tools=TOOLS, tool_choice=NAMED)
    said = first.choices[0].message
    assert said.tool_calls is not None
    result = {"role": "tool", "tool_call_id": said.tool_calls[0].id, "content": "Rain."}
    turns: Any = [*MESSAGES, said, result]
    dumped: Any = [*MESSAGES, {"role": "assistant", "content": None, "tool_calls": said.tool_calls}, result]
    answers = []
    for messages in (turns, dumped, [*turns[:-1], {**result, "content": "Sunshine."}]):
        reply = await client.chat.completions.create(
            model=TEXT, messages=messages, tools=TOOLS, tool_choice="none", seed=1, max_tokens=20, temperature=0
        )
        answers.append((reply.choices[0].message.content, reply.usage and reply.usage.prompt_tokens))
    assert answers[0] == answers[1]
    assert answers[0] != answers[2]


async def test_an_empty_text_of_the_user_is_one(client: openai.AsyncOpenAI) -> None:
    messages: Any = [{"role": "user", "content": ""}]
    assert (await client.chat.completions.create(model=TEXT, messages=messages, max_tokens=3)).choices
    assert (await client.responses.create(model=TEXT, input="", max_output_tokens=3)).output


async def test_a_response_has_its_calls_as_items(client: openai.AsyncOpenAI) -> None:
    choice: Any = {"type": "function", "name": "weather"}
    asked: dict[str, Any] = {"model": TEXT, "input": "Well?", "tools": FLAT, "tool_choice": choice}
    asked |= {"extra_body": {"seed": 3}}
    whole = await client.responses.create(**asked)
    [call] = whole.output
    assert (call.type, call.name, call.status, whole.status) == ("function_call", "weather", "completed", "completed")
    check("weather", call.arguments)
    assert [tool.name for tool in whole.tools if tool.type == "function"] == ["weather", "now"]
    assert whole.tool_choice.name == "weather"
    events = [event async for event in await client.responses.create(**asked, stream=True)]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type.removeprefix("response.") for event in events]
    assert kinds[:3] == ["created", "in_progress", "output_item.added"]
    assert set(kinds[3:-3]) == {"function_call_arguments.delta"}
    assert kinds[-3:] == ["function_call_arguments.done", "output_item.done", "completed"]
    assert "".join(event.delta for event in events[3:-3]) == events[-3].arguments == call.arguments
    begun, done, [last] = events[2].item, events[-2].item, events[-1].response.output
    assert (begun.arguments, begun.status, done) == ("", "in_progress", last)
    assert begun.call_id == done.call_id


async def test_a_response_goes_on_with_what_a_call_has_brought(client: openai.AsyncOpenAI) -> None:
    first = await client.responses.create(model=TEXT, input="Well?", tools=FLAT, tool_choice="required")
    [call, *_] = first.output
    assert call.type == "function_call"
    asked: dict[str, Any] = {"model": TEXT, "tools": FLAT, "tool_choice": "none", "max_output_tokens": 20}
    texts = []
    for result in ("Rain.", [{"type": "input_text", "text": "Rain."}], "Sunshine."):
        output = {"type": "function_call_output", "call_id": call.call_id, "output": result}
        turns: Any = [{"role": "user", "content": "Well?"}, call, output]
        texts.append((await client.responses.create(**asked, input=turns, extra_body={"seed": 1})).output_text)
    assert texts[0] == texts[1] != texts[2]


ANOTHER = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "another"}}]}
BAD: list[tuple[dict[str, Any], str]] = [
    ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
    ({"tools": [*TOOLS, {"type": "function", "function": {"name": "a b"}}]}, "tools[2].function.name"),
    ({"tools": [*TOOLS, TOOLS[0]]}, "tools[2].function.name"),
    ({"tools": [{"type": "custom", "custom": {"name": "a"}}]}, "tools[0].type"),
    (
        {"tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "array"}}}]},
        "tools[0].function.parameters",
    ),
    (
        {"tools": [*TOOLS, {"type": "function", "function": {"name": "a", "parameters": {"uniqueItems": True}}}]},
        "tools[2].function.parameters",
    ),
    ({"tools": [{"type": "function", "function": {"name": "a", "parameters": {"title": "x" * 70_000}}}]}, "tools"),
    ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "another"}}}, "tool_choice"),
    ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": ""}}}, "tool_choice"),
    ({"tools": TOOLS, "tool_choice": "sometimes"}, "tool_choice"),
    ({"tools": TOOLS, "tool_choice": {"type": "allowed_tools", "allowed_tools": ANOTHER}}, "tool_choice"),
    (
        {"tools": TOOLS, "tool_choice": {"type": "allowed_tools", "allowed_tools": {**ANOTHER, "tools": []}}},
        "tool_choice",
    ),
    ({"tool_choice": "required"}, "tools"),
    ({"tools": TOOLS, "guided_regex": "a"}, "guided_regex"),
    ({"messages": [*MESSAGES, {"role": "tool", "content": "a"}]}, "messages[1].tool_call_id"),
    ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
    (
        {
            "messages": [
                *MESSAGES,
                {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "a", "arguments": "{"}}]},
            ]
        },
        "messages[1].tool_calls[0].arguments",
    ),
]


CALL = {"type": "function_call", "call_id": "1", "name": "a", "arguments": "{}"}
BAD_IN_RESPONSES: list[tuple[dict[str, Any], str]] = [
    ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
    ({"tools": [*FLAT, {"type": "function", "name": "a", "parameters": {"uniqueItems": True}}]}, "tools[2].parameters"),
    ({"tools": FLAT, "tool_choice": {"type": "function", "name": "another"}}, "tool_choice"),
    ({"tools": FLAT, "tool_choice": {"type": "allowed_tools", "mode": "none", "tools": FLAT}}, "tool_choice"),
    (
        {"instructions": "a", "input": [{"type": "function_call_output", "call_id": "", "output": "x"}]},
        "input[0].call_id",
    ),
    ({"input": [{"role": "user", "content": "a"}, {**CALL, "arguments": "["}]}, "input[1].arguments"),
]


@pytest.mark.parametrize("stream", [True, False])
async def test_what_is_no_function_or_no_choice_is_refused_by_name(http: httpx.AsyncClient, stream: bool) -> None:
    chat = ("/v1/chat/completions", {"messages": MESSAGES}, BAD)
    for path, base, cases in (chat, ("/v1/responses", {"input": "a"}, BAD_IN_RESPONSES)):
        for fields, param in cases:
            response = await http.post(path, json={"model": TEXT, "stream": stream, **base, **fields})
            assert (response.status_code, response.json()["error"]["param"]) == (400, param), response.text
