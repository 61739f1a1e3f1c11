"""What an output has to match, in OpenAI's words (response_format) and in vLLM's (guided_*, structured_outputs)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from pydantic import Field

from gateway.protocols.openai.messages import Body
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

KINDS = {"json": "json_schema", "json_object": "json_object", "regex": "regex", "choice": "choice", "grammar": "lark"}
"""Fields of structured_outputs and, behind `guided_`, vLLM's older ones, and the kind of constraint that each is."""


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
    response_format: ResponseFormat | None, structured: StructuredOutputs | None, guided: Mapping[str, Any]
) -> Constraint | None:
    """Return what the output has to match, None if that is anything. Raises InvalidArgument for two at a time.

    `guided`: the values of vLLM's older fields by their names.
    """
    values = {} if structured is None else {**dict(structured), "json": structured.json_}
    given = {f"structured_outputs.{name}": (kind, values.get(name)) for name, kind in KINDS.items()}
    given |= {name: (KINDS[name.removeprefix("guided_")], value) for name, value in guided.items()}
    stated = [Constraint(name, kind, value) for name, (kind, value) in given.items() if value not in (None, False)]
    constraints = [*_of_format(response_format), *map(_translate, stated)]
    if len(constraints) > 1:
        raise InvalidArgument(constraints[1].field, "a second constraint", f"none beside {constraints[0].field}")
    return constraints[0] if constraints else None


def _of_format(asked: ResponseFormat | None) -> list[Constraint]:
    if asked is None or asked.type == "text":
        return []
    if asked.type == "json_schema" and asked.json_schema is None:
        raise InvalidArgument("response_format.json_schema", None, "an object with a schema")
    if asked.type == "json_object" or asked.json_schema is None or asked.json_schema.schema_ is None:
        return [Constraint("response_format", "json_object", True)]
    return [_translate(Constraint("response_format.json_schema.schema", "json_schema", asked.json_schema.schema_))]


def _translate(stated: Constraint) -> Constraint:
    """Return it with the value that the contract has."""
    value = stated.value
    if stated.kind == "json_schema" and not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if stated.kind == "choice":
        value = ar_pb2.TextChoice(texts=value)
    return stated._replace(value=value)
