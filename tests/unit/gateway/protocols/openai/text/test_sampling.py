"""What an output has to match, in every client's words, comes to one field of the contract."""

import json
from typing import Any

import pytest

from gateway.protocols.openai.text.chat import ChatBody
from gateway.protocols.openai.text.completion import CompletionBody
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
    "llama.cpp's": (
        {"response_format": {"type": "json_object", "schema": SCHEMA}},
        {"json_schema": AS_TEXT},
        "response_format.schema",
    ),
    "twice": (
        {"guided_decoding_backend": "x", "guided_grammar": "g", "structured_outputs": {"grammar": "g"}},
        {"lark": "g"},
        "structured_outputs.grammar",
    ),
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


def completion(**fields: Any) -> CompletionBody:
    return CompletionBody(prompt="a", **fields)


def test_what_is_absent_or_null_is_left_to_the_backend() -> None:
    assert completion(temperature=None, stop=None, seed=None).sampling(None) == ar_pb2.SamplingParams()


def test_every_field_has_its_place() -> None:
    same = {"temperature": 0.0, "top_p": 0.5, "top_k": 3, "min_p": 0.1, "repetition_penalty": 1.5, "n": 2}
    same |= {"presence_penalty": 1.0, "frequency_penalty": -1.0, "min_tokens": 1, "ignore_eos": True}
    same |= {"tokens_per_step": 4, "speculative_tokens": 0}
    given = completion(**same, seed=-1, stop="x", stop_token_ids=[4, 5], logit_bias={"7": -2.0})
    others = {"seed": 2**64 - 1, "max_tokens": 9, "stop": ["x"], "stop_token_ids": [4, 5], "logit_bias": {7: -2.0}}
    expected = ar_pb2.SamplingParams(**same, **others)
    assert given.sampling(9) == expected
    fields = [
        each
        for each in ar_pb2.SamplingParams.DESCRIPTOR.fields
        if (each.containing_oneof is None or len(each.containing_oneof.fields) == 1)
        and each.name != "steps"  # of images
    ]
    assert len(expected.ListFields()) == len(fields)


@pytest.mark.parametrize("top_k", [-1, 0])
def test_all_tokens_are_kept_as_vllm_says_it(top_k: int) -> None:
    assert completion(top_k=top_k).sampling(None).top_k == 0


def test_a_long_list_of_wrong_things_costs_no_list_of_errors() -> None:
    with pytest.raises(InvalidArgument) as caught:
        CompletionBody.parse(json.dumps({"prompt": [["a"] * 1000] * 1000}).encode())
    assert caught.value.field == "prompt"
