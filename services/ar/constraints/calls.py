"""Calls of functions as a constraint: one grammar of all that an output may be, from its first token on."""

import json
from typing import Any, NamedTuple

from services.ar.codecs.chat.tools import CallForm, Tool
from services.ar.constraints.grammar import JSON_OPTIONS, Constraint, enforced
from tandem.shared.errors import InvalidArgument

MAX_DEPTH = 64


class ToolUse(NamedTuple):
    """The functions of a request, at least one, and which it may call, or has to, by their places in `tools`."""

    tools: list[Tool]
    called: list[int]
    is_required: bool
    is_single: bool


_FIELD = "chat.tools"
_TEXT = r"/(.|\n)*/"
_OPEN = {"additionalProperties", "unevaluatedProperties", "patternProperties", "$ref", "allOf", "anyOf", "oneOf"}
"""Where a schema has one of these, other arguments than those among its `properties` may have been meant."""


def calls_constraint(use: ToolUse, form: CallForm, said: Constraint | None) -> Constraint:
    """Return what an output has to match: calls, or what is `said` without them, which is anything if that is None.

    Raises InvalidArgument if that cannot be told from a call.
    """
    parts, rules, functions = [], [], []
    for index in use.called:
        name, _, parameters = use.tools[index]
        parts.append(Constraint("json_schema", (json.dumps(parameters),), f"{_FIELD}[{index}].parameters"))
        rules.append(f"f{index}: {json.dumps(name + form.between)} {_json(_closed(parameters))}")
        functions.append(f"f{index}")
    trigger, answer = json.dumps(form.trigger), ""
    lead = f"lead: {trigger}"
    if said is not None:
        parts.append(said)
        rules.append(f"said: {_json(_schema_of(said, form))}")
        answer = "said |"
    elif not use.is_required:
        # What is lazy ends with the trigger, from which on all that follows is a call.
        lead = f"lead[lazy]: {_TEXT if form.is_tagged else ''} {trigger}\nTEXT: {_TEXT}"
        answer = "TEXT |"
    another = f'("\\n" {trigger} call)*' if form.is_tagged and not use.is_single else ""
    rules += [
        lead,
        f"start: {'' if use.is_required else answer} lead call {another}",
        f"call: {json.dumps(form.opening)} ({' | '.join(functions)}) {json.dumps(form.end)}",
    ]
    return Constraint("lark", ("\n".join(rules),), _FIELD, tuple(parts))


def _closed(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without arguments that it does not name: none that it could have is of use to the function."""
    is_closed = "properties" in parameters and not parameters.keys() & _OPEN
    return {**parameters, "additionalProperties": False} if is_closed else parameters


def _json(schema: dict[str, Any]) -> str:
    return f"%json {json.dumps({**enforced(schema), 'x-guidance': JSON_OPTIONS})}"


def _schema_of(said: Constraint, form: CallForm) -> dict[str, Any]:
    kinds = ("json_schema", "json_object") if form.is_tagged else ()
    if said.kind not in kinds:
        accepted = f"{' or '.join(kinds) or 'nothing'} beside the functions that this model may call"
        raise InvalidArgument(said.field, "a constraint", accepted)
    return json_object(said.field, said.texts[0]) if said.texts else {"type": "object"}


def json_object(field: str, text: str) -> dict[str, Any]:
    """Return what a text is in JSON. Raises InvalidArgument unless that is an object, nested within bounds."""
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()  # an escape may have been half of a character
        is_deep = _depth(value) > MAX_DEPTH
    except (ValueError, RecursionError):
        value, is_deep = None, False
    if is_deep or not isinstance(value, dict):
        raise InvalidArgument(field, text, f"a JSON object, of {MAX_DEPTH} levels at the most")
    return value


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)
