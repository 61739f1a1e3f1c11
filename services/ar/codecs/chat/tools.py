"""Functions that a model may call: how they and their calls stand in a conversation, and how a model writes a call.

A template that knows functions lays them out itself. For any other, they become text of the system, calls text of the
assistant, and results text of the user.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple


class Tool(NamedTuple):
    """A function; `parameters` is the JSON Schema of its arguments."""

    name: str
    description: str
    parameters: dict[str, Any]


class ToolCall(NamedTuple):
    """A call of a function."""

    id: str
    name: str
    arguments: dict[str, Any]


class Turn(NamedTuple):
    """What one side said. A turn of the role "tool" is the result of the call `tool_call_id`."""

    role: str
    content: str
    tool_calls: Sequence[ToolCall] = ()
    tool_call_id: str = ""


@dataclass(frozen=True)
class CallForm:
    """How a model writes a call: trigger, opening, the function's name, `between`, the arguments, end.

    `is_tagged`: the trigger cannot be anything else, so text may stand before it, and further calls behind a newline.
    Otherwise a call is the whole output.
    """

    trigger: str
    opening: str
    between: str
    end: str
    is_tagged: bool

    def written(self, name: str, arguments: str) -> str:
        return f"{self.trigger}{self.opening}{name}{self.between}{arguments}{self.end}"


TAGGED = CallForm("<tool_call>", '\n{"name": "', '", "arguments": ', "}\n</tool_call>", is_tagged=True)
"""That of Hermes and Qwen, and of every model whose template has none."""
BARE = CallForm('{"name": "', "", '", "parameters": ', "}", is_tagged=False)
"""That of Llama 3."""

_SHOWS_TAGGED = re.compile(r'<tool_call>(?:\\n|\s)*\{\\?"name')
_SHOWS_BARE = re.compile(r""""parameters": ['"] *-?\}\}\s*\{\{-? *tool_call\.arguments""")


def call_form(template: str | None) -> tuple[CallForm, bool]:
    """Return how a model with this template writes calls, and whether the template knows functions of that form."""
    if template is not None and re.search(r"\btools\b", template):
        if _SHOWS_TAGGED.search(template):
            return TAGGED, True
        if _SHOWS_BARE.search(template):
            return BARE, True
    return TAGGED, False


def known_to_template(turns: Iterable[Turn], tools: Sequence[Tool]) -> dict[str, Any]:
    """Return what a template gets that knows functions, in the form that Hugging Face has given it."""
    return {"messages": list(map(_message, turns)), "tools": list(map(_tool, tools)) or None}


def _message(turn: Turn) -> dict[str, Any]:
    calls = [
        {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
        for id_, name, arguments in turn.tool_calls
    ]
    others = {"tool_calls": calls, "tool_call_id": turn.tool_call_id}
    return {"role": turn.role, "content": turn.content, **{name: value for name, value in others.items() if value}}


def _tool(tool: Sequence[Any]) -> dict[str, Any]:
    name, description, parameters = tool
    about = {"description": description} if description else {}
    return {"type": "function", "function": {"name": name, **about, "parameters": parameters}}


_SYSTEM = """\
You can call functions. Each line within <tools></tools> describes one, with the JSON Schema of its arguments:
<tools>
{tools}
</tools>
To call a function, write its name and its arguments as a JSON object within <tool_call></tool_call>, and nothing after:
{example}"""
_EXAMPLE = TAGGED.written("<name>", "<arguments>")


def as_text(turns: Iterable[Turn], tools: Sequence[Tool]) -> dict[str, Any]:
    """Return what a template gets that knows texts alone."""
    messages = list(_texts(turns))
    if tools:
        about = _SYSTEM.format(tools="\n".join(_json(_tool(tool)) for tool in tools), example=_EXAMPLE)
        if messages[0]["role"] == "system":
            messages[0]["content"] += f"\n\n{about}"
        else:
            messages.insert(0, {"role": "system", "content": about})
    return {"messages": messages, "tools": None}


def _texts(turns: Iterable[Turn]) -> Iterator[dict[str, str]]:
    """Yield the turns as texts; results in a row are one turn, as many templates want turns to alternate."""
    for are_results, group in groupby(turns, lambda turn: turn.role == "tool"):
        if are_results:
            results = (f"<tool_response>\n{turn.content}\n</tool_response>" for turn in group)
            yield {"role": "user", "content": "\n".join(results)}
            continue
        for turn in group:
            calls = (TAGGED.written(name, _json(arguments)) for _, name, arguments in turn.tool_calls)
            yield {"role": turn.role, "content": "\n".join(filter(None, (turn.content, *calls)))}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def with_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Return a value of JSON with all texts in it changed, names of fields among them; tuples become lists."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(name): with_texts(each, change) for name, each in value.items()}
    return [with_texts(each, change) for each in value] if isinstance(value, list | tuple) else value
