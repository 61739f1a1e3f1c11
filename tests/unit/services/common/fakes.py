"""A model that can be computed by hand and held at will, and an observer that remembers."""

import threading
from collections import Counter
from collections.abc import Sequence

from services.common.batch_request import Slice
from services.common.batcher import End

Numbers = Slice[list[int], list[int]]


class Doubler:
    """Returns twice the numbers of each slice; raises for a batch that has a negative one.

    While `gate` is closed, batches wait in it; `entered` counts those that got there.
    """

    def __init__(self, *, is_open: bool = True) -> None:
        self.batch_sizes: list[int] = []
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)
        if is_open:
            self.gate.set()

    def run(self, slices: Sequence[Numbers]) -> list[list[int]]:
        self.batch_sizes.append(sum(one.num_samples for one in slices))
        self.entered.release()
        self.gate.wait()
        parts = [one.payload[one.start : one.stop] for one in slices]
        if any(number < 0 for part in parts for number in part):
            raise ArithmeticError("a secret of the model")
        return [[2 * number for number in part] for part in parts]


class Recorder:
    """Implements `batcher.BatchObserver`."""

    def __init__(self) -> None:
        self.ends: list[tuple[End, int]] = []
        self.passes: list[int] = []

    def passed(self, batch_size: int, seconds: float) -> None:
        self.passes.append(batch_size)

    def ended(self, outcome: End, num_samples: int) -> None:
        self.ends.append((outcome, num_samples))

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(outcome for outcome, _ in self.ends)
