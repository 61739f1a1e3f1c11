"""From chat's functions and calls to the contract, and from parts of calls to chunks."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.protocols.catalogue import Served
from gateway.protocols.openai.text.chat import ChatBody, Conversation
from runtime.rpc.routes import SEQUENTIAL
from tandem.ar.v1 import ar_pb2

MODEL = Served(SEQUENTIAL, ar_pb2.Model(name="m", modality="text"))
SCHEMA = {"type": "object", "properties": {"b": {"enum": ["é"]}}}
TOOLS = [
    {"type": "function", "function": {"name": "a", "description": "Does.", "parameters": SCHEMA, "strict": True}},
    {"type": "function", "function": {"name": "c"}},
]
NAMED = {"type": "function", "function": {"name": "c"}}
ALLOWED = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}}


def conversation(**fields: Any) -> Conversation:
    body = {"messages": [{"role": "user", "content": "Hi"}], **fields}
    calls: Any = SimpleNamespace(catalogue=None)
    return Conversation(ChatBody.parse(json.dumps(body).encode()), MODEL, calls)


@pytest.mark.parametrize(
    ("fields", "choice", "called", "is_single"),
    [
        ({}, ar_pb2.TOOL_CHOICE_UNSPECIFIED, "", False),
        ({"tool_choice": None, "parallel_tool_calls": None}, ar_pb2.TOOL_CHOICE_UNSPECIFIED, "", False),
        ({"tool_choice": "auto", "parallel_tool_calls": True}, ar_pb2.TOOL_CHOICE_AUTO, "", False),
        ({"tool_choice": "none"}, ar_pb2.TOOL_CHOICE_NONE, "", False),
        ({"tool_choice": "required", "parallel_tool_calls": False}, ar_pb2.TOOL_CHOICE_REQUIRED, "", True),
        ({"tool_choice": NAMED}, ar_pb2.TOOL_CHOICE_UNSPECIFIED, "c", False),
        ({"tool_choice": ALLOWED}, ar_pb2.TOOL_CHOICE_REQUIRED, "", False),
    ],
)
def test_functions_and_how_they_are_called(fields: dict[str, Any], choice: int, called: str, is_single: bool) -> None:
    chat = conversation(tools=TOOLS, **fields).request().chat
    first, second = chat.tools
    assert (first.name, first.description, json.loads(first.parameters)) == ("a", "Does.", SCHEMA)
    assert second == ar_pb2.Tool(name="c")
    assert (chat.tool_choice, chat.called_tool, chat.single_tool_call) == (choice, called, is_single)
    assert chat.callable_tools == (["c"] if fields.get("tool_choice") == ALLOWED else [])


def test_calls_and_results_of_a_conversation() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "a", "arguments": "{}"}}
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "x"}]},
        {"role": "assistant", "content": "y", "tool_calls": None},
    ]
    first, result, last = conversation(messages=messages).request().chat.messages
    assert first.tool_calls == [ar_pb2.ToolCall(id="1", name="a", arguments="{}")]
    assert (first.content, result.content, result.tool_call_id) == ("", "x", "1")
    assert (last.content, last.tool_calls) == ("y", [])


async def deltas(talk: Conversation, *messages: ar_pb2.GenerateResponse) -> list[dict[str, Any]]:
    chunks = [json.loads(part.to_json()) for message in messages for part in await talk.parts(message)]
    return [chunk["delta"] | ({"end": chunk["finish_reason"]} if chunk["finish_reason"] else {}) for chunk in chunks]


async def test_calls_come_in_numbered_parts_and_text_only_where_there_is_some() -> None:
    begun, more = ar_pb2.ToolCall(id="1", name="a"), ar_pb2.ToolCall(arguments="{}")
    other = ar_pb2.ToolCall(id="2", name="c", arguments="{}")
    found = await deltas(
        conversation(tools=TOOLS),
        ar_pb2.GenerateResponse(token_ids=[1], text_delta="Well"),
        ar_pb2.GenerateResponse(token_ids=[2]),  # held back, as it may begin a call
        ar_pb2.GenerateResponse(token_ids=[3], tool_calls=[begun]),
        ar_pb2.GenerateResponse(token_ids=[4, 5], tool_calls=[more, other]),
        ar_pb2.GenerateResponse(token_ids=[6], finish_reason=ar_pb2.FINISH_REASON_TOOL_CALLS),
    )
    assert found == [
        {"role": "assistant", "content": None},
        {"content": "Well"},
        {"tool_calls": [{"index": 0, "id": "1", "type": "function", "function": {"name": "a", "arguments": ""}}]},
        {
            "tool_calls": [
                {"index": 0, "function": {"arguments": "{}"}},
                {"index": 1, "id": "2", "type": "function", "function": {"name": "c", "arguments": "{}"}},
            ]
        },
        {"end": "tool_calls"},
    ]


async def test_each_choice_numbers_its_own_calls() -> None:
    talk = conversation(tools=TOOLS, n=2)
    for number in range(2):
        for choice in range(2):
            call = ar_pb2.ToolCall(id="x", name="a")
            message = ar_pb2.GenerateResponse(choice_index=choice, token_ids=[1], tool_calls=[call])
            found = [delta["tool_calls"][0]["index"] for delta in await deltas(talk, message) if "tool_calls" in delta]
            assert found == [number]
