"""What a response says of the sampling, and how text and calls grow into its items."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from gateway.protocols.catalogue import Served
from gateway.protocols.fields import rename_field, violation_of
from gateway.protocols.openai.responses.messages import ResponseBody
from gateway.protocols.openai.responses.responses import GrowingResponse
from runtime.rpc.routes import SEQUENTIAL
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

RECOMMENDED = ar_pb2.SamplingParams(temperature=0.2, top_p=0.9)


@pytest.mark.parametrize(
    ("asked", "recommended", "expected"),
    [
        ({}, RECOMMENDED, (0.2, 0.9)),
        ({}, ar_pb2.SamplingParams(temperature=0.6), (0.6, 1.0)),
        ({}, None, (1.0, 1.0)),
        ({"temperature": 0.0}, RECOMMENDED, (0.0, 1.0)),
        ({"top_p": 0.5}, RECOMMENDED, (1.0, 0.5)),
    ],
)
def test_the_sampling_is_the_one_that_holds(asked: dict[str, Any], recommended: Any, expected: Any) -> None:
    model = ar_pb2.Model(name="m", modality="text", default_sampling=recommended)
    response = GrowingResponse(ResponseBody(input="Hi", **asked), Served(SEQUENTIAL, model), None)
    message = ar_pb2.GenerateResponse(finish_reason=ar_pb2.FINISH_REASON_STOP)
    whole = response.whole(message, message.usage)
    assert (whole.temperature, whole.top_p) == expected


STREAM = [
    ar_pb2.GenerateResponse(text_delta="Let me"),
    ar_pb2.GenerateResponse(text_delta=" see.", tool_calls=[ar_pb2.ToolCall(id="1", name="a", arguments='{"b":')]),
    ar_pb2.GenerateResponse(tool_calls=[ar_pb2.ToolCall(arguments=" 2}"), ar_pb2.ToolCall(id="2", name="c")]),
    ar_pb2.GenerateResponse(tool_calls=[ar_pb2.ToolCall(arguments="{")], finish_reason=ar_pb2.FINISH_REASON_LENGTH),
]
STREAM[-1].usage.output_tokens = 9


async def stream() -> AsyncGenerator[Any, None]:
    for message in STREAM:
        yield message


async def test_text_and_calls_are_items_one_after_the_other() -> None:
    model = Served(SEQUENTIAL, ar_pb2.Model(name="m", modality="text"))
    response = GrowingResponse(ResponseBody(input="Hi"), model, None)
    raw = b"".join([event async for event in response.events(stream())]).decode()
    events = [json.loads(line.removeprefix("data: ")) for line in raw.splitlines() if line.startswith("data: ")]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    about = [
        (event["type"].removeprefix("response."), event.get("output_index"), event.get("delta")) for event in events
    ]
    assert about == [
        ("created", None, None),
        ("in_progress", None, None),
        ("output_item.added", 0, None),
        ("content_part.added", 0, None),
        ("output_text.delta", 0, "Let me"),
        ("output_text.delta", 0, " see."),
        ("output_text.done", 0, None),
        ("content_part.done", 0, None),
        ("output_item.done", 0, None),
        ("output_item.added", 1, None),
        ("function_call_arguments.delta", 1, '{"b":'),
        ("function_call_arguments.delta", 1, " 2}"),
        ("function_call_arguments.done", 1, None),
        ("output_item.done", 1, None),
        ("output_item.added", 2, None),
        ("function_call_arguments.delta", 2, "{"),
        ("function_call_arguments.done", 2, None),
        ("output_item.done", 2, None),
        ("incomplete", None, None),
    ]
    output = events[-1]["response"]["output"]
    assert [item["status"] for item in output] == ["completed", "completed", "incomplete"]
    assert output[0]["content"][0]["text"] == "Let me see."
    assert [(item["call_id"], item["name"], item["arguments"]) for item in output[1:]] == [
        ("1", "a", '{"b": 2}'),
        ("2", "c", "{"),
    ]
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == output


def test_turns_of_the_assistant_have_their_calls_and_errors_the_place_of_their_item() -> None:
    call = {"type": "function_call", "call_id": "1", "name": "a", "arguments": "{}"}
    items = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Let me see."},
        call,
        {**call, "call_id": "2"},
        {"type": "function_call_output", "call_id": "1", "output": "x"},
        {"type": "function_call_output", "call_id": "2", "output": "y"},
        call,
    ]
    body = ResponseBody.parse(json.dumps({"instructions": "Be brief.", "input": items}).encode())
    turns = body.request("m").chat.messages
    assert [(turn.role, turn.content, turn.tool_call_id) for turn in turns] == [
        ("system", "Be brief.", ""),
        ("user", "Hi", ""),
        ("assistant", "Let me see.", ""),
        ("tool", "x", "1"),
        ("tool", "y", "2"),
        ("assistant", "", ""),
    ]
    assert [[each.id for each in turn.tool_calls] for turn in turns] == [[], [], ["1", "2"], [], [], ["1"]]
    places = {
        "chat.messages[2].role": "input[1].role",
        "chat.messages[2].tool_calls[1].name": "input[3].name",
        "chat.messages[4].tool_call_id": "input[5].call_id",
        "chat.messages[5].tool_calls[0]": "input[6]",
    }
    for field, place in places.items():
        assert violation_of(rename_field(InvalidArgument(field, 1, "2"), body.names())).field == place


REQUIRED_BY_OPEN_RESPONSES = [
    "id",
    "object",
    "created_at",
    "completed_at",
    "status",
    "incomplete_details",
    "model",
    "previous_response_id",
    "instructions",
    "output",
    "error",
    "tools",
    "tool_choice",
    "truncation",
    "parallel_tool_calls",
    "text",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "top_logprobs",
    "temperature",
    "reasoning",
    "usage",
    "max_output_tokens",
    "max_tool_calls",
    "store",
    "background",
    "service_tier",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
]


def test_every_field_of_a_response_is_there() -> None:
    """Those that the acceptance tests of Open Responses require; null is a value."""
    tool = {"type": "function", "name": "a"}
    body = ResponseBody.parse(json.dumps({"input": "Hi", "tools": [tool], "tool_choice": tool}).encode())
    response = GrowingResponse(body, Served(SEQUENTIAL, ar_pb2.Model(name="m", modality="text")), None)
    message = ar_pb2.GenerateResponse(finish_reason=ar_pb2.FINISH_REASON_STOP)
    whole = json.loads(response.whole(message, message.usage).to_json())
    assert set(REQUIRED_BY_OPEN_RESPONSES) <= set(whole)
    assert whole["completed_at"] >= whole["created_at"]
    assert whole["tools"] == [{**tool, "description": None, "parameters": None, "strict": None}]
    assert whole["tool_choice"] == tool
