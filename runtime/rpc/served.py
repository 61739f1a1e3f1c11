"""What a call was served: counted from the messages that go out, told in the trailing metadata `tandem-served-bin`, and
kept for a proxy whose client cancels a call, or whose deadline ends it, which never sees the trailers and asks later.

Knows the table of RPCs, and nothing of what the calls are about.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

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
        if self._route.images_of is not None:
            self._served.images += self._route.images_of(message)
        timings = None if self._route.timings_of is None else self._route.timings_of(message)
        if timings is not None and timings.total_seconds > 0.0:  # a measured one has a total
            self._served.timings.CopyFrom(timings)
            if self._route.has_usage:
                usage = message.usage  # type: ignore[attr-defined]
                self._served.input_tokens, self._served.cached_tokens = usage.prompt_tokens, usage.cached_tokens

    def served(self, model: str, backend_seconds: float, arrival_wait_seconds: float) -> served_pb2.Served:
        """Return the figures of a call that has ended."""
        self._served.model = model
        self._served.backend_seconds = backend_seconds
        self._served.arrival_wait_seconds = arrival_wait_seconds
        return self._served


REQUEST_ID_METADATA = "x-request-id"
"""Metadata key under which a proxy names a request; calls without it are not kept."""

MAX_REQUEST_ID_LENGTH = 128


@dataclass(frozen=True, slots=True)
class _Kept:
    served: bytes
    kept_at: float


class ServedLedger:
    """Keeps the last `max_entries` calls that have ended, each for `max_age_seconds`: about 5 MB by default.

    Calls whose trailers were sent are kept too: whether the trailers got through is not known here. Used on the event
    loop only.
    """

    def __init__(
        self, max_entries: int = 10_000, max_age_seconds: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_entries = max_entries
        self._max_age_seconds = max_age_seconds
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()  # the oldest first

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, request_id: str, served: bytes) -> None:
        """Keep a serialised tandem.common.v1.Served; of several under one id the last is kept."""
        if not 0 < len(request_id) <= MAX_REQUEST_ID_LENGTH:
            return
        self._kept.pop(request_id, None)
        self._kept[request_id] = _Kept(served, self._clock())
        self._drop_old()

    def take(self, request_id: str) -> bytes | None:
        """Return what is kept under the id, and keep it no longer; None if there is nothing."""
        self._drop_old()
        kept = self._kept.pop(request_id, None)
        return None if kept is None else kept.served

    def _drop_old(self) -> None:
        too_old = self._clock() - self._max_age_seconds
        while self._kept:
            oldest = next(iter(self._kept.values()))
            if len(self._kept) <= self._max_entries and oldest.kept_at > too_old:
                return
            self._kept.popitem(last=False)
