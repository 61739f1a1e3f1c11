"""Requests and replies of the Open Inference Protocol: text named as in Triton's vLLM backend, images as in Tandem."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from tandem.measure.generator.requests.apis.words import Words
from tandem.measure.generator.requests.reading import NO_MESSAGE, ReplyFigures
from tandem.measure.generator.schedule.request_sequence import RequestSpec
from tandem.measure.generator.sending.statuses import INTERNAL, UNKNOWN
from tandem.measure.results.record import CODE_NAMES
from tandem.measure.scenario import Workload
from tandem.oip.grpc_service_pb2 import ModelInferRequest, ModelInferResponse, ModelStreamInferResponse

SERVICE = "inference.GRPCInferenceService"
_USUAL_CLASSES = 10
_SIZE = struct.Struct("<I")
_CODES = {name: number for number, name in CODE_NAMES.items()}


def request_maker(workload: Workload, prompt_salt: int) -> Callable[[RequestSpec], bytes]:
    """Return what makes the serialised request of a request spec."""
    fill = partial(_add_text, Words(prompt_salt)) if workload.kind == "text" else _add_image

    def make(spec: RequestSpec) -> bytes:
        request = ModelInferRequest(model_name=workload.model, id=str(spec.number))
        fill(workload, request, spec)
        return request.SerializeToString()

    return make


def _add_text(words: Words, workload: Workload, request: ModelInferRequest, spec: RequestSpec) -> None:
    temperature = {} if workload.temperature is None else {"temperature": workload.temperature}
    sampling = {"ignore_eos": True, **temperature, "max_tokens": spec.length, "seed": spec.seed % 2**31}
    _add(request, "text_input", "BYTES", [1], _bytes(words.text(spec).encode()))
    _add(request, "sampling_parameters", "BYTES", [1], _bytes(json.dumps(sampling).encode()))
    _add(request, "stream", "BOOL", [1], bytes([workload.delivery == "streamed"]))
    _add(request, "exclude_input_in_output", "BOOL", [1], b"\1")
    _add(request, "return_num_output_tokens", "BOOL", [1], b"\1")


def _add_image(workload: Workload, request: ModelInferRequest, spec: RequestSpec) -> None:
    num_classes = _USUAL_CLASSES if workload.num_classes is None else workload.num_classes
    is_batch = workload.kind == "images"
    count = spec.length if is_batch else 1
    _add(request, "seed", "UINT64", [1, 1] if is_batch else [1], struct.pack("<Q", spec.seed))
    if num_classes:
        label = struct.pack("<i", int(spec.place * num_classes))
        _add(request, "label", "INT32", [count, 1] if is_batch else [1], label * count)


def _add(request: ModelInferRequest, name: str, datatype: str, shape: Sequence[int], raw: bytes) -> None:
    request.inputs.add(name=name, datatype=datatype, shape=shape)
    request.raw_input_contents.append(raw)


def _bytes(value: bytes) -> bytes:
    return _SIZE.pack(len(value)) + value


def read_tensors(workload: Workload, messages: Sequence[bytes]) -> ReplyFigures:
    """Return the figures of a reply. Outputs are tokens, where the server tells of them, or images."""
    num_outputs, num_images, is_counted = [], 0, True
    for raw in messages:
        try:
            if workload.delivery == "unary":
                reply, error = ModelInferResponse.FromString(raw), ""
            else:
                streamed = ModelStreamInferResponse.FromString(raw)
                reply, error = streamed.infer_response, streamed.error_message
        except DecodeError:
            return ReplyFigures(code=INTERNAL, text=NO_MESSAGE)
        if error:
            return ReplyFigures(code=_code_of(error), text=error)
        tensors = _tensors(reply)
        images = int(tensors["images"][0][0]) if "images" in tensors else 0
        found = images if workload.kind == "images" else _num_tokens(tensors)
        is_counted &= found is not None
        num_outputs.append(_has_text(tensors) if found is None else found)
        num_images += images
    return ReplyFigures(num_outputs, num_images, is_counted=is_counted)


_Tensors = dict[str, tuple[Sequence[int], bytes]]


def _tensors(reply: ModelInferResponse) -> _Tensors:
    """Return shape and bytes of each output."""
    pairs: Any = zip(reply.outputs, reply.raw_output_contents, strict=False)
    return {output.name: (output.shape or [0], raw) for output, raw in pairs}


def _num_tokens(tensors: _Tensors) -> int | None:
    """Return how many tokens a message has; None: it does not tell."""
    if "num_output_tokens" in tensors:
        raw = tensors["num_output_tokens"][1]
        return int(np.frombuffer(raw[: len(raw) // 4 * 4], "<u4").sum())
    if "token_ids" in tensors:
        return len(tensors["token_ids"][1]) // 4
    return None if _has_text(tensors) else 0


def _has_text(tensors: _Tensors) -> bool:
    """Return whether any element of the text is more than its size."""
    return len(tensors.get("text_output", ((), b""))[1]) > _SIZE.size


def _code_of(error: str) -> int:
    """Return the status that an error of a stream begins with, as Tandem writes it, or UNKNOWN."""
    found = re.match(r"\[(\w+)\] ", error)
    return (_CODES.get(found[1]) if found else None) or UNKNOWN  # OK is none
