"""What is no text or no number in a request is refused in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.protocols.oip.http.bodies import HEADER_LENGTH, parse_infer, split
from gateway.protocols.oip.models.text import TextModel
from tandem.shared.errors import InvalidArgument

TEXT = {"name": "text_input", "datatype": "BYTES", "shape": [1], "data": ["a"]}


@pytest.mark.parametrize(
    ("parameters", "field"),
    [({"stop": "\ud800"}, "request"), ({"\ud800": 1}, "request"), ({"stop": []}, "parameters.stop")],
)
def test_a_wrong_parameter_is_refused(parameters: dict[str, Any], field: str) -> None:
    head = json.dumps({"inputs": [TEXT], "parameters": parameters}).encode()
    with pytest.raises(InvalidArgument) as caught:
        parse_infer(head, b"", "m", "", TextModel.inputs)
    assert caught.value.field == field
    str(caught.value).encode()


@pytest.mark.parametrize("value", [-(2**63), 0, 2**63 - 1, 2**63, 2**64 - 1])
def test_whole_numbers_of_64_bits_are_parameters(value: int) -> None:
    head = json.dumps({"inputs": [TEXT], "parameters": {"seed": value}}).encode()
    parameter = parse_infer(head, b"", "m", "", TextModel.inputs).parameters["seed"]
    assert getattr(parameter, parameter.WhichOneof("parameter_choice")) == value


@pytest.mark.parametrize("length", ["", "-1", "1.0", "4", "\u0663", "9" * 30, "0" * 5000])
def test_a_length_that_cannot_be_is_refused(length: str) -> None:
    with pytest.raises(InvalidArgument, match="0 to 3, the body's bytes") as caught:
        split(b"abc", length)
    assert caught.value.field == HEADER_LENGTH
