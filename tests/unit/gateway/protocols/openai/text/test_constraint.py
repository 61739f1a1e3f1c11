"""What an output has to match, in every client's words, comes to one field of the contract."""

import json
from typing import Any

import pytest

from gateway.protocols.openai.text.chat import ChatBody
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
AS_TEXT = json.dumps(SCHEMA, separators=(",", ":"))


def body(**fields: Any) -> ChatBody:
    return ChatBody.parse(json.dumps({"messages": [], **fields}).encode())


WORDS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "schema": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": SCHEMA}}},
        {"json_schema": AS_TEXT},
        "response_format.json_schema.schema",
    ),
    "any schema": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
        {"json_object": True},
        "response_format",
    ),
    "object": ({"response_format": {"type": "json_object"}}, {"json_object": True}, "response_format"),
    "guided json": ({"guided_json": SCHEMA}, {"json_schema": AS_TEXT}, "guided_json"),
    "guided json text": ({"guided_json": AS_TEXT}, {"json_schema": AS_TEXT}, "guided_json"),
    "guided regex": ({"guided_regex": "a+"}, {"regex": "a+"}, "guided_regex"),
    "guided choice": ({"guided_choice": ["a", "b"]}, {"choice": ar_pb2.TextChoice(texts=["a", "b"])}, "guided_choice"),
    "guided grammar": ({"guided_grammar": "start: /a/"}, {"lark": "start: /a/"}, "guided_grammar"),
    "structured": ({"structured_outputs": {"json": SCHEMA}}, {"json_schema": AS_TEXT}, "structured_outputs.json"),
    "structured regex": ({"structured_outputs": {"regex": "a"}}, {"regex": "a"}, "structured_outputs.regex"),
}


@pytest.mark.parametrize("case", WORDS)
def test_the_words_come_to_the_constraint_and_errors_go_back_to_them(case: str) -> None:
    fields, expected, field = WORDS[case]
    asked = body(**fields)
    assert asked.sampling(None) == ar_pb2.SamplingParams(**expected)
    [kind] = expected
    inner = "sampling.choice.texts" if kind == "choice" else f"sampling.{kind}"
    assert asked.names_of_sampling[inner] == field


@pytest.mark.parametrize("fields", [{}, {"response_format": {"type": "text"}}, {"response_format": None}])
def test_nothing_is_no_constraint(fields: dict[str, Any]) -> None:
    assert body(**fields).sampling(None) == ar_pb2.SamplingParams()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"guided_regex": "a", "guided_choice": ["a"]}, "guided_choice"),
        ({"guided_regex": "a", "response_format": {"type": "json_object"}}, "guided_regex"),
        ({"structured_outputs": {"regex": "a", "choice": ["a"]}}, "structured_outputs.choice"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ],
)
def test_two_at_a_time_and_none_where_one_is_said_are_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        body(**fields).sampling(None)
    assert caught.value.field == field
