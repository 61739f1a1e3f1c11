"""What a call was served, counted from the messages that go out: the trailing metadata `tandem-served-bin`.

Knows the table of RPCs, and nothing of what the calls are about.
"""

import time
from collections.abc import Callable

from google.protobuf.message import Message

from runtime.rpc.routes import Route
from tandem.common.v1 import served_pb2

SERVED_METADATA = "tandem-served-bin"
"""Metadata key of the trailer: a serialised tandem.common.v1.Served."""


class ServedCount:
    """Counts what the messages of one call carry; `clock` returns seconds."""

    def __init__(self, route: Route, clock: Callable[[], float] = time.monotonic) -> None:
        self._route = route
        self._clock = clock
        self._first_sent_at: float | None = None
        self._served = served_pb2.Served()

    def sent(self, message: Message) -> None:
        """Count a message that goes out."""
        outputs, first_sent_at = self._route.outputs_of(message), self._first_sent_at
        if first_sent_at is None:
            self._first_sent_at = self._clock()
        if outputs and not self._served.outputs:
            self._served.first_outputs = outputs
            if first_sent_at is not None:
                self._served.first_output_delay_seconds = self._clock() - first_sent_at
        self._served.outputs += outputs
        self._served.images += self._route.images_of(message)
        timings = self._route.timings_of(message)
        if timings is not None:
            self._served.timings.CopyFrom(timings)
            self._count_input(message)

    def _count_input(self, last_message: Message) -> None:
        usage = self._route.usage_of(last_message)
        if usage is not None:
            self._served.input_tokens, self._served.cached_tokens = usage.prompt_tokens, usage.cached_tokens

    def served(self, model: str, backend_seconds: float, arrival_wait_seconds: float) -> served_pb2.Served:
        """Return the figures of a call that has ended."""
        self._served.model = model
        self._served.backend_seconds = backend_seconds
        self._served.arrival_wait_seconds = arrival_wait_seconds
        return self._served
