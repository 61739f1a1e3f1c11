"""What an output has to match, in OpenAI's words (response_format) and in vLLM's (guided_*, structured_outputs)."""

from __future__ import annotations

import json
from typing import Any, Literal, NamedTuple

from pydantic import Field

from gateway.protocols.openai.messages import Body
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

GUIDED = {"guided_json": "json_schema", "guided_regex": "regex", "guided_choice": "choice", "guided_grammar": "lark"}
"""vLLM's older fields, and the kind of constraint that each is."""


class NamedSchema(Body):
    """A JSON Schema as OpenAI's clients send it."""

    name: str | None = Field(None, description="Ignored.")
    description: str | None = Field(None, description="Ignored.")
    schema_: dict[str, Any] | None = Field(None, alias="schema", description="Draft 2020-12; absent: any object.")
    strict: bool | None = Field(None, description="Ignored: a schema always holds.")


class ResponseFormat(Body):
    """How an answer is written."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = Field(None, description="With the type json_schema.")


class StructuredOutputs(Body):
    """vLLM's: one of these."""

    json_: dict[str, Any] | str | None = Field(None, alias="json", description="A JSON Schema.")
    json_object: bool | None = Field(None, description="True: any JSON object.")
    regex: str | None = Field(None, description="A regular expression that the whole output matches.")
    choice: list[str] | None = Field(None, description="One of these texts.")
    grammar: str | None = Field(None, description="A grammar in Lark's language.")


class Constraint(NamedTuple):
    """A field of the contract's `constraint` with its value, and the field of the body that it came in."""

    field: str
    kind: str
    value: Any


def constraint_of(
    response_format: ResponseFormat | None, structured: StructuredOutputs | None, guided: dict[str, Any]
) -> Constraint | None:
    """Return what the output has to match, None if that is anything. Raises InvalidArgument for two at a time.

    `guided`: vLLM's older fields by their names.
    """
    found = [*_of_format(response_format), *_of_structured(structured), *_of_guided(guided)]
    if len(found) > 1:
        raise InvalidArgument(found[1].field, "a second constraint", f"none beside {found[0].field}")
    return found[0] if found else None


def _of_format(asked: ResponseFormat | None) -> list[Constraint]:
    if asked is None or asked.type == "text":
        return []
    if asked.type == "json_object":
        return [Constraint("response_format", "json_object", True)]
    if asked.json_schema is None:
        raise InvalidArgument("response_format.json_schema", None, "an object with a schema")
    if asked.json_schema.schema_ is None:
        return [Constraint("response_format", "json_object", True)]
    return [_constraint("response_format.json_schema.schema", "json_schema", asked.json_schema.schema_)]


def _of_structured(asked: StructuredOutputs | None) -> list[Constraint]:
    if asked is None:
        return []
    given = {
        "json": ("json_schema", asked.json_),
        "json_object": ("json_object", asked.json_object or None),
        "regex": ("regex", asked.regex),
        "choice": ("choice", asked.choice),
        "grammar": ("lark", asked.grammar),
    }
    named = ((f"structured_outputs.{name}", *each) for name, each in given.items())
    return [_constraint(name, kind, value) for name, kind, value in named if value is not None]


def _of_guided(given: dict[str, Any]) -> list[Constraint]:
    return [_constraint(name, kind, given[name]) for name, kind in GUIDED.items() if given[name] is not None]


def _constraint(field: str, kind: str, value: Any) -> Constraint:
    if kind == "json_schema" and not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if kind == "choice":
        value = ar_pb2.TextChoice(texts=value)
    return Constraint(field, kind, value)
