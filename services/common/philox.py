"""Random words by counter: numpy's Philox (Salmon et al. 2011), set to a key and a counter and not made anew."""

import numpy as np


class Philox:
    """One generator that is set for each run of words: to make one costs eight times as much. Used by one thread."""

    def __init__(self) -> None:
        self._generator = np.random.Philox(key=0)
        self._state = self._generator.state
        self._counter, self._key = self._state["state"]["counter"], self._state["state"]["key"]

    def at(self, key: tuple[int, int], counter: tuple[int, int]) -> np.random.Philox:
        """Return the generator at the first word of that counter; all four numbers are below 2**64."""
        self._key[0], self._key[1] = key
        self._counter[0], self._counter[1] = counter
        self._generator.state = self._state
        return self._generator
