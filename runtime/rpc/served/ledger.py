"""What the last calls were served, by request id, and the service that gives it out.

A proxy whose client cancels a call, or whose deadline ends it, never sees the call's trailers. It asks afterwards.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

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
