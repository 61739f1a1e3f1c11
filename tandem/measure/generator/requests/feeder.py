"""Requests made ahead of their time: drawn, serialised and handed over in blocks, while the sender sends others.

How far ahead: so many that the sender never waits for Python, but not so many that a short run makes them for nothing.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tandem.measure.generator.requests.messages import MessageOf
from tandem.measure.generator.schedule.request_sequence import RequestSpec
from tandem.measure.generator.sending.sender import Sender
from tandem.measure.generator.sending.tables import REQUEST_SPEC

BLOCK_REQUESTS = 128
MAX_AHEAD_REQUESTS = 8192
MAX_AHEAD_BYTES = 64 << 20
_FIRST_AHEAD_REQUESTS = 256
_PREFIX = struct.Struct(">BI")  # gRPC's: not compressed, size


class Feeder:
    """The requests of one process: `numbers`, with their `intended` starts or, in a closed loop, for its `callers`."""

    def __init__(
        self,
        spec_of: Callable[[int], RequestSpec],
        makers: Sequence[MessageOf],
        numbers: range,
        intended: NDArray[np.float64] | None,
        callers: int = 0,
    ) -> None:
        self._spec_of = spec_of
        self._makers = makers
        self._numbers = numbers
        self._intended = intended
        self._ahead = MAX_AHEAD_REQUESTS if intended is not None else max(_FIRST_AHEAD_REQUESTS, 2 * callers)
        self._taken_before = 0
        self._blocks: deque[tuple[int, int]] = deque()  # of those not taken whole: number of its last request, bytes
        self._bytes_ahead = 0
        self.num_fed = 0

    @property
    def has_all(self) -> bool:
        return self.num_fed == len(self._numbers)

    def feed(self, sender: Sender, num_taken: int) -> bool:
        """Hand a block over, if the sender has too few; return whether it may want more at once."""
        while self._blocks and self._blocks[0][0] <= num_taken:
            self._bytes_ahead -= self._blocks.popleft()[1]
        # Four times what was taken between two looks.
        self._ahead = min(MAX_AHEAD_REQUESTS, max(self._ahead, 4 * (num_taken - self._taken_before)))
        self._taken_before = num_taken
        if self.has_all or self.num_fed - num_taken >= self._ahead or self._bytes_ahead >= MAX_AHEAD_BYTES:
            return False
        self._hand_over(sender)
        return not self.has_all

    def _hand_over(self, sender: Sender) -> None:
        begin, end = self.num_fed, self.num_fed + BLOCK_REQUESTS
        specs = [self._spec_of(number) for number in self._numbers[begin:end]]
        messages = [self._makers[spec.workload](spec) for spec in specs]
        sizes = np.array([_PREFIX.size + len(message) for message in messages])
        table = np.zeros(len(specs), REQUEST_SPEC)
        table["number"] = [spec.number for spec in specs]
        table["intended"] = np.nan if self._intended is None else self._intended[begin:end]
        cancels = [spec.cancel_after_seconds for spec in specs]
        table["cancel_after"] = [np.inf if after is None else after for after in cancels]
        table["pause"] = [np.nan if spec.think_seconds is None else spec.think_seconds for spec in specs]
        table["size"], table["begin"] = sizes, np.cumsum(sizes) - sizes
        table["route"] = [spec.workload for spec in specs]
        table["length"] = [spec.length for spec in specs]
        self.num_fed += len(specs)
        framed = b"".join(_PREFIX.pack(0, len(message)) + message for message in messages)
        sender.feed(table, framed, self.has_all)
        self._blocks.append((self.num_fed, int(sizes.sum())))
        self._bytes_ahead += int(sizes.sum())
