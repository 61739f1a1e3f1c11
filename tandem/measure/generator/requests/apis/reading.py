"""What a reply by another API says, read from its messages after the load: nothing is parsed while it lasts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tandem.measure.generator.requests.reading import Reading
from tandem.measure.generator.sending.columns import WHOLE_MESSAGE
from tandem.measure.generator.sending.statuses import OK


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
