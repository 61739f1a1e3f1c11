"""Results that take long to make are made in a thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.protocols.catalogue import Served
from gateway.protocols.oip.inference import Inference
from gateway.protocols.oip.models.adapter import ROUTES, Calls
from gateway.protocols.oip.models.text import TextModel
from runtime.deadlines import Deadline
from runtime.rpc.routes import SEQUENTIAL
from tandem.ar.v1 import ar_pb2
from tandem.oip.grpc_service_pb2 import ModelInferRequest, ModelInferResponse


@pytest.mark.parametrize("num_bytes", [100, 100_000])
async def test_only_large_results_are_made_in_a_thread(num_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def made(_: Sequence[Any]) -> ModelInferResponse:
        threads.append(threading.get_ident())
        return ModelInferResponse()

    async def unary(*_: Any) -> bytes:
        return ar_pb2.CompleteResponse(usage=ar_pb2.Usage(fingerprint="a" * num_bytes)).SerializeToString()

    async def read(_: Any) -> ModelInferRequest:
        request = ModelInferRequest(model_name="m")
        request.inputs.add(name="text_input", datatype="BYTES", shape=[1]).contents.bytes_contents.append(b"a")
        return request

    monkeypatch.setattr(TextModel, "calls", lambda *_: Calls(ROUTES["Complete"], [b""], made))
    described: Any = SimpleNamespace(name="m", modality="text")
    catalogue: Any = SimpleNamespace(find=lambda _: Served(SEQUENTIAL, described))
    admission: Any = SimpleNamespace(take=lambda _: None, unary=unary, deadline=Deadline.after(None))
    reply = await Inference(catalogue).infer(ModelInferRequest(), read, admission)
    assert reply.model_name == "m"
    assert (threads != [threading.get_ident()]) == (num_bytes > 1000)
