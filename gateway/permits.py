"""Admission at the door: so many requests at a time, one more is refused at once.

One count for each paradigm, not one for all: a pile of slow text streams must not shut out image requests.
"""

import contextlib
from collections.abc import Iterator

from runtime.errors import ResourceExhausted

RETRY_AFTER_SECONDS = 0.5


class Permits:
    """The permits of one paradigm."""

    def __init__(self, paradigm: str, limit: int) -> None:
        self._paradigm = paradigm
        self._limit = limit
        self.in_flight = 0

    @contextlib.contextmanager
    def take(self) -> Iterator[None]:
        """Hold a permit. Raises ResourceExhausted if all are taken."""
        if self.in_flight >= self._limit:
            raise ResourceExhausted(f"the gateway's {self._paradigm} side", self._limit, RETRY_AFTER_SECONDS)
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
