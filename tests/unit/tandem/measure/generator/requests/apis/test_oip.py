"""Requests of the Open Inference Protocol, and what answers say."""

from __future__ import annotations

import json
import struct

from tandem.measure.generator.requests.apis.oip import read_tensors, request_maker
from tandem.measure.generator.schedule.request_sequence import RequestSpec
from tandem.measure.scenario import Workload
from tandem.oip.grpc_service_pb2 import ModelInferRequest, ModelInferResponse, ModelStreamInferResponse

REQUEST_SPEC = RequestSpec(
    number=3, workload=0, length=5, prompt=((5, 3), (6, 1)), place=0.55, seed=77, cancel_after_seconds=None
)


def workload(**values: object) -> Workload:
    return Workload.model_validate({"kind": "text", "delivery": "streamed", "api": "oip", "model": "m", **values})


def inputs(raw: bytes) -> dict[str, tuple[list[int], bytes]]:
    request = ModelInferRequest.FromString(raw)
    pairs = zip(request.inputs, request.raw_input_contents, strict=True)
    return {each.name: (list(each.shape), content) for each, content in pairs}


def reply(**tensors: tuple[list[int], bytes]) -> ModelInferResponse:
    response = ModelInferResponse()
    for name, (shape, raw) in tensors.items():
        response.outputs.add(name=name, shape=shape)
        response.raw_output_contents.append(raw)
    return response


def text(value: bytes) -> tuple[list[int], bytes]:
    return [1], struct.pack("<I", len(value)) + value


def streamed(response: ModelInferResponse | None = None, error: str = "") -> bytes:
    return ModelStreamInferResponse(infer_response=response, error_message=error).SerializeToString()


def test_text_is_asked_for_by_the_names_of_triton_s_vllm_backend() -> None:
    found = inputs(request_maker(workload(), 0)(REQUEST_SPEC))
    assert len(found["text_input"][1][4:].split()) == 4
    assert json.loads(found["sampling_parameters"][1][4:]) == {"ignore_eos": True, "max_tokens": 5, "seed": 77}
    assert found["stream"] == ([1], b"\1")


def test_images_have_one_seed_and_a_class_for_each() -> None:
    found = inputs(request_maker(workload(kind="images", delivery="unary"), 0)(REQUEST_SPEC))
    assert found == {"seed": ([1, 1], struct.pack("<Q", 77)), "label": ([5, 1], struct.pack("<5i", *[5] * 5))}
    found = inputs(request_maker(workload(kind="image", num_classes=0), 0)(REQUEST_SPEC))
    assert found == {"seed": ([1], struct.pack("<Q", 77))}


def test_tokens_are_those_that_messages_tell() -> None:
    counted = [reply(text_output=text(b"ab"), num_output_tokens=([1], struct.pack("<I", n))) for n in (2, 3)]
    found = read_tensors(workload(), [*map(streamed, counted), streamed(ModelInferResponse())])
    assert (list(found.num_outputs), found.is_counted, found.code) == ([2, 3, 0], True, 0)


def test_a_server_that_does_not_tell_tokens() -> None:
    messages = [streamed(reply(text_output=text(b"a"))), streamed(reply(text_output=text(b"")))]
    found = read_tensors(workload(), messages)
    assert (list(found.num_outputs), found.is_counted) == ([1, 0], False)


def test_images_and_pictures() -> None:
    images = reply(images=([3, 2, 2, 1], bytes(12))).SerializeToString()
    found = read_tensors(workload(kind="images", delivery="unary"), [images])
    assert (list(found.num_outputs), found.num_images) == ([3], 3)
    messages = [reply(token_ids=([2], bytes(8))), reply(token_ids=([0], b""), images=([1, 2, 2, 1], bytes(4)))]
    found = read_tensors(workload(kind="image"), [*map(streamed, messages)])
    assert (list(found.num_outputs), found.num_images, found.is_counted) == ([2, 0], 1, True)


def test_an_error_in_the_stream() -> None:
    for error, code in (("[RESOURCE_EXHAUSTED] full", 8), ("[OK] no", 2), ("gone", 2)):
        found = read_tensors(workload(), [streamed(error=error)])
        assert (found.code, found.text) == (code, error)
    assert read_tensors(workload(), [b"\xff"]).code == 13
