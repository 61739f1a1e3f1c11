"""A body that is wrong is told by the field, as the client wrote it; what is unsupported is not passed over."""

import json
from typing import Any

import pytest

from gateway.protocols.openai.text.chat import ChatBody
from gateway.protocols.openai.text.completion import CompletionBody
from tandem.shared.errors import InvalidArgument


def refused(body_class: type[Any], **fields: Any) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        body_class.parse(json.dumps(fields).encode())
    return caught.value


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


@pytest.mark.parametrize("value", [1, 1.0])
def test_a_value_that_changes_nothing_passes(value: float) -> None:
    raw = json.dumps({"prompt": "a", "length_penalty": value, "skip_special_tokens": True}).encode()
    assert CompletionBody.parse(raw).prompt == "a"


def test_a_long_list_of_wrong_things_costs_no_list_of_errors() -> None:
    assert refused(CompletionBody, prompt=[["a"] * 1000] * 1000).field == "prompt"
