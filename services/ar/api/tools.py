"""From a conversation's protobuf fields to turns and functions; the ranges of both are enforced here."""

from __future__ import annotations

import re
from collections.abc import Iterable

from services.ar.api.validation import MAX_CONSTRAINT_BYTES
from services.ar.codecs.chat.tools import Tool, ToolCall, Turn
from services.ar.constraints.calls import ToolUse, json_object
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

MAX_TOOLS = 128
NAME = re.compile("[a-zA-Z0-9_-]{1,64}")
_ACCEPTED_NAME = "1 to 64 characters of a-z, A-Z, 0-9, _ and -"
_MOST_SHOWN = 200
"""Characters of the list of names in an error."""
_NO_ARGUMENTS = {"type": "object", "properties": {}, "additionalProperties": False}


def turns_of(chat: ar_pb2.ChatPrompt, max_context_tokens: int) -> list[Turn]:
    """Return the messages. Raises InvalidArgument if they cannot fit, at a token a message, or hold no JSON."""
    if len(chat.messages) > max_context_tokens:
        raise InvalidArgument("chat.messages", f"{len(chat.messages)} messages", f"at most {max_context_tokens}")
    return [
        Turn(message.role, message.content, _calls(f"chat.messages[{index}]", message.tool_calls), message.tool_call_id)
        for index, message in enumerate(chat.messages)
    ]


def _calls(field: str, calls: Iterable[ar_pb2.ToolCall]) -> list[ToolCall]:
    found = []
    for index, call in enumerate(calls):
        place = f"{field}.tool_calls[{index}]"
        if not call.id:
            raise InvalidArgument(f"{place}.id", "", "a text that is not empty")
        _check_name(f"{place}.name", call.name)
        found.append(ToolCall(call.id, call.name, json_object(f"{place}.arguments", call.arguments or "{}")))
    return found


def tool_use(chat: ar_pb2.ChatPrompt) -> ToolUse | None:
    """Return the functions that may be called, None if there are none. Raises InvalidArgument."""
    names = [tool.name for tool in chat.tools]
    is_required = bool(chat.called_tool) or chat.tool_choice == ar_pb2.TOOL_CHOICE_REQUIRED
    if chat.tool_choice not in ar_pb2.ToolChoice.values():
        raise InvalidArgument("chat.tool_choice", chat.tool_choice, "a value of ToolChoice")
    if is_required and not names:
        raise InvalidArgument("chat.tools", [], "at least one function: a call is asked for")
    if len(names) > MAX_TOOLS:
        raise InvalidArgument("chat.tools", f"{len(names)} functions", f"at most {MAX_TOOLS}")
    tools = [_tool(f"chat.tools[{index}]", tool, names[:index]) for index, tool in enumerate(chat.tools)]
    num_bytes = sum(len(tool.parameters.encode()) for tool in chat.tools)
    if num_bytes > MAX_CONSTRAINT_BYTES:
        raise InvalidArgument("chat.tools", f"parameters of {num_bytes} bytes", f"at most {MAX_CONSTRAINT_BYTES:,}")
    asked = set(chat.callable_tools)
    if unknown := asked.difference(names):
        raise InvalidArgument("chat.callable_tools", min(unknown), f"names among {', '.join(names)[:_MOST_SHOWN]}")
    may_call = [name for name in names if name in asked or not asked]
    if chat.called_tool and (
        chat.called_tool not in may_call or chat.tool_choice in (ar_pb2.TOOL_CHOICE_AUTO, ar_pb2.TOOL_CHOICE_NONE)
    ):
        accepted = f"one of {', '.join(may_call)[:_MOST_SHOWN]}, with a tool_choice of REQUIRED or none"
        raise InvalidArgument("chat.called_tool", chat.called_tool, accepted)
    if not names or chat.tool_choice == ar_pb2.TOOL_CHOICE_NONE:
        return None
    called = [index for index, name in enumerate(names) if name in may_call and chat.called_tool in ("", name)]
    return ToolUse(tools, called, is_required, chat.single_tool_call or bool(chat.called_tool))


def _tool(field: str, tool: ar_pb2.Tool, earlier: list[str]) -> Tool:
    _check_name(f"{field}.name", tool.name)
    if tool.name in earlier:
        raise InvalidArgument(f"{field}.name", tool.name, "a name that no other function has")
    schema = json_object(f"{field}.parameters", tool.parameters) if tool.parameters else _NO_ARGUMENTS
    if schema.setdefault("type", "object") != "object":
        raise InvalidArgument(f"{field}.parameters", tool.parameters, 'a schema of the type "object"')
    return Tool(tool.name, tool.description, schema)


def _check_name(field: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise InvalidArgument(field, name, _ACCEPTED_NAME)
