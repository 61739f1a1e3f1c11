"""What of each rpc's replies is read, and what it says: outputs, whole images, and the backend's word on the time.

Of other APIs' replies nothing is parsed while the load lasts: they are kept, and read behind it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tandem.ar.v1 import ar_pb2
from tandem.gan.v1 import gan_pb2
from tandem.measure.generator.sending.columns import WHOLE_MESSAGE, Column, Take, column
from tandem.measure.generator.sending.statuses import OK
from tandem.measure.results.record import REPORTED
from tandem.shared.metrics import TIMINGS_FIELDS

Values = NDArray[np.float64]  # [requests, columns]

# The first number of an image batch's shape is how many there are.
_SHAPE, _PART_SHAPE = ("images.shape", Take.FIRST), ("part.images.shape", Take.FIRST)


class Read(NamedTuple):
    """What the replies of some requests said; `reported` [requests, REPORTED], NaN where a server reports no times."""

    num_outputs: NDArray[np.int64]
    num_images: NDArray[np.int64]
    reported: Values


class Reading:
    """Of an rpc of which nothing is known: each message is an output. `outputs`: their place among `columns`."""

    outputs: int | None = None
    columns: tuple[Column, ...] = ()

    def read(self, values: Values) -> Read:
        """Return what the columns, and perhaps others behind them, say."""
        nothing = np.zeros(len(values), np.int64)
        return Read(nothing, nothing, np.full((len(values), len(REPORTED)), np.nan))


class OwnReading(Reading):
    """Of Tandem's own; `message`: its replies' descriptor, `outputs` and `images`: paths and what is taken of them.

    `end`: a field that is not zero in the last message alone, and an image counts only where it is.
    """

    outputs = 0

    def __init__(
        self,
        message: Any,
        outputs: tuple[str, Take],
        images: tuple[str, Take],
        timings: str = "timings",
        end: str | None = None,
    ) -> None:
        paths = [outputs, images, (end or timings, Take.LAST if end else Take.COUNT), (timings, Take.COUNT)]
        paths += [(f"{timings}.{name}", Take.LAST) for name in TIMINGS_FIELDS]
        places = {path: place for place, path in enumerate(dict.fromkeys(paths))}
        self.columns = tuple(column(message, path, take) for path, take in places)
        self._places = [places[path] for path in paths]
        self._has_end = end is not None

    def read(self, values: Values) -> Read:
        outputs, images, end, timings, *reported = (values[:, place] for place in self._places)
        if self._has_end:
            images = np.minimum(images, 1) * (np.nan_to_num(end) != 0)
        # A field that is not there is 0, as everywhere in proto3.
        has_timings = (timings > 0)[:, None]
        reported_or_nan = np.where(has_timings, np.nan_to_num(np.stack(reported, axis=1)), np.nan)
        return Read(outputs.astype(np.int64), images.astype(np.int64), reported_or_nan)


READINGS: dict[str, Reading] = {
    "Generate": OwnReading(
        ar_pb2.GenerateResponse.DESCRIPTOR, ("token_ids", Take.COUNT), ("image", Take.COUNT), end="finish_reason"
    ),
    "Complete": OwnReading(
        ar_pb2.CompleteResponse.DESCRIPTOR, ("choices.token_ids", Take.COUNT), ("choices.image", Take.COUNT)
    ),
    "Sample": OwnReading(gan_pb2.SampleResponse.DESCRIPTOR, _SHAPE, _SHAPE),
    "SampleStream": OwnReading(gan_pb2.SampleStreamResponse.DESCRIPTOR, _PART_SHAPE, _PART_SHAPE, "part.timings"),
}


class ReplyFigures(NamedTuple):
    """What the messages of one reply say. `num_outputs` of each message; `code` is gRPC's, with its `text`: with
    another than OK there are no figures.

    `is_counted`: whether the server told how many outputs there are; if not, a message that carries any counts as one.
    """

    num_outputs: Sequence[int] = ()
    num_images: int = 0
    num_prompt_tokens: float = float("nan")
    is_counted: bool = True
    code: int = OK
    text: str = ""


class ApiReading(Reading, ABC):
    """How the replies of one workload are read."""

    columns = (WHOLE_MESSAGE,)

    @abstractmethod
    def figures_of(self, messages: Sequence[bytes]) -> ReplyFigures:
        """Return what a reply that came to its end says."""


def spread(total: int, is_carrying: Sequence[bool]) -> list[int]:
    """Return how many of `total` outputs each message has, evenly, where only their sum is known.

    A message that carries text has at least one, so a total that is less than their number is not spread: each has one.
    """
    count = sum(is_carrying)
    bounds = np.arange(count + 1) * max(total, count) // max(count, 1)
    shares = iter(np.diff(bounds).tolist())
    return [next(shares) if carries else 0 for carries in is_carrying]
