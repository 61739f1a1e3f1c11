"""Functions and conversations of a request: what is refused, and by which name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.ar.api.tools import MAX_TOOLS, tool_use, turns_of
from services.ar.codecs.chat.prompt import check_turns
from services.ar.codecs.chat.tools import ToolCall, Turn
from services.ar.constraints.calls import ToolUse
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

A, B = {"name": "a", "parameters": '{"type": "object"}'}, {"name": "b", "description": "does"}
REQUIRED, AUTO, NONE = ar_pb2.TOOL_CHOICE_REQUIRED, ar_pb2.TOOL_CHOICE_AUTO, ar_pb2.TOOL_CHOICE_NONE


def use_of(*tools: dict[str, Any], **fields: Any) -> ToolUse | None:
    return tool_use(ar_pb2.ChatPrompt(tools=[ar_pb2.Tool(**tool) for tool in tools], **fields))


@pytest.mark.parametrize(
    ("fields", "called", "is_required", "is_single"),
    [
        ({}, [0, 1], False, False),
        ({"tool_choice": AUTO, "single_tool_call": True}, [0, 1], False, True),
        ({"tool_choice": REQUIRED}, [0, 1], True, False),
        ({"called_tool": "b"}, [1], True, True),
        ({"called_tool": "a", "tool_choice": REQUIRED}, [0], True, True),
        ({"callable_tools": ["b", "b"]}, [1], False, False),
        ({"callable_tools": ["b", "a"], "called_tool": "b"}, [1], True, True),
    ],
)
def test_who_may_be_called(fields: dict[str, Any], called: list[int], is_required: bool, is_single: bool) -> None:
    use = use_of(A, B, **fields)
    assert use is not None
    assert (use.called, use.is_required, use.is_single) == (called, is_required, is_single)
    assert [tool.name for tool in use.tools] == ["a", "b"]
    assert use.tools[1].parameters == {"type": "object", "properties": {}, "additionalProperties": False}


def test_where_nothing_is_to_be_called_there_is_nothing() -> None:
    assert use_of() is None
    assert use_of(tool_choice=AUTO) is None
    assert use_of(A, tool_choice=NONE) is None


@pytest.mark.parametrize(
    ("tools", "fields", "field"),
    [
        ([{"name": ""}], {}, "chat.tools[0].name"),
        ([A, {"name": "no spaces"}], {}, "chat.tools[1].name"),
        ([A, {"name": "ä"}], {}, "chat.tools[1].name"),
        ([{"name": "a" * 65}], {}, "chat.tools[0].name"),
        ([A, B, A], {}, "chat.tools[2].name"),
        ([{"name": "a", "parameters": "[]"}], {}, "chat.tools[0].parameters"),
        ([{"name": "a", "parameters": "{"}], {"tool_choice": NONE}, "chat.tools[0].parameters"),
        ([{"name": "a", "parameters": '{"type": "array"}'}], {}, "chat.tools[0].parameters"),
        ([{"name": str(number)} for number in range(MAX_TOOLS + 1)], {}, "chat.tools"),
        ([{"name": str(n), "parameters": json.dumps({"title": "x" * 40_000})} for n in range(2)], {}, "chat.tools"),
        ([A], {"called_tool": "b"}, "chat.called_tool"),
        ([A], {"called_tool": "a", "tool_choice": NONE}, "chat.called_tool"),
        ([A], {"called_tool": "a", "tool_choice": AUTO}, "chat.called_tool"),
        ([A], {"tool_choice": 9}, "chat.tool_choice"),
        ([], {"tool_choice": REQUIRED}, "chat.tools"),
        ([], {"called_tool": "a"}, "chat.tools"),
        ([A, B], {"callable_tools": ["a"], "called_tool": "b"}, "chat.called_tool"),
        ([A], {"callable_tools": ["a", "b"], "tool_choice": NONE}, "chat.callable_tools"),
    ],
)
def test_what_is_no_function_or_no_choice_is_refused_by_name(
    tools: list[dict[str, Any]], fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        use_of(*tools, **fields)
    assert caught.value.field == field


def test_turns_have_their_calls_as_values() -> None:
    call = ar_pb2.ToolCall(id="1", name="a", arguments='{"b": [1]}')
    empty = ar_pb2.ToolCall(id="2", name="a")
    chat = ar_pb2.ChatPrompt(
        messages=[
            ar_pb2.ChatMessage(role="assistant", tool_calls=[call, empty]),
            ar_pb2.ChatMessage(role="tool", content="x", tool_call_id="1"),
        ]
    )
    turns = turns_of(chat, 2)
    assert turns == [
        Turn("assistant", "", [ToolCall("1", "a", {"b": [1]}), ToolCall("2", "a", {})]),
        Turn("tool", "x", [], "1"),
    ]
    check_turns(turns)
    with pytest.raises(InvalidArgument, match=r"chat\.messages: '2 messages'"):
        turns_of(chat, 1)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"role": "tool", "content": "x"}, "tool_call_id"),
        ({"role": "user", "content": "x", "tool_call_id": "1"}, "tool_call_id"),
        ({"role": "user", "tool_calls": [{"id": "1", "name": "a"}]}, "tool_calls"),
        ({"role": "assistant", "tool_calls": [{"name": "a"}]}, "tool_calls[0].id"),
        ({"role": "assistant", "tool_calls": [{"id": "1", "name": "a b"}]}, "tool_calls[0].name"),
        ({"role": "assistant", "tool_calls": [{"id": "1", "name": "a", "arguments": "1"}]}, "tool_calls[0].arguments"),
    ],
)
def test_a_turn_that_cannot_be_is_refused_by_name(message: dict[str, Any], field: str) -> None:
    chat = ar_pb2.ChatPrompt(messages=[ar_pb2.ChatMessage(role="user"), ar_pb2.ChatMessage(**message)])
    with pytest.raises(InvalidArgument) as caught:
        check_turns(turns_of(chat, 9))
    assert caught.value.field == f"chat.messages[1].{field}"
