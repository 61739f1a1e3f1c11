"""What a response says of the sampling: what the backend takes, the model's recommendation included."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.protocols.catalogue import Served
from gateway.protocols.openai.responses.messages import ResponseBody
from gateway.protocols.openai.responses.responses import GrowingResponse
from runtime.rpc.routes import SEQUENTIAL
from tandem.ar.v1 import ar_pb2

RECOMMENDED = ar_pb2.SamplingParams(temperature=0.2, top_p=0.9)


@pytest.mark.parametrize(
    ("asked", "recommended", "expected"),
    [
        ({}, RECOMMENDED, (0.2, 0.9)),
        ({}, ar_pb2.SamplingParams(temperature=0.6), (0.6, 1.0)),
        ({}, None, (1.0, 1.0)),
        ({"temperature": 0.0}, RECOMMENDED, (0.0, 1.0)),
        ({"top_p": 0.5}, RECOMMENDED, (1.0, 0.5)),
    ],
)
def test_the_sampling_is_the_one_that_holds(asked: dict[str, Any], recommended: Any, expected: Any) -> None:
    model = ar_pb2.Model(name="m", modality="text", default_sampling=recommended)
    response = GrowingResponse(ResponseBody(input="Hi", **asked), Served(SEQUENTIAL, model), None)
    message = ar_pb2.GenerateResponse(finish_reason=ar_pb2.FINISH_REASON_STOP)
    whole = response.whole(message, message.usage)
    assert (whole.temperature, whole.top_p) == expected
