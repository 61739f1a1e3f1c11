"""A model that can be computed by hand and held at will, and an observer that remembers."""

import threading
from collections import Counter
from collections.abc import Sequence

from services.common.batching.request import End, Slice
from tandem.shared.errors import ModelFault

Numbers = Slice[list[int], list[int]]

NOT_FINITE = 10**9


class Doubler:
    """Returns twice the numbers of each slice, or ModelFault for a slice that has the number NOT_FINITE.

    Raises for a batch that has a negative number, and for one of more than `max_samples` samples and two slices or
    more. While `gate` is closed, batches wait in it; `entered` counts those that got there.
    """

    def __init__(self, *, is_open: bool = True, max_samples: int = 10**9) -> None:
        self.batch_sizes: list[int] = []
        self.good_sizes: list[int] = []
        self.slices: list[Numbers] = []
        """Each slice of each batch, in the order that they ran."""
        self._max_samples = max_samples
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)
        if is_open:
            self.gate.set()

    def run(self, slices: Sequence[Numbers]) -> list[list[int] | ModelFault]:
        size = sum(one.num_samples for one in slices)
        self.batch_sizes.append(size)
        self.slices.extend(slices)
        self.entered.release()
        self._wait()
        parts = [one.payload[one.start : one.stop] for one in slices]
        if any(number < 0 for part in parts for number in part):
            raise ArithmeticError("a secret of the model")
        if size > self._max_samples and len(slices) > 1:
            raise MemoryError("a secret of the allocator")
        self.good_sizes.append(size)
        return [ModelFault() if NOT_FINITE in part else [2 * number for number in part] for part in parts]

    def _wait(self) -> None:
        self.gate.wait()


class Stepwise(Doubler):
    """A Doubler whose gate lets one batch through for each release of `steps`, until `gate` is opened for good."""

    def __init__(self) -> None:
        super().__init__(is_open=False)
        self.steps = threading.Semaphore(0)

    def _wait(self) -> None:
        while not self.gate.is_set():
            if self.steps.acquire(timeout=0.01):
                return


class Recorder:
    """Implements `BatchObserver`."""

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
