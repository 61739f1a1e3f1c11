"""Functions that a model may call, as chat and the Responses API have them, and what the contract has of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from gateway.protocols.openai.messages import Body, Reply
from gateway.protocols.openai.text.sampling import schema_text
from tandem.ar.v1 import ar_pb2

Mode = Literal["none", "auto", "required"]


class Function(Body):
    """A function, or the name of one."""

    name: str = Field(min_length=1, description="Up to 64 characters of a-z, A-Z, 0-9, _ and -.")
    description: str | None = None
    parameters: dict[str, Any] | None = Field(None, description="JSON Schema of the arguments; absent: there are none.")
    strict: bool | None = Field(None, description="Ignored: arguments always match.")


class OfFunction(Body):
    """What is about a function; there are no other tools."""

    type: Literal["function"]


class Tool(OfFunction):
    """A function as chat has it."""

    function: Function


class Allowed(Body):
    """Some of the functions, and whether one of them has to be called."""

    mode: Literal["auto", "required"]
    tools: list[Tool] = Field(min_length=1)


class CalledFunction(Body):
    """What was called."""

    name: str
    arguments: str = Field(description="A JSON object.")


class Called(Body):
    """A call that the assistant has made."""

    id: str
    function: CalledFunction


def offer(chat: ar_pb2.ChatPrompt, tools: Sequence[Function], choice: Mode | Function | None, several: bool) -> None:
    """Add functions to a conversation, and how they are to be called."""
    for each in tools:
        schema = "" if each.parameters is None else schema_text(each.parameters)
        chat.tools.add(name=each.name, description=each.description or "", parameters=schema)
    if isinstance(choice, Function):
        chat.called_tool = choice.name
    elif choice is not None:
        chat.MergeFrom(ar_pb2.ChatPrompt(tool_choice=f"TOOL_CHOICE_{choice.upper()}"))
    chat.single_tool_call = not several


_CHOICES = ("chat.tool_choice", "chat.called_tool", "chat.callable_tools")


def names_of_tools(number: int, inside: str) -> Mapping[str, str]:
    """Return how bodies call the fields of `number` functions, which have those of a function `inside` of each."""
    each = {f"chat.tools[{index}]": f"tools[{index}]{inside}" for index in range(number)}
    return {**each, "chat.tools": "tools", **dict.fromkeys(_CHOICES, "tool_choice")}


class FunctionPart(Reply):
    """What is called."""

    name: str | None = Field(None, description="In a stream: in the first part of a call.")
    arguments: str = Field(description="A JSON object, or the next part of it.")


class Call(Reply):
    """A call of a function, or a part of one."""

    index: int | None = Field(None, description="In a stream: which of the choice's calls.")
    id: str | None = Field(None, description="In a stream: in the first part of a call.")
    type: Literal["function"] | None = None
    function: FunctionPart


def call_of(part: ar_pb2.ToolCall, **index: Any) -> Call:
    """Return a call, or a part of one, as chat has it."""
    about: dict[str, Any] = {"id": part.id, "type": "function"} if part.id else {}
    name: dict[str, Any] = {"name": part.name} if part.id else {}
    return Call(**index, **about, function=FunctionPart(**name, arguments=part.arguments))
