"""A body that is wrong is told by the field, as the client wrote it; what is unsupported is not passed over."""

import json
from typing import Any

import pytest

from gateway.protocols.openai.text.chat_messages import ChatBody
from gateway.protocols.openai.text.completion_messages import CompletionBody
from tandem.shared.errors import InvalidArgument


def refused(body_class: type[Any], **fields: Any) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        body_class.parse(json.dumps(fields).encode())
    return caught.value


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("prompt", {}),
        ("prompt", {"prompt": 5}),
        ("prompt", {"prompt": [1, "a"]}),
        ("n", {"prompt": "a", "n": 1.5}),
        ("stop", {"prompt": "a", "stop": [1]}),
        ("stream_options.include_usage", {"prompt": "a", "stream_options": {"include_usage": "yes"}}),
        ("suffix", {"prompt": "a", "suffix": "b"}),
        ("prompt_logprobs", {"prompt": "a", "prompt_logprobs": 0}),
        ("skip_special_tokens", {"prompt": "a", "skip_special_tokens": 1}),
        ("length_penalty", {"prompt": "a", "length_penalty": True}),
    ],
)
def test_a_wrong_field_is_named(field: str, fields: dict[str, Any]) -> None:
    assert refused(CompletionBody, **fields).field == field


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("messages[1].role", {"content": "a"}),
        ("messages[1].content", {"role": "user"}),
        ("messages[1].content", {"role": "user", "content": [{"type": "image_url"}]}),
        ("messages[1]", 5),
    ],
)
def test_a_wrong_message_is_named_by_its_place(field: str, message: Any) -> None:
    assert refused(ChatBody, messages=[{"role": "user", "content": "a"}, message]).field == field


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"5", b"\xff", b'{"prompt": "\\ud800"}'])
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidArgument, match="request: "):
        CompletionBody.parse(raw)


@pytest.mark.parametrize("value", [None, False, "", [], {}])
def test_an_unsupported_field_that_wants_nothing_passes(value: Any) -> None:
    raw = json.dumps({"messages": [], "tools": value, "audio": value, "a_new_field": 5}).encode()
    assert ChatBody.parse(raw).messages == []


@pytest.mark.parametrize("value", [1, 1.0])
def test_a_value_that_changes_nothing_passes(value: float) -> None:
    raw = json.dumps({"prompt": "a", "length_penalty": value, "skip_special_tokens": True}).encode()
    assert CompletionBody.parse(raw).prompt == "a"


def test_a_long_list_of_wrong_things_costs_no_list_of_errors() -> None:
    assert refused(CompletionBody, prompt=[["a"] * 1000] * 1000).field == "prompt"
