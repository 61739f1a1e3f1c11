"""One request and its reply, whatever the protocol: sent, read, timed, and ended in exactly one way."""

from __future__ import annotations

import asyncio
import math
import time
from abc import ABC, abstractmethod
from typing import Any

from tandem.measure.generator.sending.column_reader import ColumnReader
from tandem.measure.generator.sending.sender import Route
from tandem.measure.generator.sending.tables import End

OK, CANCELLED, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE = 0, 1, 4, 13, 14
"""gRPC's numbers of statuses."""


class PythonCall(ABC):
    """`zero` is the end of the warm-up, on the monotonic clock. `kept`: number of the message, column, bytes."""

    def __init__(self, route: Route, reader: ColumnReader, spec: Any, intended: float, zero: float) -> None:
        self.route, self._reader, self._spec, self._zero = route, reader, spec, zero
        self._intended = intended
        self.number = int(spec["number"])
        self.values = reader.initial()
        self.messages: list[tuple[int, float, int, int]] = []
        self.kept: list[tuple[int, int, bytes]] = []
        self.code, self.text, self.end = OK, "", End.ANSWERED
        self.num_messages = 0
        self._first_output, self._ended = math.nan, math.nan
        self._sent = self.now()

    def now(self) -> float:
        return time.monotonic() - self._zero

    @abstractmethod
    def cancel(self, end: End) -> None:
        """Cancel the call, if it still runs, for this reason."""

    @abstractmethod
    async def read_reply(self) -> None:
        """Read the reply to its end, and set `code` and `text`."""

    async def run(self) -> None:
        """See the call through to its end."""
        after = float(self._spec["cancel_after"])
        loop = asyncio.get_running_loop()
        timer = loop.call_later(after, self.cancel, End.CANCELLED) if math.isfinite(after) else None
        try:
            await self.read_reply()
        finally:
            if timer is not None:
                timer.cancel()
        if math.isnan(self._ended):
            self.ended_at(self.now())
        if self.code != CANCELLED:
            self.end = End.ANSWERED

    def ended_at(self, at: float) -> None:
        self._ended = at

    def take(self, message: bytes, at: float) -> None:
        """Take a message that has come, at an instant of the run."""
        outputs = self.route.outputs
        before = 0.0 if outputs is None else self.values[outputs]
        self.kept += [(self.num_messages, *each) for each in self._reader.read(message, self.values)]
        self.num_messages += 1
        num_outputs = 1 if outputs is None else int(self.values[outputs] - before)
        if num_outputs and math.isnan(self._first_output):
            self._first_output = at
        if self.route.is_streamed:
            self.messages.append((self.number, at, len(message), num_outputs))

    def row(self) -> tuple[float, ...]:
        """Return a row of ROW, but for its text."""
        instants = (self._intended, self._sent, self._first_output, self._ended)
        spec = self._spec
        return (self.number, *instants, spec["route"], self.code, self.end, spec["length"], self.num_messages)
