"""Which compiled batch sizes a batch of any size runs in: the split that takes the least time. Plain numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

LARGEST_COMPILED = 64
"""Beyond it a larger pass makes no image cheaper, but costs memory and compile time."""

# What each pass is taken to cost more than was measured, as a share of the smallest pass: threads must be woken, and
# measurements are uncertain. On a busy machine passes of 2 once seemed the cheapest, and 16 samples were eight passes.
_FURTHER_PASS = 0.5


def sizes_up_to(max_batch_size: int) -> tuple[int, ...]:
    """Return the batch sizes to compile for passes of up to `max_batch_size` samples.

    They are the powers of two, from 4 on what lies half way between them, and `max_batch_size`. Without those between,
    23 samples were four passes, each of which costs two wake-ups.
    """
    largest = min(max_batch_size, LARGEST_COMPILED)
    powers = {1 << bits for bits in range(largest.bit_length())}
    between = {3 * power // 2 for power in powers if power > 2 and 3 * power // 2 < largest}
    return tuple(sorted(powers | between | {largest}))


def unmeasured(sizes: Iterable[int]) -> dict[int, float]:
    """Return what passes may be thought to take before they were measured: each compiled size is one pass."""
    return {size: 1.0 + size for size in sizes}


class BatchPlan:
    """Splits batches by the seconds that a pass of each compiled size takes.

    A part smaller than its pass is filled up, so 33 samples may be one pass of 64, or one of 32 and one of 1.
    """

    def __init__(self, pass_seconds: Mapping[int, float]) -> None:
        self._pass_seconds = dict(sorted(pass_seconds.items()))
        self._largest = max(pass_seconds)
        self._splits = self._cheapest_splits()

    @property
    def sizes(self) -> Sequence[int]:
        """The compiled batch sizes, the smallest first."""
        return list(self._pass_seconds)

    def split(self, num_samples: int) -> Sequence[int]:
        """Return the sizes of the passes for so many samples, the largest first; only the last may be filled up."""
        num_whole = max(0, num_samples - 1) // self._largest
        return [self._largest] * num_whole + self._splits[num_samples - num_whole * self._largest]

    def _cheapest_splits(self) -> list[list[int]]:
        """Return the best split of each number of samples from 0 to the largest compiled size."""
        seconds, splits = [0.0], [[]]  # type: list[float], list[list[int]]
        further = _FURTHER_PASS * min(self._pass_seconds.values())
        costs = [(size, cost + further) for size, cost in self._pass_seconds.items()]
        for count in range(1, self._largest + 1):
            best, size = min((cost + seconds[max(0, count - size)], size) for size, cost in costs)
            seconds.append(best)
            splits.append(sorted([size, *splits[max(0, count - size)]], reverse=True))
        return splits
