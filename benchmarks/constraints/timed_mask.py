"""A mask that measures itself: the seconds that the engine's thread spends in it. Knows nothing of models."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from services.ar.engine.token_mask import TokenMask


@dataclass
class Spent:
    """Seconds, and masks that were computed in them."""

    seconds: float = 0.0
    num_masks: int = 0

    @contextmanager
    def measured(self, num_masks: int = 0) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - started
        self.num_masks += num_masks


class TimedMask:
    """Implements `engine.token_mask.TokenMask` by another one."""

    def __init__(self, mask: TokenMask, spent: Spent) -> None:
        self._mask = mask
        self._spent = spent

    @property
    def is_complete(self) -> bool:
        return self._mask.is_complete

    def masks(self, draft: Sequence[int]) -> list[bytes]:
        with self._spent.measured(1 + len(draft)):
            return self._mask.masks(draft)

    def num_allowed(self, draft: Sequence[int]) -> int:
        with self._spent.measured():
            return self._mask.num_allowed(draft)

    def advance(self, token_ids: Sequence[int]) -> None:
        with self._spent.measured():
            self._mask.advance(token_ids)
