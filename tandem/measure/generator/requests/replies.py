"""What kept replies carry: images as they were served, and tokens. Knows no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.ar.v1 import ar_pb2
from tandem.gan.v1 import gan_pb2
from tandem.measure.results.record import Record

Pixels = npt.NDArray[np.uint8]

_REPLIES: dict[str, Any] = {
    "Generate": ar_pb2.GenerateResponse,
    "Complete": ar_pb2.CompleteResponse,
    "Sample": gan_pb2.SampleResponse,
    "SampleStream": gan_pb2.SampleStreamResponse,
}
_IMAGES: dict[str, Callable[[Any], Any]] = {
    # rpc: the images of one of its messages, which may be empty
    "Generate": lambda message: message.image,
    "Complete": lambda message: message.choices[0].image,
    "Sample": lambda message: message.images,
    "SampleStream": lambda message: message.part.images,
}
_TOKENS: dict[str, Callable[[Any], Any]] = {
    "Generate": lambda message: message.token_ids,
    "Complete": lambda message: message.choices[0].token_ids,
}


def images_by_number(record: Record, rpcs: Sequence[str]) -> dict[int, Pixels]:
    """Return the 8-bit image [H, W, C] of each request for one image that brought it; `rpcs` are those of the
    workloads.
    """
    found = {}
    for number, rpc, messages in _kept(record, rpcs):
        for message in reversed(messages):  # of a sequential one, the image is in the last message
            images = _IMAGES[rpc](_REPLIES[rpc].FromString(message))
            if images.shape:
                _, height, width, channels = images.shape
                found[number] = np.frombuffer(images.data, np.uint8).reshape(height, width, channels)
                break
    return found


def tokens_by_number(record: Record, rpcs: Sequence[str]) -> dict[int, list[int]]:
    """Return the tokens of each request for a text that was answered, in the order of the requests' numbers."""
    return {
        number: [token for each in messages for token in _TOKENS[rpc](_REPLIES[rpc].FromString(each))]
        for number, rpc, messages in sorted(_kept(record, rpcs))
    }


def _kept(record: Record, rpcs: Sequence[str]) -> Iterator[tuple[int, str, list[bytes]]]:
    numbers = record.requests["number"]
    for number, messages in record.kept().items():
        yield number, rpcs[int(record.requests["workload"][np.searchsorted(numbers, number)])], messages
