"""Which image is asked for next: classes in turn, each as often, and no seed twice. Knows no model and no clock."""

import numpy as np

from bench.load.orders import Order


class Dealer:
    """Deals out the orders of one model. Every `num_classes` orders in a row have every class once, in random order."""

    def __init__(self, num_classes: int, random: np.random.Generator) -> None:
        self._num_classes = num_classes
        self._random = random
        self._bag: list[int] = []
        self._number = 0

    def next_label(self) -> int:
        """Return the class that is next."""
        if not self._bag:
            self._bag = self._random.permutation(self._num_classes).tolist()
        return self._bag.pop()

    def order(self, label: int) -> Order:
        """Return an order for one image of this class."""
        self._number += 1
        return Order(
            number=self._number,
            work=0,
            length=1,
            prompt_tokens=0,
            place=(label + 0.5) / self._num_classes,
            seed=int(self._random.integers(0, 2**63)),
            cancel_after_seconds=None,
        )
