"""What replies of Tandem's own say."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tandem.ar.v1.ar_pb2 import FINISH_REASON_LENGTH, CompleteResponse, GenerateResponse
from tandem.common.v1.images_pb2 import ImageBatch
from tandem.common.v1.timings_pb2 import Timings
from tandem.gan.v1.gan_pb2 import SampleResponse, SampleStreamResponse
from tandem.measure.generator.requests.reading import read_own
from tandem.shared.metrics import TIMINGS_FIELDS

TIMINGS, IMAGE = Timings(queue_seconds=0.5, total_seconds=2.0), ImageBatch(shape=[1, 2, 2, 1])
PART = SampleResponse(images=ImageBatch(shape=[3, 2, 2, 1]))
WHOLE = GenerateResponse(token_ids=[1, 2], image=IMAGE, finish_reason=FINISH_REASON_LENGTH)
LAST = GenerateResponse(token_ids=[3], image=IMAGE, finish_reason=FINISH_REASON_LENGTH, timings=TIMINGS)


@pytest.mark.parametrize(
    ("rpc", "messages", "num_outputs", "num_images", "has_timings"),
    [
        ("Generate", [GenerateResponse(token_ids=[1, 2], image=IMAGE), LAST], [2, 1], 1, True),
        ("Generate", [GenerateResponse(token_ids=[1, 2], image=IMAGE)], [2], 0, False),
        ("Complete", [CompleteResponse(choices=[WHOLE, WHOLE], timings=TIMINGS)], [4], 2, True),
        ("Sample", [SampleResponse()], [0], 0, False),
        ("SampleStream", [SampleStreamResponse(part=PART)] * 2, [3, 3], 6, False),
    ],
)
def test_outputs_images_and_times(
    rpc: str, messages: list[Any], num_outputs: list[int], num_images: int, has_timings: bool
) -> None:
    found = read_own(rpc, [message.SerializeToString() for message in messages])
    assert (list(found.num_outputs), found.num_images, found.code) == (num_outputs, num_images, 0)
    if has_timings:
        told = dict(zip(TIMINGS_FIELDS, found.reported, strict=True))
        assert {name: seconds for name, seconds in told.items() if seconds} == {
            "queue_seconds": 0.5,
            "total_seconds": 2.0,
        }
    else:
        assert all(map(math.isnan, found.reported))


def test_what_is_no_message() -> None:
    assert read_own("Sample", [b"\xff"]).code == 13
