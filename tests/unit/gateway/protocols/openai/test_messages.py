"""A body that is wrong is told by the field, as the client wrote it; what is unsupported is not passed over."""

import json
from typing import Any

import pytest

from gateway.protocols.openai.text.completion import CompletionBody
from tandem.shared.errors import InvalidArgument


def refused(body_class: type[Any], **fields: Any) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        body_class.parse(json.dumps(fields).encode())
    return caught.value


def test_a_long_list_of_wrong_things_costs_no_list_of_errors() -> None:
    assert refused(CompletionBody, prompt=[["a"] * 1000] * 1000).field == "prompt"
