"""One request and its reply, whatever the protocol: sent, read, timed, and ended in exactly one way."""

from __future__ import annotations

import asyncio
import math
import time
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from tandem.measure.generator.sending.sender import Route
from tandem.measure.generator.sending.statuses import CANCELLED, OK
from tandem.measure.generator.sending.tables import End


class Order(NamedTuple):
    """What is to be sent. `spec`: its row of REQUEST_SPEC; `intended`: NaN for whenever it is sent; `zero`: the end of
    the warm-up, on the monotonic clock.
    """

    route: Route
    spec: Any
    message: bytes
    intended: float
    zero: float


class PythonCall(ABC):
    """A call that has begun. `messages`: when each came, and what is kept of it."""

    def __init__(self, order: Order) -> None:
        self.order = order._replace(message=b"")  # calls are kept until the end of the run, what they sent is not
        self.number = int(order.spec["number"])
        self.messages: list[tuple[float, bytes]] = []
        self.code, self.text, self.end = OK, "", End.ANSWERED
        self.ended = self._sent = math.nan

    def now(self) -> float:
        return time.monotonic() - self.order.zero

    def wait_for_its_time(self) -> None:
        """Spin until the request is due, for it is handed over a little ahead; to be called right before it is sent."""
        while (at := self.now()) < self.order.intended:
            pass
        self._sent = at
        if math.isnan(self.order.intended):
            self.order = self.order._replace(intended=at)

    @abstractmethod
    def cancel(self, end: End) -> None:
        """Cancel the call, if it still runs, for this reason."""

    @abstractmethod
    async def read_reply(self) -> None:
        """Read the reply to its end, and set `code` and `text`."""

    async def run(self) -> None:
        """See the call through to its end."""
        after = float(self.order.spec["cancel_after"])
        loop = asyncio.get_running_loop()
        timer = loop.call_later(after, self.cancel, End.CANCELLED) if math.isfinite(after) else None
        try:
            await self.read_reply()
        finally:
            if timer is not None:
                timer.cancel()
        if math.isnan(self.ended):
            self.ended = self.now()
        if self.code != CANCELLED:
            self.end = End.ANSWERED

    def take(self, message: bytes, at: float) -> None:
        """Take a message that has come, at an instant of the run."""
        self.messages.append((at, message if self.order.route.is_kept else b""))

    def row(self) -> tuple[float, ...]:
        """Return a row of ROW, but for its text."""
        spec, instants = self.order.spec, (self.order.intended, self._sent, self.ended)
        return (self.number, *instants, spec["route"], self.code, self.end, spec["length"])


class Calls(ABC):
    """The connections to one server, by one protocol. Make it, and use it, in one running event loop."""

    @abstractmethod
    async def connect(self) -> None:
        """Open the connections, which may take as long as it takes. Raises OSError."""

    @abstractmethod
    async def close(self) -> None:
        """Give them back."""

    @abstractmethod
    def begin(self, order: Order) -> PythonCall:
        """Return a call that has begun."""
