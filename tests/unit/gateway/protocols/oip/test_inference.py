"""Results that take long to make are made in a thread, and a request names only parameters that there are."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.protocols.oip.inference import _result
from gateway.protocols.oip.models.adapter import ROUTES, Calls
from gateway.protocols.oip.models.text import TextModel
from gateway.protocols.oip.tensors import InferenceResult, read_inputs
from tandem.ar.v1 import ar_pb2
from tandem.oip.grpc_service_pb2 import ModelInferRequest


@pytest.mark.parametrize(("num_bytes", "has_many_parts"), [(100_000, True), (100_000, False), (100, True)])
async def test_only_large_results_of_many_parts_are_made_in_a_thread(num_bytes: int, has_many_parts: bool) -> None:
    threads = []

    def made(_: Sequence[Any]) -> InferenceResult:
        threads.append(threading.get_ident())
        return InferenceResult([])

    message = ar_pb2.GenerateResponse(text_delta="a" * num_bytes).SerializeToString()
    await _result(Calls(ROUTES["Generate"], [b""], made, has_many_parts), [message])
    assert (threads != [threading.get_ident()]) == (num_bytes > 1000 and has_many_parts)


@pytest.mark.parametrize("flags", [{}, {"return_logprobs": True}])
def test_a_text_with_log_probabilities_has_many_parts(flags: dict[str, bool]) -> None:
    model, request = TextModel("m"), ModelInferRequest(model_name="m")
    request.inputs.add(name="text_input", datatype="BYTES", shape=[1]).contents.bytes_contents.append(b"a")
    for name, value in flags.items():
        request.inputs.add(name=name, datatype="BOOL", shape=[1]).contents.bool_contents.append(value)
    calls = model.calls(read_inputs(request, model.inputs, False), (), {}, is_streamed=False)
    assert calls.has_many_parts == bool(flags)
