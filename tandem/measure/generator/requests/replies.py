"""What kept replies carry: images as they were served. Knows no clock."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tandem.measure.generator.requests.reading import parse_own
from tandem.measure.results.record import Record

Pixels = npt.NDArray[np.uint8]


def images_by_number(record: Record, rpcs: Sequence[str]) -> dict[int, Pixels]:
    """Return the 8-bit image [H, W, C] of each request for one image that brought it; `rpcs` of the workloads."""
    found, numbers = {}, record.requests["number"]
    for number, messages in record.kept().items():
        rpc = rpcs[int(record.requests["workload"][np.searchsorted(numbers, number)])]
        for message in reversed(messages):  # of a sequential one, the image is in the last message
            _, (part, *_) = parse_own(rpc, message)
            images = part.images if rpc.startswith("Sample") else part.image
            if images.shape:
                _, height, width, channels = images.shape
                found[number] = np.frombuffer(images.data, np.uint8).reshape(height, width, channels)
                break
    return found
