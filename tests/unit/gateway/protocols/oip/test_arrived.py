"""Large requests: what is read of them before their callers are admitted, and which are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.http.parsing import MAX_INLINE_BYTES
from gateway.protocols.oip.arrived import MAX_FIELDS, Arrived
from gateway.protocols.oip.models.text import TextModel
from tandem.oip.grpc_service_pb2 import ModelInferRequest
from tandem.shared.errors import InvalidArgument

MODEL = TextModel("m")


def large(change: Callable[[Any], object] = lambda request: None) -> ModelInferRequest:
    """Return a request that is above the size up to which all is parsed at once."""
    request = ModelInferRequest(model_name="m", model_version="1", id="x")
    request.inputs.add(name="text_input", datatype="BYTES", shape=[1])
    request.raw_input_contents.append(bytes(2 * MAX_INLINE_BYTES))
    request.parameters["number"].double_param = 1.5
    request.outputs.add(name="text_output")
    change(request)
    return request


async def test_a_small_request_is_parsed_at_once() -> None:
    request = ModelInferRequest(model_name="m", id="x")
    request.parameters["a"].bool_param = True
    arrived = Arrived.of(request.SerializeToString())
    assert arrived.head == request
    assert await arrived.read(MODEL) is arrived.head


async def test_of_a_large_request_only_the_head_is_parsed_at_first() -> None:
    request = large()
    arrived = Arrived.of(request.SerializeToString())
    assert arrived.head == ModelInferRequest(model_name="m", model_version="1", id="x")
    assert await arrived.read(MODEL) == request


async def test_fields_that_are_not_known_are_passed_over() -> None:
    unknown = b"\xf8\x07\x96\x01" + b"\xf9\x07" + bytes(8) + b"\xfd\x07" + bytes(4)  # field 127: varint, 8 and 4 bytes
    arrived = Arrived.of(unknown + large().SerializeToString())
    assert arrived.head.model_name == "m"
    assert (await arrived.read(MODEL)).id == "x"


def parameters(of: Any) -> None:
    for number in range(MAX_FIELDS):
        of.parameters[str(number)].bool_param = True


TOO_MANY: dict[str, Callable[[Any], Any]] = {
    "parameters": parameters,
    "inputs": lambda request: [request.inputs.add() for _ in range(MAX_FIELDS)],
    "outputs": lambda request: [request.outputs.add() for _ in range(MAX_FIELDS)],
    "raw": lambda request: request.raw_input_contents.extend([b""] * MAX_FIELDS),
    "parameters of an input": lambda request: parameters(request.inputs[0]),
    "parameters of an output": lambda request: parameters(request.outputs[0]),
    "a few in each of many": lambda request: [request.inputs.add(name="a", datatype="b") for _ in range(200)],
}


@pytest.mark.parametrize("what", TOO_MANY)
def test_a_large_request_with_too_many_fields_is_refused(what: str) -> None:
    with pytest.raises(InvalidArgument, match=f"request: 'more than {MAX_FIELDS} fields' is not accepted"):
        Arrived.of(large(TOO_MANY[what]).SerializeToString())


MALFORMED = {
    "cut off": large().SerializeToString()[:-1],
    "a tag without a value": large().SerializeToString() + b"\x08",
    "a group": large().SerializeToString() + b"\xfb\x07\xfc\x07",
    "a number without an end": large().SerializeToString() + b"\xf8\x07" + b"\xff" * 11,
    "an input cut off": b"\x2a\x02\x0a\x05" + large().SerializeToString(),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_large_request_that_is_malformed_is_refused(what: str) -> None:
    with pytest.raises(InvalidArgument, match=r"accepted: a inference\.ModelInferRequest message"):
        Arrived.of(MALFORMED[what])
