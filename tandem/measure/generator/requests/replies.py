"""What kept replies carry: images as they were served, and tokens. Knows no clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tandem.measure.generator.requests.reading import parse_own
from tandem.measure.results.record import Record

Pixels = npt.NDArray[np.uint8]


def images_by_number(record: Record, rpcs: Sequence[str]) -> dict[int, Pixels]:
    """Return the 8-bit image [H, W, C] of each request for one image that brought it; `rpcs` of the workloads."""
    found = {}
    for number, rpc, messages in _kept_messages(record, rpcs):
        for message in reversed(messages):  # of a sequential one, the image is in the last message
            _, (part, *_) = parse_own(rpc, message)
            images = part.images if rpc.startswith("Sample") else part.image
            if images.shape:
                _, height, width, channels = images.shape
                found[number] = np.frombuffer(images.data, np.uint8).reshape(height, width, channels)
                break
    return found


def tokens_by_number(record: Record, rpcs: Sequence[str]) -> dict[int, list[int]]:
    """Return the tokens of each request for a text that was answered, in the order of the requests' numbers."""
    return {
        number: [token for message in messages for token in parse_own(rpc, message)[1][0].token_ids]
        for number, rpc, messages in sorted(_kept_messages(record, rpcs))
    }


def _kept_messages(record: Record, rpcs: Sequence[str]) -> Iterator[tuple[int, str, list[bytes]]]:
    numbers = record.requests["number"]
    for number, messages in record.kept().items():
        yield number, rpcs[int(record.requests["workload"][np.searchsorted(numbers, number)])], messages
